//! Where, when and on what a run was made.

use std::{fs, thread};

use serde::Serialize;

/// What has to be known of a run to compare it with another.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    /// When it began, such as `2026-11-23 18:30 UTC`.
    pub(crate) date: String,
    /// How long it took, in seconds.
    pub(crate) took_s: u64,
    /// What was built, as git names it.
    pub(crate) commit: String,
    /// What it ran on.
    pub(crate) machine: Machine,
    /// Redis's version.
    pub(crate) redis: String,
    /// PostgreSQL's version.
    pub(crate) postgres: String,
    /// What was asked for on the command line.
    pub(crate) arguments: String,
    /// Short rounds: good to see that all works, poor to compare.
    pub(crate) quick: bool,
}

/// A computer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) cpu: String,
    /// How many processors this program may use.
    pub(crate) cpus: usize,
    /// How much memory there is, in MiB.
    pub(crate) memory_mib: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
}

impl Machine {
    /// This one, as far as `/proc` tells.
    pub(crate) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let memory = field(&text("/proc/meminfo"), "MemTotal").and_then(|memory| {
            let kib: u64 = memory.split(' ').next()?.parse().ok()?;
            Some(kib / 1024)
        });
        let kernel = text("/proc/sys/kernel/osrelease");
        Self {
            cpu: field(&text("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory.unwrap_or(0),
            kernel: if kernel.is_empty() { "unknown".to_owned() } else { kernel.trim().to_owned() },
        }
    }
}

/// The first value of a name in a file of `name: value` lines.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let text = "processor\t: 0\nmodel name\t: A: CPU\nmodel name\t: B\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: CPU"));
        assert_eq!(field(text, "flags"), None);
    }

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::read();
        assert!(machine.cpus > 0 && machine.memory_mib > 0, "{machine:?}");
        assert!(machine.kernel.contains('.'), "{machine:?}");
    }
}
