//! The faults: which there are, when they come, and how they are made.

mod kafka;
pub(crate) mod kind;
pub(crate) mod make;
pub(crate) mod masters;
mod network;
mod programs;
pub(crate) mod schedule;
mod shard;
mod stores;

pub(crate) use kind::Kind;
