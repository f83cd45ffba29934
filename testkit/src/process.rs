//! A child process with its own children, and the signals it gets.

use std::{
    fs,
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{STORE_LIMIT, holds_within, wait_until};

/// What a Rust program ends with that panicked.
const PANICKED: i32 = 101;

/// A store's process. Killed when dropped, paused or not.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("can not start {command:?}: {error}"));
        Self { child }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Whether it has ended by a signal or a panic.
    pub fn crashed(&mut self) -> bool {
        let ended = self.child.try_wait().unwrap();
        ended.is_some_and(|status| status.code().is_none_or(|code| code == PANICKED))
    }

    /// The memory that it has, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGSTOP to it and to its children.
    pub fn pause(&self) {
        // The parent first: it can not start new ones then.
        self.signal(Signal::STOP);
        self.signal_children(Signal::STOP);
    }

    /// SIGCONT to it and to its children.
    pub fn resume(&self) {
        self.signal_children(Signal::CONT);
        self.signal(Signal::CONT);
    }

    /// SIGKILL to it and to its children, which then are gone.
    pub async fn kill(mut self) {
        let children = self.kill_now();
        wait_until("killed processes are gone", STORE_LIMIT, async || {
            children.iter().all(|&pid| is_gone(pid))
        })
        .await;
    }

    /// `signal` asks it to end; it gets [`STORE_LIMIT`] for it.
    pub async fn stop(mut self, signal: Signal) {
        // One that has ended by itself has no number any more.
        if self.runs() {
            self.signal(signal);
        }
        assert!(holds_within(STORE_LIMIT, async || !self.runs()).await, "a store did not stop when asked");
    }

    fn kill_now(&mut self) -> Vec<Pid> {
        if !self.runs() {
            return Vec::new();
        }
        // Stopped first, or a parent would see its children die and begin to recover.
        self.signal(Signal::STOP);
        let children = self.signal_children(Signal::KILL);
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
        children
    }

    fn signal(&self, signal: Signal) {
        // A child that has ended but was not waited for can still be signalled: no other process has its number.
        kill_process(pid(self.child.id()), signal).unwrap();
    }

    /// PostgreSQL's backends lead sessions of their own, so a signal to the process group would not reach them.
    fn signal_children(&self, signal: Signal) -> Vec<Pid> {
        let children = children_of(self.child.id());
        for &child in &children {
            // It may have ended since.
            let _ = kill_process(child, signal);
        }
        children
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            self.kill_now();
        }
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number as i32).unwrap()
}

fn children_of(parent: u32) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|&number| stat(number).is_some_and(|(_, of)| of == parent)).map(pid).collect()
}

fn is_gone(process: Pid) -> bool {
    stat(process.as_raw_nonzero().get() as u32).is_none_or(|(state, _)| state == 'Z')
}

/// State and parent of a process. Its name, which may hold anything, stands before the last parenthesis.
fn stat(number: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
