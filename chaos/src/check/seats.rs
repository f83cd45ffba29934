//! What was seen of each seat, as operations of the model free, held, sold; and whether an order of them explains it.

use std::collections::BTreeMap;

use super::{
    Findings, Rule,
    life::Life,
    lives::{FOREVER, Lives, Us, began, ended, epoch_of, ms, span},
    rule,
    search::{self, Found, Op, State, What, perhaps, sure},
};
use crate::history::{Answer, Asked, Call, History};

pub(super) const LINEARIZABLE: Rule = rule("linearizable", "G1");
/// Counted only: seats whose search was given up.
pub(super) const UNDECIDED: Rule = rule("linearizable: undecided", "G1");
/// Counted only: refusals that a Reserve of unknown outcome may explain, and that therefore prove nothing.
pub(super) const EXPLAINED: Rule = rule("linearizable: explained", "G1");

/// A board repeats what the gate said up to so long ago. Where several vote, a replica may ask who carried the event until then.
const BOARD_LAG_US: Us = 1_000_000;
/// A call that its client gave up may reach the service so long after that, or after the longest fault that held it up.
const LATE_US: Us = 10_000_000;

/// A Reserve that heard this was not made: a cold gate writes nothing, a full service does not ask, and who finds nobody at the
/// address has sent nothing.
const GRANTED_NOTHING: [&str; 3] = ["OVERLOADED", "tcp connect error", COLD];
/// Where several vote, it is also said of a carrier that does not answer, and may have granted.
const COLD: &str = "GATE_REBUILDING";

pub(super) fn check(history: &History, lives: &Lives, findings: &mut Findings) {
    let numbered: Vec<&Life> = lives.by_id.values().collect();
    let mut seats: BTreeMap<u32, Vec<Op>> = BTreeMap::new();
    for (number, life) in (0..).zip(&numbered) {
        for op in steps(number, life, lives) {
            for seat in &life.seats {
                seats.entry(*seat).or_default().push(op);
            }
        }
    }
    let strangers = strangers(history, lives);
    let mut looks: BTreeMap<u32, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        for (seat, op) in refusals(call, history.rules.votes) {
            let explains = |(from, until): &(Us, Us)| *from <= op.until && op.from <= *until;
            // Nobody knows a stranger's id, so nobody can have confirmed it.
            if op.what == What::SeenTaken
                && strangers.get(&seat).is_some_and(|strangers| strangers.iter().any(explains))
            {
                findings.looked(EXPLAINED);
                continue;
            }
            seats.entry(seat).or_default().push(op);
            looks.entry(seat).or_default().push(call);
        }
    }
    for (seat, mut ops) in seats {
        if findings.convicted.contains(&seat) {
            continue;
        }
        findings.looked_many(LINEARIZABLE, ops.len());
        match search::search(&mut ops) {
            Found::Order => {}
            Found::Undecided => findings.looked(UNDECIDED),
            Found::Stuck { op, state } => {
                let what = tell(ops[op], state, &numbered, looks.get(&seat).map_or(&[], Vec::as_slice));
                findings.found(LINEARIZABLE, format!("seat {seat}: {what}"));
            }
        }
    }
}

/// What a reservation does to each of its seats. All attempts at one thing are one operation.
fn steps(number: u32, life: &Life, lives: &Lives) -> Vec<Op> {
    // Void in the vault and never heard of: its hold is one of a stranger's.
    if life.shown().next().is_none() && !life.is_booked() {
        return Vec::new();
    }
    let (first, last) = lives.granted(life);
    let mut steps = vec![sure(What::Grant(number), first, last)];
    if life.is_booked() {
        let from = life.confirm_from().unwrap_or(first);
        steps.push(sure(What::Confirm(number), from, life.booked_by().unwrap_or(FOREVER)));
        // Its end is open: the gate may learn of a Cancel late, when its process died between the stores.
        if life.cancel_from() < FOREVER {
            steps.push(perhaps(What::Cancel(number), life.cancel_from()));
        }
        return steps;
    }
    let from = lives.sure_until(life).max(first);
    // One that was begun to be confirmed is not freed by time.
    let over = lives.over_by(life);
    if over == FOREVER || life.confirm_from().is_some() {
        steps.push(perhaps(What::End(number), from));
    } else {
        steps.push(sure(What::End(number), from, over));
    }
    steps
}

/// A refused Reserve has seen its seats taken. What is blocked, or free by now, tells nothing.
fn refusals(call: &Call, votes: bool) -> impl Iterator<Item = (u32, Op)> {
    let refusal = match (&call.asked, &call.answer) {
        (Asked::Reserve { .. }, Answer::Refused(refusal)) => Some(refusal),
        _ => None,
    };
    refusal.into_iter().flat_map(move |refusal| {
        // Who does not say which level refused may be the board.
        let lag = if refusal.level == "gate" && !votes { 0 } else { BOARD_LAG_US };
        let (from, until) = (began(call) - lag, ended(call));
        refusal.seats.iter().filter_map(move |(seat, state)| match state {
            1 => Some((*seat, sure(What::SeenTaken, from, until))),
            2 => Some((*seat, sure(What::SeenSold, from, until))),
            _ => None,
        })
    })
}

/// When a seat may have been held by a reservation whose id nobody was told: a Reserve of unknown outcome may have been
/// granted, as late as it reached the gate.
fn strangers<'a>(history: &'a History, lives: &Lives<'a>) -> BTreeMap<u32, Vec<(Us, Us)>> {
    let longest = history.faults.iter().map(|fault| fault.ended_us.saturating_sub(fault.began_us)).max();
    let late = LATE_US + longest.unwrap_or(0) as Us;
    let ttl = history.rules.hold_ttl_ms as Us * 1_000;
    let epochs = lives.by_id.keys().filter_map(|id| epoch_of(id));
    let lossless = epochs.min().is_none_or(|first| first == history.rest.gate_epoch);
    let mut strangers: BTreeMap<u32, Vec<(Us, Us)>> = BTreeMap::new();
    for attempts in lives.wishes.values() {
        let is_known = attempts.iter().any(|call| matches!(call.answer, Answer::Reservation(_)));
        // Within one epoch a wish has one reservation.
        if is_known && lossless {
            continue;
        }
        for call in attempts {
            let (Asked::Reserve { seats, .. }, Answer::Unknown(why)) = (&call.asked, &call.answer) else {
                continue;
            };
            let nothing = |word: &&str| why.contains(*word) && !(history.rules.votes && *word == COLD);
            if GRANTED_NOTHING.iter().any(nothing) {
                continue;
            }
            for seat in seats {
                let until = ended(call).saturating_add(late).saturating_add(ttl);
                strangers.entry(*seat).or_default().push((began(call), until));
            }
        }
    }
    strangers
}

/// Why there is no order, as far as the search can say.
fn tell(op: Op, state: State, lives: &[&Life], looks: &[&Call]) -> String {
    let id = |number: u32| lives[number as usize].id;
    let seat_is = match state {
        State::Free => "free".to_owned(),
        State::Held(by) => format!("held by {}", id(by)),
        State::Sold(by) => format!("sold to {}", id(by)),
    };
    let what = match op.what {
        What::Grant(by) => format!("the grant to {}", id(by)),
        What::Confirm(by) => format!("the Confirm of {}", id(by)),
        What::End(by) => format!("the end of {}'s hold", id(by)),
        What::Cancel(by) => format!("the Cancel of {}", id(by)),
        What::SeenTaken | What::SeenSold => {
            let told = looks.iter().find(|call| ended(call) == op.until);
            let told = told.map(|call| format!("{:?} {}", call.asked, span(call))).unwrap_or_default();
            let word = if op.what == What::SeenSold { "sold" } else { "taken" };
            format!("that it was told to be {word} to {told}")
        }
    };
    let (from, until) = (ms(op.from), ms(op.until));
    format!("no order explains {what} between {from} and {until}; the best one has it {seat_is} then")
}
