//! The gateway in front of a booking-svc that is a stand-in.

// Helpers of tests are tests: a panic is how they report.
#![allow(clippy::unwrap_used)]

mod demo;
mod documents;
mod door;
mod gateway;
mod page;
mod stand_in;
mod stop;
mod strangers;
