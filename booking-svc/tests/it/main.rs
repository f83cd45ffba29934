//! Tests against real stores, in one binary: Redis and PostgreSQL are started, killed and cut off as each test needs.

// Helpers of tests are tests: a panic is how they report.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod errors;
mod events;
mod aborts;
mod first;
mod gate;
mod holds;
mod lost_keys;
mod outage;
mod race;
mod repeat;
mod roles;
mod sale;
mod stop;
mod held_commit;
mod killed_postgres;
mod late;
mod lost_in_load;
mod lost_memory;
mod support;
