//! A program of ours as a process, which can be killed and started again at its address.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use rustix::process::Signal;
use testkit::{ports::Port, process::Process};

use super::say;

/// How much of its log a failed test shows.
const LOG_LINES_SHOWN: usize = 20;

/// A program with its settings.
pub(crate) struct Program {
    binary: &'static str,
    arguments: &'static [&'static str],
    settings: Vec<(&'static str, String)>,
    port: Port,
    log: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Program {
    /// One that does not run yet. `listen` is the setting that takes its address.
    pub(crate) fn new(
        binary: &'static str,
        arguments: &'static [&'static str],
        listen: &'static str,
        mut settings: Vec<(&'static str, String)>,
        log: PathBuf,
    ) -> Self {
        let port = Port::take();
        settings.push((listen, port.address().to_string()));
        Self { binary, arguments, settings, port, log, process: Mutex::new(None) }
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> String {
        self.port.address().to_string()
    }

    /// Starts it; who wants to know when it answers has to ask it.
    pub(crate) fn start(&self) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(self.binary);
        // Nothing of the machine's own settings.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TE_")) {
            command.env_remove(name);
        }
        let settings = self.settings.iter().map(|(name, value)| (name, value));
        command.args(self.arguments).envs(settings).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        *self.process.lock().unwrap() = Some(Process::spawn(&mut command));
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        let process = self.process.lock().unwrap().take();
        process.expect("it runs").kill().await;
    }

    /// SIGTERM, and waits for its end.
    pub(crate) async fn stop(&self) {
        let process = self.process.lock().unwrap().take();
        process.expect("it runs").stop(Signal::TERM).await;
    }

    /// Its resident memory in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let pid = self.process.lock().unwrap().as_ref().expect("it runs").id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            say(&format!("the end of {}:\n{}", self.log.display(), shown.join("\n")));
        }
    }
}
