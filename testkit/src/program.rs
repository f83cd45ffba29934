//! A program of ours as a process, which can be killed and started again at its address.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard},
    thread,
};

use rustix::process::Signal;

use crate::{ports::Port, process::Process, say};

/// How much of its log a failed test shows.
const LOG_LINES_SHOWN: usize = 20;

/// A program with its settings.
pub struct Program {
    binary: PathBuf,
    arguments: &'static [&'static str],
    settings: Mutex<Vec<(&'static str, String)>>,
    port: Port,
    log: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Program {
    /// One that does not run yet. `listen` is the setting that takes its address.
    pub fn new(
        binary: impl Into<PathBuf>,
        arguments: &'static [&'static str],
        listen: &'static str,
        mut settings: Vec<(&'static str, String)>,
        log: PathBuf,
    ) -> Self {
        let port = Port::take();
        settings.push((listen, port.address().to_string()));
        let (binary, settings) = (binary.into(), Mutex::new(settings));
        Self { binary, arguments, settings, port, log, process: Mutex::new(None) }
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        self.port.address().to_string()
    }

    /// Starts it; who wants to know when it answers has to ask it.
    pub fn start(&self) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(&self.binary);
        // Nothing of the machine's own settings.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TE_")) {
            command.env_remove(name);
        }
        command.args(self.arguments).envs(self.settings.lock().unwrap().iter().cloned()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        *self.process() = Some(Process::spawn(&mut command));
    }

    /// Changes a setting, for the next start.
    pub fn set(&self, name: &'static str, value: String) {
        let mut settings = self.settings.lock().unwrap();
        settings.retain(|(other, _)| *other != name);
        settings.push((name, value));
    }

    /// Whether it has been started and has not ended.
    pub fn runs(&self) -> bool {
        self.process().as_mut().is_some_and(Process::runs)
    }

    /// Whether it has ended by a signal or a panic. One that finds no store at its start ends, too, for others to start it again.
    pub fn crashed(&self) -> bool {
        self.process().as_mut().is_some_and(Process::crashed)
    }

    /// SIGSTOP: connections stay, nothing answers.
    pub fn pause(&self) {
        self.process().as_ref().expect("it runs").pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.process().as_ref().expect("it runs").resume();
    }

    /// SIGKILL.
    pub async fn kill(&self) {
        let process = self.process().take();
        process.expect("it runs").kill().await;
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(&self) {
        let process = self.process().take();
        process.expect("it runs").stop(Signal::TERM).await;
    }

    /// Its resident memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.process().as_ref().expect("it runs").resident_kib() * 1024
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            say(&format!("the end of {}:\n{}", self.log.display(), shown.join("\n")));
        }
    }
}
