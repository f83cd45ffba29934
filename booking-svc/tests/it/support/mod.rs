//! Real stores for tests, and the means to make them fail.
//!
//! Everything that is started here ends with the value that owns it. All waits are bounded: a test that hangs is a
//! test that fails.

pub(crate) mod binary;
pub(crate) mod calls;
pub(crate) mod database;
pub(crate) mod halt;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
mod selftest;
pub(crate) mod stall;
pub(crate) mod witness;
pub(crate) mod world;

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long a store may take to start, stop or answer, on a busy machine.
pub(crate) const STORE_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const POLL_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds; panics with `what` where it does not within `limit`.
pub(crate) async fn wait_until(what: &str, limit: Duration, condition: impl AsyncFnMut() -> bool) {
    assert!(holds_within(limit, condition).await, "not within {limit:?}: {what}");
}

/// Whether `condition` becomes true within `limit`.
pub(crate) async fn holds_within(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition().await {
        if started.elapsed() > limit {
            return false;
        }
        sleep(POLL_EVERY).await;
    }
    true
}
