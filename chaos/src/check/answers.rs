//! Who asks again hears the same.

use super::{
    Findings, Rule,
    life::Life,
    lives::{FOREVER, Lives, Us, began, ended, epoch_of, ms, sorted, span},
    rule,
};
use crate::history::{Answer, Asked, Call, Reservation, State};

pub(super) const SAME_ANSWER: Rule = rule("same_answer", "G2");

/// A request is remembered at least so long: far less than the 10 minutes that are promised.
const REMEMBERED_US: Us = 60_000_000;
/// How far apart the bounds of a gate's clock are that was never set.
const STEADY_US: Us = 50_000;

pub(super) fn check(lives: &Lives, findings: &mut Findings) {
    for (wish, attempts) in &lives.wishes {
        one_reservation(wish.1, attempts, lives, findings);
        own_is_found(wish.1, attempts, lives, findings);
    }
    for life in lives.by_id.values() {
        own_answers(life, findings);
        same_booking(life, findings);
        states_go_on(life, lives, findings);
    }
}

/// All answers to a wish name one reservation.
fn one_reservation(request: &str, attempts: &[&Call], lives: &Lives, findings: &mut Findings) {
    let answered = |call: &&Call| match &call.answer {
        Answer::Reservation(reservation) => Some(&lives.by_id[&*reservation.id]),
        _ => None,
    };
    let mut found: Vec<&Life> = attempts.iter().filter_map(answered).collect();
    findings.looked_many(SAME_ANSWER, found.len());
    found.sort_unstable_by_key(|life| (epoch_of(life.id), ended_first(life)));
    found.dedup_by_key(|life| life.id);
    for pair in found.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let (_, by) = lives.granted(second);
        let remembered = ended_first(first).saturating_add(REMEMBERED_US);
        // A gate that has lost its memory has forgotten requests, too; but not while the first still had its seats.
        let same_epoch = epoch_of(first.id) == epoch_of(second.id);
        let until = if same_epoch { remembered } else { remembered.min(lives.sure_until(first)) };
        if by <= until {
            let (one, other, by) = (first.id, second.id, ms(by));
            let what = format!("request {request} made {one}, and {other} until {by}");
            findings.found(SAME_ANSWER, what);
        }
    }
}

/// Who has the seats and asks for them again is told so, and not that they are taken.
fn own_is_found(request: &str, attempts: &[&Call], lives: &Lives, findings: &mut Findings) {
    let Some(life) = attempts.iter().find_map(|call| match &call.answer {
        Answer::Reservation(reservation) => lives.by_id.get(&*reservation.id),
        _ => None,
    }) else {
        return;
    };
    // A booking that was made meanwhile is found by its id: the gate may have forgotten the request.
    let until = lives.sure_until(life).min(life.confirm_from().unwrap_or(FOREVER));
    let from = ended_first(life);
    for call in attempts.iter().filter(|call| began(call) > from && ended(call) < until) {
        findings.looked(SAME_ANSWER);
        if let Answer::Refused(refusal) = &call.answer {
            let (id, why, span) = (life.id, &refusal.reason, span(call));
            let what = format!("request {request} has {id}, asked again, and was told {why} {span}");
            findings.found(SAME_ANSWER, what);
        }
    }
}

fn ended_first(life: &Life) -> Us {
    life.shown().map(|(call, _)| ended(call)).min().unwrap_or(FOREVER)
}

/// An answer is about what was asked for, and about the same seats each time.
fn own_answers(life: &Life, findings: &mut Findings) {
    for (call, Reservation { id, customer, seats, .. }) in life.shown() {
        findings.looked(SAME_ANSWER);
        let fits = id == life.id
            && customer == life.customer
            && sorted(seats) == life.seats
            && match &call.asked {
                Asked::Reserve { customer: by, seats: wanted, .. } => {
                    by == customer && sorted(wanted) == life.seats
                }
                _ => true,
            };
        let own_wish = match &call.asked {
            Asked::Reserve { customer, request, .. } => life.wish == Some((customer, request)),
            _ => true,
        };
        if !fits || !own_wish {
            let (asked, span) = (&call.asked, span(call));
            let what = format!("{}: {asked:?} was answered {:?} {span}", life.id, call.answer);
            findings.found(SAME_ANSWER, what);
        }
    }
}

/// All bookings of a reservation are equal, but that they may be cancelled from some time on.
fn same_booking(life: &Life, findings: &mut Findings) {
    let mut first = None;
    for (call, booking) in life.bookings() {
        findings.looked(SAME_ANSWER);
        let (_, known) = *first.get_or_insert((call, booking));
        let same = booking.id == life.id
            && booking.customer == known.customer
            && booking.payment == known.payment
            && sorted(&booking.seats) == sorted(&known.seats);
        if !same {
            let what = format!("{}: {known:?} was told, and {booking:?} {}", life.id, span(call));
            findings.found(SAME_ANSWER, what);
        }
    }
    let cancelled = life.bookings().filter(|(_, booking)| booking.cancelled);
    let Some(since) = cancelled.map(|(call, _)| ended(call)).min() else { return };
    let revived = life.bookings().find(|(call, booking)| !booking.cancelled && began(call) > since);
    let at_rest = life.decision.is_some_and(|decision| decision.booked && !decision.cancelled);
    if revived.is_some() || at_rest {
        let told = revived.map_or_else(|| "at rest".to_owned(), |(call, _)| span(call));
        let what = format!("{} was cancelled at {}, and is not {told}", life.id, ms(since));
        findings.found(SAME_ANSWER, what);
    }
}

/// What a Look showed as final stays so. What Release and Cancel say is the vault's word, which the gate may learn later:
/// a Look may still show the hold or the booking then.
fn states_go_on(life: &Life, lives: &Lives, findings: &mut Findings) {
    let extended = life
        .calls
        .iter()
        .any(|call| matches!(call.asked, Asked::Extend { .. }) && !matches!(call.answer, Answer::Refused(_)));
    // A clock that is set back lets a lost hold come back, and so does the token of an Extend that was lost.
    let width_us = lives.clock.ahead_us_max - lives.clock.ahead_us_min;
    let steady = width_us <= STEADY_US && !extended && !lives.may_be_prolonged(life);
    let looks = life.shown().filter(|(call, _)| matches!(call.asked, Asked::Look { .. }));
    for (look, shown) in looks {
        findings.looked(SAME_ANSWER);
        let later = life.calls.iter().filter(|call| began(call) > ended(look));
        let reverted = later.copied().find(|call| match (shown.state, &call.answer) {
            (State::Expired, Answer::Booking(_)) => steady,
            (State::Expired, Answer::Reservation(after)) => steady && after.state == State::Booked,
            (State::Cancelled, Answer::Reservation(after)) => after.state != State::Cancelled,
            (State::Released | State::Lost, Answer::Reservation(after)) => {
                matches!(after.state, State::Held | State::Confirming)
            }
            _ => false,
        });
        if let Some(call) = reverted {
            let (id, state, span) = (life.id, shown.state, span(call));
            let what =
                format!("{id} was {state:?} at {}; {:?} was told {span}", ms(ended(look)), call.answer);
            findings.found(SAME_ANSWER, what);
        }
    }
}
