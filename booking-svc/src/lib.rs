//! The booking service: gRPC in front of a Redis gate (level 1) and a PostgreSQL vault (level 2).

pub mod booking;
pub mod domain;
pub mod gate;
pub mod grpc;
pub mod identity;
pub mod limits;
pub mod tasks;
pub mod vault;
pub mod venue;
