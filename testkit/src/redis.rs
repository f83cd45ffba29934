//! A private Redis.

mod cluster;
mod masters;
mod replicated;

pub use cluster::{Cluster, PATIENT};
pub use masters::{Master, Masters};
pub use replicated::Replicated;

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult, aio::MultiplexedConnection};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    STORE_LIMIT, holds_within, place::Place, ports::Port, process::Process, proxy::Proxy, wait_until,
};

/// How often another port is tried where a stranger took ours between the look and the start.
const START_ATTEMPTS_MAX: usize = 5;
/// The service's user, as in production.
const USER: &str = include_str!("../../deploy/redis/users.acl.template");
/// The same where there are replicas.
const USER_OF_REPLICAS: &str = include_str!("../../deploy/redis/users.replicated.acl.template");
const PASSWORD: &str = "test";
const PASSWORD_SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A redis-server of the test's own, as the engine wants it: AOF every second, `noeviction`.
pub struct Redis {
    port: Port,
    data: TempDir,
    place: Arc<Place>,
    process: Mutex<Option<Process>>,
    user: &'static str,
    /// More options of its command line.
    options: Vec<String>,
}

/// Redis's data at one moment.
pub struct Copy(TempDir);

impl Redis {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::start_in(Arc::default()).await
    }

    /// The same in a place.
    pub async fn start_in(place: Arc<Place>) -> Self {
        for _ in 0..START_ATTEMPTS_MAX {
            if let Some(redis) = Self::try_start(Port::take(), place.clone(), USER, Vec::new()).await {
                return redis;
            }
        }
        panic!("redis-server does not start; is it installed (apt-get install redis-server)?");
    }

    /// None where a stranger took the port meanwhile.
    async fn try_start(
        port: Port,
        place: Arc<Place>,
        user: &'static str,
        options: Vec<String>,
    ) -> Option<Self> {
        let data = TempDir::new_in(place.folder()).unwrap();
        let redis = Self { port, data, place, process: Mutex::new(None), user, options };
        redis.try_launch().await.then_some(redis)
    }

    /// Its URL for the service, whose user may do only what the service needs.
    pub fn url(&self) -> String {
        format!("redis://ticketengine:{PASSWORD}@{}/", self.port.address())
    }

    /// The same through a proxy in front of it.
    pub fn url_at(&self, proxy: &Proxy) -> String {
        format!("redis://ticketengine:{PASSWORD}@{}/", proxy.address())
    }

    /// Its URL for who may do everything.
    pub fn admin_url(&self) -> String {
        format!("redis://{}/", self.port.address())
    }

    /// Its port.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// SIGKILL. What was not written to the AOF is lost.
    pub async fn kill(&self) {
        let process = self.process().take();
        process.expect("Redis runs").kill().await;
    }

    /// SIGTERM: it writes everything and ends.
    pub async fn stop(&self) {
        let process = self.process().take();
        process.expect("Redis runs").stop(Signal::TERM).await;
    }

    /// Starts it again on its port with its data; stops it first where it runs.
    pub async fn restart(&self) {
        if self.process().is_some() {
            self.stop().await;
        }
        assert!(self.try_launch().await, "redis-server does not start again; see {:?}", self.data.path());
    }

    /// Kills it where it runs, and starts it again on its port with nothing.
    pub async fn restart_empty(&self) {
        self.clear().await;
        self.restart().await;
    }

    /// FLUSHALL.
    pub async fn flush(&self) {
        self.command(&["FLUSHALL", "SYNC"]).await;
    }

    /// SCRIPT FLUSH: each EVALSHA answers NOSCRIPT.
    pub async fn script_flush(&self) {
        self.command(&["SCRIPT", "FLUSH", "SYNC"]).await;
    }

    /// Ends the connections of all other clients. They are free to come back.
    pub async fn kill_clients(&self) {
        self.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    }

    /// SIGSTOP: connections stay, nothing answers.
    pub fn pause(&self) {
        self.process().as_ref().expect("Redis runs").pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.process().as_ref().expect("Redis runs").resume();
    }

    /// Copies its data as they are now.
    pub async fn save_copy(&self) -> Copy {
        // The rewritten file holds every write so far, whatever the AOF still has in its buffer.
        self.command(&["BGREWRITEAOF"]).await;
        wait_until("the AOF is rewritten", STORE_LIMIT, async || {
            let info = self.info("persistence").await;
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        })
        .await;
        let copy = TempDir::new().unwrap();
        copy_dir(self.data.path(), copy.path());
        Copy(copy)
    }

    /// Kills it where it runs, and starts it with the data of then: Redis goes back in time.
    pub async fn restore_copy(&self, copy: &Copy) {
        self.clear().await;
        copy_dir(copy.0.path(), self.data.path());
        self.restart().await;
    }

    /// A connection of the test's own, to look at it.
    pub async fn client(&self) -> MultiplexedConnection {
        let client = Client::open(self.admin_url()).unwrap();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    /// INFO of a section.
    pub async fn info(&self, section: &str) -> String {
        redis::cmd("INFO").arg(section).query_async(&mut self.client().await).await.unwrap()
    }

    /// SIGKILL, and the newest of what it has written is lost: so many bytes of its AOF.
    pub async fn kill_and_truncate(&self, bytes: u64) {
        self.kill().await;
        let folder = self.data.path().join("appendonlydir");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let newest = files.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).max().unwrap();
        let file = fs::File::options().write(true).open(newest).unwrap();
        file.set_len(file.metadata().unwrap().len().saturating_sub(bytes)).unwrap();
    }

    /// Whether it has been started and has not ended.
    pub fn runs(&self) -> bool {
        self.process().as_mut().is_some_and(Process::runs)
    }

    /// A command; an error where it does not answer soon.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = Client::open(self.admin_url())?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(1)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
    }

    async fn command(&self, words: &[&str]) {
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut self.client().await).await.unwrap();
    }

    async fn clear(&self) {
        let process = self.process().take();
        if let Some(process) = process {
            process.kill().await;
        }
        for entry in fs::read_dir(self.data.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }

    /// False where it ends instead of answering, as it does when the port is taken.
    async fn try_launch(&self) -> bool {
        let mut process = Process::spawn(
            Command::new(program())
                .envs(self.place.environment())
                .args(["--port", &self.port.number().to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "yes", "--appendfsync", "everysec"])
                .args(["--maxmemory-policy", "noeviction", "--logfile", "redis.log", "--dir"])
                .arg(self.data.path())
                .arg("--user")
                .args(user(self.user).iter().skip(1))
                .args(&self.options)
                .stdout(Stdio::null()),
        );
        let mut ended = false;
        let answers = holds_within(STORE_LIMIT, async || {
            ended = !process.runs();
            ended || self.answers().await
        });
        if !answers.await || ended {
            return false;
        }
        *self.process() = Some(process);
        true
    }

    /// PING is refused while it loads its data.
    async fn answers(&self) -> bool {
        let Ok(client) = Client::open(self.admin_url()) else { return false };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
        redis::cmd("PING").exec_async(&mut connection).await.is_ok()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap()
    }
}

fn program() -> OsString {
    env::var_os("TE_TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// The words of the template's line. Tests of the gate alone have keys of another prefix.
fn user(template: &str) -> Vec<String> {
    let user = template.replace("PASSWORD_SHA256", PASSWORD_SHA256).replace("~PREFIX:*", "~te:* ~test:*");
    user.split_whitespace().map(str::to_owned).collect()
}

/// The commands that the service's user may use, as Redis names them in its statistics.
pub fn commands_allowed() -> Vec<&'static str> {
    commands(USER)
}

/// The same where there are replicas.
pub fn commands_allowed_with_replicas() -> Vec<&'static str> {
    commands(USER_OF_REPLICAS)
}

fn commands(template: &str) -> Vec<&str> {
    template.split_whitespace().filter_map(|word| word.strip_prefix('+')).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
