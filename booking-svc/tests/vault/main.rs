//! The vault against a real PostgreSQL: `TE_TEST_DATABASE_URL` names one, as a superuser.
//! Each test has a database of its own.

mod decide;
mod epoch;
mod events;
mod mutants;
mod outage;
mod privileges;
mod seats;
mod support;
