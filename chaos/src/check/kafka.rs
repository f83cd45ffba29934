//! What Kafka was told: who takes the first record of each id ends with the vault's bookings, in an order that can have been.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Rule, lives::sorted, rule};
use crate::history::{Decision, History, Told};

pub(super) const TOLD_ALL: Rule = rule("kafka_told_all", "G2");
pub(super) const IN_ORDER: Rule = rule("kafka_in_order", "G2");

pub(super) fn check(history: &History, findings: &mut Findings) {
    let Some(told) = &history.told else { return };
    told_all(&history.rest.decisions, told, findings);
    let mut seen = BTreeSet::new();
    let first: Vec<&Told> = told.iter().filter(|record| seen.insert(&*record.id)).collect();
    in_order(&first, findings);
    // Kafka keeps no order across partitions. By whatever is told: duplicates, too.
    let partitions: BTreeSet<i32> = told.iter().map(|record| record.partition).collect();
    if partitions.len() > 1 {
        findings.found(IN_ORDER, format!("the event is in partitions {partitions:?}: no order is kept"));
    }
}

/// Each booking and each cancel that the vault has is told, as often as it may be; and nothing else is.
fn told_all(decisions: &[Decision], told: &[Told], findings: &mut Findings) {
    let mut missing = BTreeMap::new();
    for decision in decisions.iter().filter(|decision| decision.booked) {
        missing.insert(Told::id_of(&decision.id, false), decision);
        if decision.cancelled {
            missing.insert(Told::id_of(&decision.id, true), decision);
        }
    }
    let changes = missing.clone();
    for record in told {
        findings.looked(TOLD_ALL);
        match changes.get(&record.id) {
            None => findings.found(TOLD_ALL, format!("{record:?} was told, and the vault has no such thing")),
            Some(decision) if !fits(record, decision) => {
                findings.found(TOLD_ALL, format!("{record:?} was told, and the vault has {decision:?}"));
            }
            Some(_) => drop(missing.remove(&record.id)),
        }
    }
    for (id, decision) in missing {
        findings.looked(TOLD_ALL);
        if !told.iter().any(|record| record.id == id) {
            findings.found(TOLD_ALL, format!("{id} was not told, and the vault has {decision:?}"));
        }
    }
}

/// A confirmed booking is told as it was then, also where it has been cancelled since.
fn fits(record: &Told, decision: &Decision) -> bool {
    let booking = &record.booking;
    record.id == Told::id_of(&booking.id, record.is_cancel)
        && booking.id == decision.id
        && booking.customer == decision.customer
        && sorted(&booking.seats) == sorted(&decision.seats)
        && Some(&booking.payment) == decision.payment.as_ref()
        && booking.cancelled == record.is_cancel
}

/// A booking is told before its cancel, and a cancel before the next booking of its seats.
fn in_order(first: &[&Told], findings: &mut Findings) {
    let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
    for record in first {
        findings.looked(IN_ORDER);
        let id = &*record.booking.id;
        for seat in &record.booking.seats {
            let before = if record.is_cancel { owners.remove(seat) } else { owners.insert(*seat, id) };
            let expected = record.is_cancel.then_some(id);
            if before != expected {
                let what = format!(
                    "{} was told when seat {seat} was told to be of {before:?}, not of {expected:?}",
                    record.id
                );
                findings.found(IN_ORDER, what);
            }
        }
    }
}
