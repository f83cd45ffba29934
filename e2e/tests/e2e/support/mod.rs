//! A whole system under test, and who uses it.

pub(crate) mod follower;
pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod socket;
pub(crate) mod stack;
pub(crate) mod view;

use std::{
    io::{self, Write},
    time::Duration,
};

pub(crate) use testkit::holds_within;

/// How long the system may take to come to rest after a fault, on a busy machine.
pub(crate) const REST_LIMIT: Duration = Duration::from_secs(60);

/// Prints figures past the capture of the test's output: they are shown of tests that pass, too.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}
