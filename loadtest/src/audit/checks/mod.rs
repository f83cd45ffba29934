//! The promises, each as a check over plain data.

mod acks;
mod gate;
mod vault;
#[cfg(test)]
mod world;

use super::{gate::Gate, vault::Vault};
use crate::ledger::Record;

/// A promise, and who broke it.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What is promised, in the words of the report.
    pub(crate) promise: &'static str,
    /// How many things were looked at.
    pub(crate) looked_at: usize,
    /// One line for each thing that breaks it.
    pub(crate) offenders: Vec<String>,
    /// Whether a change that is under way between the two stores can look like an offence for a moment.
    pub(crate) passing: bool,
}

impl Check {
    fn new(promise: &'static str) -> Self {
        Self { promise, looked_at: 0, offenders: Vec::new(), passing: false }
    }

    /// A check between two stores, which are not read at the same instant.
    fn between_stores(promise: &'static str) -> Self {
        Self { passing: true, ..Self::new(promise) }
    }

    fn expect(&mut self, kept: bool, offender: impl FnOnce() -> String) {
        self.looked_at += 1;
        if !kept {
            self.offenders.push(offender());
        }
    }

    /// Whether the promise is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.offenders.is_empty()
    }
}

/// All that an audit looks at.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// Which event.
    pub(crate) event: &'a str,
    /// What PostgreSQL says.
    pub(crate) vault: &'a Vault,
    /// What Redis says.
    pub(crate) gate: &'a Gate,
    /// What the customers of a run were told.
    pub(crate) record: Option<&'a Record>,
}

impl Evidence<'_> {
    /// The id of a reservation as the vault and the customers know it.
    fn full_id(&self, id: &str) -> String {
        format!("{}.{id}", self.event)
    }
}

/// Checks every promise.
pub(crate) fn all(evidence: Evidence<'_>) -> Vec<Check> {
    let Evidence { vault, record, .. } = evidence;
    let mut checks = vec![
        vault::sold_once_by_bookings(vault),
        vault::sold_once_by_seats(vault),
        vault::seats_match_bookings(vault),
        vault::sold_is_not_blocked(vault),
    ];
    if let Some(record) = record {
        checks.extend([
            acks::confirms_are_booked(record, vault),
            acks::cancels_are_kept(record, vault),
            acks::bookings_were_asked_for(record, vault),
            acks::granted_to_one_at_a_time(record),
            acks::answers_kept_promises(record),
        ]);
    }
    checks.extend([
        gate::holds_end(evidence),
        gate::held_seats_have_reservations(evidence),
        gate::sold_in_gate_is_booked(evidence),
        gate::booked_is_sold_in_gate(evidence),
        gate::blocks_agree(evidence),
        gate::reservations_have_seats(evidence),
        gate::customers_are_counted(evidence),
        gate::map_shows_seats(evidence),
        gate::log_reaches_version(evidence),
        gate::log_tells_states(evidence),
        gate::same_epoch(evidence),
        gate::readable(evidence),
    ]);
    checks
}
