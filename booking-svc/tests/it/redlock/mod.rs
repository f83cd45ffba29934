//! Several independent Redis servers, of which a majority has to have a hold.

mod clocks;
mod customers;
mod forgotten;
mod nodes;
mod sale;
mod scripts;
mod survivors;
mod takeover;
mod votes;
