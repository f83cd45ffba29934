//! The vault against a real PostgreSQL: `TE_TEST_DATABASE_URL` names one, as a superuser.
//! Each test has a database of its own.

// Helpers of tests are tests: a panic is how they report.
#![allow(clippy::unwrap_used)]

mod decide;
mod election;
mod epoch;
mod events;
mod mutants;
mod outage;
mod outbox;
mod privileges;
mod seats;
mod support;
