//! Real stores for tests, and the means to make them fail.
//!
//! Everything that is started here ends with the value that owns it. All waits are bounded: a test that hangs is a
//! test that fails.

// Helpers of tests are tests: a panic is how they report.
#![allow(clippy::unwrap_used)]

pub mod calls;
pub mod clock;
pub mod database;
pub mod frame;
pub mod house;
pub mod kafka;
pub mod pgbouncer;
pub mod place;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod program;
pub mod proxy;
pub mod redis;
pub mod token;
mod user;
pub mod witness;

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// How long a store may take to start, stop or answer, on a busy machine.
pub const STORE_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const POLL_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds; panics with `what` where it does not within `limit`.
pub async fn wait_until(what: &str, limit: Duration, condition: impl AsyncFnMut() -> bool) {
    assert!(holds_within(limit, condition).await, "not within {limit:?}: {what}");
}

/// Whether `condition` becomes true within `limit`.
pub async fn holds_within(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition().await {
        if started.elapsed() > limit {
            return false;
        }
        sleep(POLL_EVERY).await;
    }
    true
}

/// Prints figures past the capture of a test's output: they are shown of tests that pass, too.
pub fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}
