//! What is booked: once a seat, whole, as it was acknowledged, and because somebody asked for it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Findings, Rule,
    life::Life,
    lives::{FOREVER, Lives, Us, ended, ms, sorted, span},
    rule,
};
use crate::history::{Answer, Asked, Decision, History, Rest};

pub(super) const SOLD_ONCE: Rule = rule("sold_once", "G1");
pub(super) const CONFIRMS_KEPT: Rule = rule("confirms_kept", "G2");
pub(super) const ASKED_FOR: Rule = rule("bookings_were_asked_for", "G2");
pub(super) const ALL_OR_NOTHING: Rule = rule("all_or_nothing", "G5");

pub(super) fn check(history: &History, lives: &Lives, findings: &mut Findings) {
    sold_once_in_time(lives, findings);
    sold_once_at_rest(&history.rest, findings);
    for life in lives.by_id.values() {
        confirms_kept(life, findings);
        whole_decision(life, findings);
    }
    for decision in history.rest.decisions.iter().filter(|decision| decision.booked) {
        asked_for(decision, &lives.by_id[&*decision.id], findings);
    }
    whole_in_the_gate(history, lives, findings);
}

/// A booking is surely active from its acknowledgement to the beginning of the first Cancel.
fn sold_once_in_time(lives: &Lives, findings: &mut Findings) {
    let mut seats: BTreeMap<u32, Vec<(Us, Us, &str)>> = BTreeMap::new();
    for life in lives.by_id.values() {
        let Some(from) = life.confirmed().map(|(call, _)| ended(call)).min() else { continue };
        let until = life.cancel_from();
        for seat in life.seats.iter().filter(|_| from < until) {
            seats.entry(*seat).or_default().push((from, until, life.id));
        }
    }
    for (seat, mut active) in seats {
        active.sort_unstable();
        findings.looked_many(SOLD_ONCE, active.len());
        // The one that lasts longest of those that began before.
        let mut last: Option<(Us, &str)> = None;
        for (from, until, id) in active {
            if let Some((end, other)) = last
                && from < end
            {
                findings.convicted.insert(seat);
                let (since, end) = (ms(from), ms(end));
                let what = format!("seat {seat}: {id} was booked at {since} while {other} was, until {end}");
                findings.found(SOLD_ONCE, what);
            }
            if last.is_none_or(|(end, _)| until > end) {
                last = Some((until, id));
            }
        }
    }
}

/// The seats of booked decisions, without any help of the index, and the rows that the index is over.
fn sold_once_at_rest(rest: &Rest, findings: &mut Findings) {
    let mut decided: BTreeMap<u32, &str> = BTreeMap::new();
    for decision in rest.decisions.iter().filter(|decision| decision.booked && !decision.cancelled) {
        findings.looked(SOLD_ONCE);
        for seat in &decision.seats {
            if let Some(other) = decided.insert(*seat, &decision.id) {
                findings.convicted.insert(*seat);
                let what = format!("at rest seat {seat} is booked by {other} and by {}", decision.id);
                findings.found(SOLD_ONCE, what);
            }
        }
    }
    let mut rows: BTreeMap<u32, &str> = BTreeMap::new();
    for (seat, id) in &rest.booked_seats {
        if let Some(other) = rows.insert(*seat, id) {
            findings.convicted.insert(*seat);
            let what = format!("at rest seat {seat} has active rows of {other} and of {id}");
            findings.found(SOLD_ONCE, what);
        }
    }
    agree(rest, findings);
}

/// Active rows are those of active bookings. Of a booking that has lost some of its rows `all_or_nothing` tells.
fn agree(rest: &Rest, findings: &mut Findings) {
    let mut rows: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for (seat, id) in &rest.booked_seats {
        rows.entry(id).or_default().insert(*seat);
    }
    for decision in rest.decisions.iter().filter(|decision| decision.booked && !decision.cancelled) {
        findings.looked(ALL_OR_NOTHING);
        let own = rows.remove(&*decision.id).unwrap_or_default();
        let wanted: BTreeSet<u32> = decision.seats.iter().copied().collect();
        let id = &decision.id;
        if own.is_empty() || !own.is_subset(&wanted) {
            let what =
                format!("at rest {id} is booked with seats {wanted:?}, and its active rows are {own:?}");
            findings.found(SOLD_ONCE, what);
        } else if own != wanted {
            let what = format!("at rest {id} has active rows {own:?} of its seats {wanted:?}");
            findings.found(ALL_OR_NOTHING, what);
        }
    }
    for (id, own) in rows {
        let what = format!("at rest there are active rows {own:?} of {id}, which is no active booking");
        findings.found(SOLD_ONCE, what);
    }
}

fn confirms_kept(life: &Life, findings: &mut Findings) {
    let Some((call, booking)) = life.confirmed().min_by_key(|(call, _)| call.ended_us) else { return };
    findings.looked(CONFIRMS_KEPT);
    let kept = life.decision.is_some_and(|decision| {
        decision.booked
            && decision.id == booking.id
            && decision.customer == booking.customer
            && sorted(&decision.seats) == sorted(&booking.seats)
            && decision.payment.as_ref() == Some(&booking.payment)
    });
    if !kept {
        let (span, decision) = (span(call), life.decision);
        let what = format!("{booking:?} was acknowledged {span}; the vault has {decision:?}");
        findings.found(CONFIRMS_KEPT, what);
    }
}

fn asked_for(decision: &Decision, life: &Life, findings: &mut Findings) {
    findings.looked(ASKED_FOR);
    let confirmed = life.calls.iter().any(|call| {
        let Asked::Confirm { payment, .. } = &call.asked else { return false };
        decision.payment.as_ref() == Some(payment) && !matches!(call.answer, Answer::Refused(_))
    });
    if !confirmed {
        let what =
            format!("the vault has {decision:?}; no Confirm of it with this payment can have done that");
        findings.found(ASKED_FOR, what);
    }
    if decision.cancelled && life.cancel_from() == FOREVER {
        let what = format!("{} is cancelled at rest; no Cancel of it can have done that", decision.id);
        findings.found(ASKED_FOR, what);
    }
}

/// A decision is about the seats that its owner was told.
fn whole_decision(life: &Life, findings: &mut Findings) {
    let Some(decision) = life.decision else { return };
    findings.looked(ALL_OR_NOTHING);
    if sorted(&decision.seats) != life.seats {
        let (id, seats) = (life.id, &life.seats);
        let what = format!("{id} was told to be of seats {seats:?}; the vault has {:?}", decision.seats);
        findings.found(ALL_OR_NOTHING, what);
    }
}

/// Whoever has a seat in the gate has all of the reservation's.
fn whole_in_the_gate(history: &History, lives: &Lives, findings: &mut Findings) {
    let mut owned: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (seat, value) in &history.rest.gate_seats {
        if let Some((_, suffix)) = value.rsplit_once(' ') {
            owned.entry(format!("{}.{suffix}", history.rules.event)).or_default().push(*seat);
        }
    }
    for (id, seats) in owned {
        let Some(life) = lives.by_id.get(&*id).filter(|life| !life.seats.is_empty()) else { continue };
        findings.looked(ALL_OR_NOTHING);
        if seats != life.seats {
            let what = format!("at rest {id} has seats {seats:?} in the gate, of {:?}", life.seats);
            findings.found(ALL_OR_NOTHING, what);
        }
    }
}
