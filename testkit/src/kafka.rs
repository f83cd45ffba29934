//! A private Apache Kafka: one broker in KRaft mode, from its jars.

use std::{
    env,
    fs::{self, File},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tempfile::TempDir;

use crate::{STORE_LIMIT, holds_within, ports::Port, process::Process, say};

/// A JVM takes some ten seconds of a core: on a crowded machine that is minutes.
const START_LIMIT: Duration = STORE_LIMIT.saturating_mul(8);
/// How often other ports are tried where a stranger took ours between the look and the start.
const START_ATTEMPTS_MAX: usize = 3;
/// The same as in `./dev`.
const PROPERTIES: &str = include_str!("../../deploy/dev/kafka/server.properties");
/// Small, and quick to start.
const JAVA_OPTIONS: [&str; 6] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Dorg.apache.logging.log4j.level=INFO",
];
/// Any 16 bytes in base64.
const CLUSTER: &str = "dGlja2V0ZW5naW5lMDAwMQ";

/// A broker of the test's own.
pub struct Broker {
    port: Port,
    controller: Port,
    data: TempDir,
    process: Mutex<Option<Process>>,
}

impl Broker {
    /// Starts one on free ports.
    pub async fn start() -> Self {
        for _ in 0..START_ATTEMPTS_MAX {
            let broker = Self::absent();
            if broker.try_launch().await {
                return broker;
            }
            broker.show_log();
        }
        panic!("Kafka does not start");
    }

    /// One that does not run yet: nobody listens at its address.
    pub fn absent() -> Self {
        let broker = Self {
            port: Port::take(),
            controller: Port::take(),
            data: TempDir::new().unwrap(),
            process: Mutex::new(None),
        };
        let properties = PROPERTIES
            .replace("=DATA", &format!("={}", broker.data.path().join("log").display()))
            .replace(":PORT", &format!(":{}", broker.port.number()))
            .replace(":CONTROLLER", &format!(":{}", broker.controller.number()));
        fs::write(broker.data.path().join("server.properties"), properties).unwrap();
        let mut format = broker.java("kafka.tools.StorageTool");
        let output = format
            .args(["format", "--cluster-id", CLUSTER, "--config", "server.properties"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        broker
    }

    /// Host and port, as `TE_KAFKA_BROKERS` takes them.
    pub fn address(&self) -> String {
        self.port.address().to_string()
    }

    /// SIGKILL, as kill -9 does it.
    pub async fn kill(&self) {
        let process = self.process().take();
        process.expect("Kafka runs").kill().await;
    }

    /// Starts it on its ports with its data.
    pub async fn restart(&self) {
        if !self.try_launch().await {
            self.show_log();
            panic!("Kafka does not start again");
        }
    }

    /// SIGSTOP: connections stay, nothing answers.
    pub fn pause(&self) {
        self.process().as_ref().expect("Kafka runs").pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.process().as_ref().expect("Kafka runs").resume();
    }

    /// False where it ends instead of serving, as it does when a port is taken.
    async fn try_launch(&self) -> bool {
        let log = File::create(self.log()).unwrap();
        let mut broker = self.java("kafka.Kafka");
        broker.arg("server.properties").stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Process::spawn(&mut broker);
        let mut ended = false;
        let serves = holds_within(START_LIMIT, async || {
            ended = !process.runs();
            ended || fs::read_to_string(self.log()).is_ok_and(|log| log.contains("Kafka Server started"))
        });
        if !serves.await || ended {
            return false;
        }
        *self.process() = Some(process);
        true
    }

    fn java(&self, class: &str) -> Command {
        let jars = env::var("TE_TEST_KAFKA").expect("TE_TEST_KAFKA is not set: run ./dev test-kafka");
        let mut java = Command::new("java");
        java.args(JAVA_OPTIONS).args(["-cp", &format!("{jars}/*"), class]);
        java.current_dir(self.data.path()).stdin(Stdio::null());
        java
    }

    fn log(&self) -> std::path::PathBuf {
        self.data.path().join("broker.log")
    }

    fn show_log(&self) {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        say(&lines[lines.len().saturating_sub(20)..].join("\n"));
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap()
    }
}
