//! The faults: which there are, when they come, and how they are made.

pub(crate) mod kind;
pub(crate) mod make;
mod network;
mod programs;
pub(crate) mod schedule;
mod shard;
mod stores;

pub(crate) use kind::Kind;
