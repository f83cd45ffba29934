//! Tests of the whole system in one binary: real stores, replicas and gateways as processes, real WebSockets.

// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

mod commands;
mod delay;
mod faults;
mod hostile;
mod metrics;
mod slow_reader;
mod support;
mod traces;
