//! The faults: which there are, when they come, and how they are made.

pub(crate) mod kind;
pub(crate) mod make;
pub(crate) mod schedule;

pub(crate) use kind::Kind;
