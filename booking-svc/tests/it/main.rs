//! Tests against real stores, in one binary: Redis and PostgreSQL are started, killed and cut off as each test needs.

// Helpers of tests are tests: a panic is how they report.
#![allow(clippy::unwrap_used)]

mod errors;
mod first;
mod gate;
mod lost_keys;
mod holds;
mod race;
mod repeat;
mod roles;
mod sale;
mod support;
