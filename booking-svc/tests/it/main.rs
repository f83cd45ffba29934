//! Tests against real stores, in one binary: Redis and PostgreSQL are started, killed and cut off as each test needs.

// Helpers of tests are tests: a panic is how they report.
#![allow(clippy::unwrap_used)]

mod aborts;
mod bad_input;
mod board_refusals;
mod cluster;
mod errors;
mod events;
mod failover;
mod first;
mod gate;
mod held_commit;
mod holds;
mod hostile;
#[cfg(feature = "kafka")]
mod kafka;
mod killed_postgres;
mod late;
mod lost_in_load;
mod lost_keys;
mod lost_memory;
#[cfg(feature = "mutants")]
mod mutants;
mod outage;
mod pgbouncer;
mod privileges;
mod race;
mod redlock;
mod repeat;
mod replica;
mod roles;
mod sale;
mod stop;
mod support;
mod watch;
