//! What was done to the vault past the service.

use serde::{Deserialize, Serialize};

use super::Decision;

/// The vault without a gate before it: many decide at once about few seats, as a gate that has gone mad would have it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Siege {
    pub(crate) acts: Vec<Act>,
    /// Active rows of booked_seats at rest.
    pub(crate) booked_seats: Vec<(u32, String)>,
    /// Rows of bookings at rest.
    pub(crate) decisions: Vec<Decision>,
}

/// One statement to the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) session: u32,
    pub(crate) what: What,
    pub(crate) began_us: u64,
    pub(crate) ended_us: u64,
    pub(crate) heard: Heard,
}

/// What was said to the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// `vault_decide`: booked if `book`, else void.
    Decide { reservation: String, epoch: u64, seats: Vec<u32>, book: bool },
    /// `vault_raise_epoch`.
    Raise,
    /// An INSERT of an active booked seat past all functions, as a careless person at a psql prompt would do it, for a seat that
    /// is booked already. Rolled back where the vault takes it.
    Insert { seat: u32 },
}

/// What the vault said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Heard {
    Booked,
    Void,
    /// The epoch is another.
    Stale,
    /// A seat is locked; nothing was written.
    Busy,
    /// The epoch after a raise.
    Epoch(u64),
    /// The INSERT was taken: no guard stands behind the functions.
    Taken,
    /// Refused by the server, with the SQLSTATE: 23505 is what an `Insert` should hear.
    Error(String),
    /// The connection broke, or the server was stopping: it may have happened.
    Unknown,
}
