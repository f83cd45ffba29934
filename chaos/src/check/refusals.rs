//! What was refused for certain never happens, and what was not known settles on one outcome.

use super::{
    Findings, Rule,
    life::Life,
    lives::{Lives, is_end, span},
    rule,
};
use crate::history::{Answer, Asked, Call, History, State};

pub(super) const REFUSALS_STAND: Rule = rule("refusals_stand", "G2");
pub(super) const UNKNOWN_SETTLES: Rule = rule("unknown_settles", "G2");

/// Refusals of a Reserve which say that there is no reservation. Others speak of one that has ended.
const DENIALS: [&str; 3] = ["SEAT_UNAVAILABLE", "CUSTOMER_LIMIT", "SALE_NOT_OPEN"];

pub(super) fn check(history: &History, lives: &Lives, findings: &mut Findings) {
    for life in lives.by_id.values() {
        if !ended_stands(life, findings) {
            settles(life, findings);
        }
    }
    denials_stand(history, lives, findings);
}

/// What was refused to a Confirm, or released, is void in the vault and no booking to anybody. False: nothing was.
fn ended_stands(life: &Life, findings: &mut Findings) -> bool {
    let refused = life
        .refused()
        .filter(|(call, refusal)| matches!(call.asked, Asked::Confirm { .. }) && is_end(refusal));
    let released = life.shown().filter(|(call, shown)| {
        matches!(call.asked, Asked::Release { .. }) && shown.state == State::Released
    });
    let Some(call) = refused.map(|(call, _)| call).chain(released.map(|(call, _)| call)).next() else {
        return false;
    };
    findings.looked(REFUSALS_STAND);
    let (id, span) = (life.id, span(call));
    if let Some(booked) = says_booked(life) {
        let what = format!("{id}: {:?} was told {span}; yet {booked}", call.answer);
        findings.found(REFUSALS_STAND, what);
    } else if life.decision.is_none() && !is_not_found(&call.answer) {
        // Without the row a gate that goes back in time would let a repeat through.
        let what = format!("{id}: {:?} was told {span}, and the vault has no void row of it", call.answer);
        findings.found(REFUSALS_STAND, what);
    }
    true
}

/// Without a token nothing is found and nothing is decided.
fn is_not_found(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(refusal) if refusal.reason == "RESERVATION_NOT_FOUND")
}

/// Who says that the reservation is, or was, a booking.
fn says_booked(life: &Life) -> Option<String> {
    if let Some(decision) = life.decision.filter(|decision| decision.booked) {
        return Some(format!("the vault has {decision:?}"));
    }
    booked_call(life).map(|call| format!("{:?} was told {}", call.answer, span(call)))
}

fn booked_call<'a>(life: &Life<'a>) -> Option<&'a Call> {
    life.calls.iter().copied().find(|call| match &call.answer {
        Answer::Booking(_) => true,
        Answer::Reservation(shown) => matches!(shown.state, State::Booked | State::Cancelled),
        Answer::Refused(refusal) => ["ALREADY_BOOKED", "PAYMENT_MISMATCH"].contains(&&*refusal.reason),
        Answer::Unknown(_) => false,
    })
}

/// An answer, other than to a Confirm or a Release, which says that the reservation never will be a booking. That a hold
/// expired is no such answer: the gate says so alone, and the token of a later Extend may bring the hold back.
fn void_call<'a>(life: &Life<'a>) -> Option<&'a Call> {
    let cancel_called = life.calls.iter().any(|call| matches!(call.asked, Asked::Cancel { .. }));
    life.calls.iter().copied().find(|call| match &call.answer {
        Answer::Reservation(shown) => matches!(shown.state, State::Released | State::Lost),
        // Of a cancelled booking it is said, too.
        Answer::Refused(refusal) if refusal.reason == "HOLD_RELEASED" => !cancel_called,
        Answer::Refused(refusal) => refusal.reason == "SEAT_LOST",
        Answer::Booking(_) | Answer::Unknown(_) => false,
    })
}

/// All definite answers about a reservation and the vault agree on whether it was ever booked.
fn settles(life: &Life, findings: &mut Findings) {
    let (booked, void) = (booked_call(life), void_call(life));
    if booked.is_none() && void.is_none() {
        return;
    }
    findings.looked(UNKNOWN_SETTLES);
    let id = life.id;
    if let (Some(booked), Some(void)) = (booked, void) {
        let (one, other) = (span(booked), span(void));
        let what = format!("{id}: {:?} was told {one}, {:?} {other}", booked.answer, void.answer);
        return findings.found(UNKNOWN_SETTLES, what);
    }
    let in_vault = life.decision.map(|decision| decision.booked);
    // Of acknowledged Confirms `confirms_kept` tells.
    let lost = booked.filter(|_| in_vault != Some(true) && life.confirmed().next().is_none());
    let undone = void.filter(|_| in_vault == Some(true));
    if let Some(call) = lost.or(undone) {
        let (span, decision) = (span(call), life.decision);
        let what = format!("{id}: {:?} was told {span}; the vault has {decision:?}", call.answer);
        findings.found(UNKNOWN_SETTLES, what);
    }
}

/// Who was only ever told that the seats can not be had does not have them.
fn denials_stand(history: &History, lives: &Lives, findings: &mut Findings) {
    let is_denied = |call: &&Call| matches!(&call.answer, Answer::Refused(refusal) if DENIALS.contains(&&*refusal.reason));
    let all_denied = |attempts: &&Vec<&Call>| attempts.iter().all(is_denied);
    findings.looked_many(REFUSALS_STAND, lives.wishes.values().filter(all_denied).count());
    for decision in &history.rest.decisions {
        let attempts = lives.wishes.get(&(&*decision.customer, &*decision.request));
        if let Some(call) = attempts.filter(all_denied).and_then(|attempts| attempts.first()) {
            let (request, span) = (&decision.request, span(call));
            let what =
                format!("each attempt of {request} was refused, as {span}; the vault has {decision:?}");
            findings.found(REFUSALS_STAND, what);
        }
    }
}
