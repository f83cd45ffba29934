//! WatchSeats: what watchers are told, whatever happens to the log, to Redis, to replicas and to the watchers.

mod bounds;
mod chaos;
mod first;
mod follow;
mod outage;
pub(crate) mod reader;
