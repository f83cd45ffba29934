//! The gate beyond one Redis: clusters, Sentinels, replicas, and what becomes of a sale when they fail.

mod calls;
mod cut;
mod killed;
mod moved;
mod privileges;
pub(crate) mod sale;
mod sentinel;
mod wait;
