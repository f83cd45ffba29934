//! A hold is its owner's until its deadline, no longer, and no more than one may have.

use std::collections::BTreeMap;

use super::{
    Findings, Rule,
    life::Life,
    lives::{Lives, Us, began, ended, ms, span},
    rule,
};
use crate::history::{Asked, Call, History, Recovery, Rules, State};

pub(super) const NEVER_OVERLAP: Rule = rule("holds_never_overlap", "G4");
pub(super) const IN_TIME: Rule = rule("confirm_in_time", "G4");
pub(super) const LIMIT_KEPT: Rule = rule("limit_kept", "G7");
pub(super) const FREE_AGAIN: Rule = rule("free_again", "G3");
pub(super) const RECOVERS: Rule = rule("recovers", "G7");

pub(super) fn check(history: &History, lives: &Lives, findings: &mut Findings) {
    never_overlap(lives, findings);
    limit_kept(&history.rules, lives, findings);
    for life in lives.by_id.values() {
        not_too_late(life, lives, findings);
        not_refused_early(life, lives, &history.rules, findings);
    }
    comes_back(&history.recovery, findings);
}

/// Nobody is granted a seat wholly within the time in which another surely has it.
fn never_overlap(lives: &Lives, findings: &mut Findings) {
    let mut seats: BTreeMap<u32, Vec<(&Life, Us, Us)>> = BTreeMap::new();
    for life in lives.by_id.values() {
        let Some((from, until)) = lives.sure(life) else { continue };
        for seat in &life.seats {
            seats.entry(*seat).or_default().push((life, from, until));
        }
    }
    let mut grants: BTreeMap<u32, Vec<(Us, Us, &str)>> = BTreeMap::new();
    for life in lives.by_id.values().filter(|life| life.shown().next().is_some()) {
        let (first, last) = lives.granted(life);
        for seat in &life.seats {
            grants.entry(*seat).or_default().push((first, last, life.id));
        }
    }
    grants.values_mut().for_each(|grants| grants.sort_unstable());
    for (seat, held) in seats {
        for (life, from, until) in held {
            findings.looked(NEVER_OVERLAP);
            let others = grants.get(&seat).map_or(&[][..], Vec::as_slice);
            let begin = others.partition_point(|(first, ..)| *first < from);
            let within = others[begin..].iter().take_while(|(first, ..)| *first <= until);
            for (first, last, other) in within.filter(|(_, last, other)| *last <= until && *other != life.id)
            {
                findings.convicted.insert(seat);
                let what = format!(
                    "seat {seat} was granted to {other} between {} and {}, and was {}'s from {} to {}",
                    ms(*first),
                    ms(*last),
                    life.id,
                    ms(from),
                    ms(until)
                );
                findings.found(NEVER_OVERLAP, what);
            }
        }
    }
}

/// What a customer surely holds and owns at one time.
fn limit_kept(rules: &Rules, lives: &Lives, findings: &mut Findings) {
    // At one moment ends come before beginnings.
    let mut customers: BTreeMap<&str, Vec<(Us, i64, &str)>> = BTreeMap::new();
    for life in lives.by_id.values() {
        let Some((from, until)) = lives.sure(life) else { continue };
        let seats = life.seats.len() as i64;
        customers
            .entry(life.customer)
            .or_default()
            .extend([(from, seats, life.id), (until, -seats, life.id)]);
    }
    for (customer, mut changes) in customers {
        findings.looked(LIMIT_KEPT);
        changes.sort_unstable();
        let mut has = 0;
        for (at, seats, id) in changes {
            has += seats;
            if seats > 0 && has > i64::from(rules.seats_per_customer) {
                let (at, limit) = (ms(at), rules.seats_per_customer);
                let what = format!("{customer} has {has} seats at {at}, with {id}; the limit is {limit}");
                findings.found(LIMIT_KEPT, what);
                break;
            }
        }
    }
}

/// No Confirm is acknowledged that was first sent when the hold was over in any case.
fn not_too_late(life: &Life, lives: &Lives, findings: &mut Findings) {
    let (Some(first), Some((call, _))) = (life.confirm_from(), life.confirmed().next()) else { return };
    findings.looked(IN_TIME);
    let over = lives.over_by(life);
    if first > over {
        let (id, first, over, span) = (life.id, ms(first), ms(over), span(call));
        let what = format!(
            "{id} was over by {over}; its first Confirm began at {first} and was acknowledged {span}"
        );
        findings.found(IN_TIME, what);
    }
}

/// The first Confirm is not refused as too late while the hold lasts, unless somebody ended it.
fn not_refused_early(life: &Life, lives: &Lives, rules: &Rules, findings: &mut Findings) {
    // It was sent with its token: a gate that has forgotten it is no excuse.
    let early = ["HOLD_EXPIRED", "HOLD_RELEASED", "SEAT_LOST", "RESERVATION_NOT_FOUND", "NOT_OWNER"];
    for (call, refusal) in life.refused() {
        if !matches!(call.asked, Asked::Confirm { .. }) || !early.contains(&&*refusal.reason) {
            continue;
        }
        findings.looked(IN_TIME);
        let in_the_way = |other: &Call| {
            let ends = matches!(other.asked, Asked::Confirm { .. } | Asked::Release { .. });
            ends && !std::ptr::eq(other, call) && began(other) < ended(call)
        };
        // The deadline of the newest token that the caller can have sent.
        let told =
            life.shown().filter(|(held, shown)| shown.state == State::Held && ended(held) <= began(call));
        let Some(told) = told.map(|(_, shown)| shown.deadline_ms).max() else { continue };
        let until = lives.clock.run_us(told).0;
        let took_us = call.ended_us - call.began_us;
        let in_time = ended(call) < until && took_us < rules.confirm_window_ms * 1_000;
        if in_time && !life.calls.iter().any(|other| in_the_way(other)) {
            let (id, until, span) = (life.id, ms(until), span(call));
            let what = format!(
                "{id} was held until {until}; its first Confirm was refused, {}, {span}",
                refusal.reason
            );
            findings.found(IN_TIME, what);
        }
    }
}

fn comes_back(recovery: &Recovery, findings: &mut Findings) {
    let healed = recovery.healed_us / 1_000;
    for (seat, granted_us) in &recovery.reclaimed {
        findings.looked(FREE_AGAIN);
        if granted_us.is_none() {
            findings
                .found(FREE_AGAIN, format!("seat {seat} can not be had after all was healed at {healed} ms"));
        }
    }
    for who in &recovery.crashed {
        findings.found(RECOVERS, format!("{who} had crashed by itself when all was healed at {healed} ms"));
    }
    for (who, served_us) in &recovery.served {
        findings.looked(RECOVERS);
        if served_us.is_none() {
            findings.found(RECOVERS, format!("{who} does not serve after all was healed at {healed} ms"));
        }
    }
}
