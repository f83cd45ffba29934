//! The model, checked: everything in small, each order of the steps.

// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

mod guards;
mod limits;
mod support;
mod whole;
