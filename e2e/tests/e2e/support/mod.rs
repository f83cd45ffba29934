//! A whole system under test, and who uses it.

pub(crate) mod collector;
pub(crate) mod follower;
pub(crate) mod http;
pub(crate) mod scrape;
pub(crate) mod socket;
pub(crate) mod stack;
pub(crate) mod view;

use std::time::Duration;

pub(crate) use testkit::{holds_within, say};

/// How long the system may take to come to rest after a fault, on a busy machine.
pub(crate) const REST_LIMIT: Duration = Duration::from_secs(60);
