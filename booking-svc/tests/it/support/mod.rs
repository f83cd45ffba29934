//! A system under test. Its stores, and the means to make them fail, are `testkit`'s.
//!
//! Everything that is started here ends with the value that owns it. All waits are bounded: a test that hangs is a
//! test that fails.

pub(crate) mod binary;
pub(crate) mod halt;
pub(crate) mod stall;
pub(crate) mod world;

pub(crate) use testkit::{
    STORE_LIMIT, calls, database, holds_within, pgbouncer, ports, postgres, process, proxy, redis,
    wait_until, witness,
};
