//! How many files, and so sockets, this process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process needs beside its sockets.
const OTHERS: u64 = 100;

/// Raises the limit as far as it is needed and allowed. How many of `sockets` may be opened.
pub(crate) fn allow(sockets: u32) -> usize {
    let wanted = u64::from(sockets) + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let mut allowed = current.unwrap_or(u64::MAX);
    if allowed < wanted {
        // Beyond the hard limit only root may go.
        let hard = maximum.unwrap_or(u64::MAX);
        let within = Rlimit { current: Some(wanted.min(hard)), maximum };
        let beyond = Rlimit { current: Some(wanted), maximum: Some(wanted.max(hard)) };
        if setrlimit(Resource::Nofile, beyond).is_ok() || setrlimit(Resource::Nofile, within).is_ok() {
            allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        }
    }
    usize::try_from(allowed.saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}
