//! Redlock: several independent Redis servers, of which a majority has to have a hold before it is acknowledged.
//!
//! One node carries an event's whole gate, as one Redis does; the others vote: they keep a lock a hold. When the carrier is
//! gone, or has lost its memory, another takes over. A majority that acknowledged a hold and a majority that is fenced share a
//! node, so no acknowledged hold is lost. Safety is not built on any of this: it is the vault's.

mod clock;
mod drift;
mod fence;
mod lock;
mod merge;
mod order;
mod relock;
mod takeover;
mod tally;
mod vote;

pub(super) use clock::Clock;
pub(super) use order::first;
pub(super) use takeover::Takeover;
pub(super) use tally::majority;
