//! Level 1 against a real Redis: the scripts, the pool, and what a lost memory looks like.

mod cold;
mod due;
mod groups;
pub(crate) mod house;
mod life;
mod model;
