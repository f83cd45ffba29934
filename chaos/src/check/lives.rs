//! The calls of a history, sorted by the reservations that they are about.

use std::collections::BTreeMap;

use super::life::Life;
use crate::history::{Answer, Asked, Call, GateClock, History, Refusal, State};

/// Microseconds of the run; the bounds of a deadline may lie before its beginning.
pub(super) type Us = i64;
/// A time that never comes.
pub(super) const FOREVER: Us = Us::MAX;

/// Customer and request id: one wish, however often it was said.
pub(super) type Wish<'a> = (&'a str, &'a str);

/// The reservations of a history.
pub(super) struct Lives<'a> {
    pub(super) by_id: BTreeMap<&'a str, Life<'a>>,
    /// The attempts of each Reserve, in the order in which they ended.
    pub(super) wishes: BTreeMap<Wish<'a>, Vec<&'a Call>>,
    pub(super) clock: GateClock,
    /// Where several vote: the gate's epoch at rest. Holds of earlier ones have moved to another clock, or may have.
    newest: Option<u64>,
}

pub(super) fn began(call: &Call) -> Us {
    call.began_us as Us
}

pub(super) fn ended(call: &Call) -> Us {
    call.ended_us as Us
}

/// For a message.
pub(super) fn ms(at: Us) -> String {
    if at == FOREVER { "ever".to_owned() } else { format!("{} ms", at / 1_000) }
}

/// For a message.
pub(super) fn span(call: &Call) -> String {
    format!("at {} to {} ms by replica {}", call.began_us / 1_000, call.ended_us / 1_000, call.replica)
}

pub(super) fn sorted(seats: &[u32]) -> Vec<u32> {
    let mut seats = seats.to_vec();
    seats.sort_unstable();
    seats
}

/// Whether a refusal says that the reservation is over for ever. Those about the request alone do not.
pub(super) fn is_end(refusal: &Refusal) -> bool {
    ["HOLD_EXPIRED", "HOLD_RELEASED", "SEAT_LOST", "RESERVATION_NOT_FOUND"].contains(&&*refusal.reason)
}

/// The epoch in `event.epoch.version`.
pub(super) fn epoch_of(id: &str) -> Option<u64> {
    id.rsplit('.').nth(1)?.parse().ok()
}

impl<'a> Lives<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let newest = history.rules.votes.then_some(history.rest.gate_epoch);
        let mut lives =
            Self { by_id: BTreeMap::new(), wishes: BTreeMap::new(), clock: history.gate_clock, newest };
        for call in &history.calls {
            match &call.asked {
                Asked::Reserve { customer, request, .. } => {
                    lives.wishes.entry((customer, request)).or_default().push(call);
                    if let Answer::Reservation(reservation) = &call.answer {
                        let life = lives.life(&reservation.id);
                        life.wish.get_or_insert((customer, request));
                        life.calls.push(call);
                    }
                }
                Asked::Extend { reservation }
                | Asked::Release { reservation }
                | Asked::Confirm { reservation, .. }
                | Asked::Cancel { reservation }
                | Asked::Look { reservation } => lives.life(reservation).calls.push(call),
            }
        }
        for decision in &history.rest.decisions {
            let life = lives.life(&decision.id);
            life.decision = Some(decision);
            life.wish.get_or_insert((&decision.customer, &decision.request));
        }
        lives.by_id.values_mut().for_each(Life::learn);
        lives
    }

    fn life(&mut self, id: &'a str) -> &mut Life<'a> {
        self.by_id.entry(id).or_insert_with(|| Life { id, ..Life::default() })
    }

    /// Between which moments the seats were granted: from the beginning of the first attempt to the end of the first answer.
    pub(super) fn granted(&self, life: &Life) -> (Us, Us) {
        let attempts = life.wish.and_then(|wish| self.wishes.get(&wish));
        let first = attempts.into_iter().flatten().map(|call| began(call)).min().unwrap_or(0);
        (first, life.first_answer().unwrap_or(FOREVER))
    }

    /// Until when the seats are surely its own, once they were granted. Of a booking: until somebody wants it cancelled.
    pub(super) fn sure_until(&self, life: &Life) -> Us {
        if life.is_booked() {
            return life.cancel_from();
        }
        let ends = life.calls.iter().filter(|call| match (&call.asked, &call.answer) {
            // A Confirm that stays undecided is decided void after its window, maybe before the deadline.
            (Asked::Confirm { .. }, _) => true,
            (_, Answer::Refused(refusal)) => is_end(refusal),
            (Asked::Release { .. }, _) => true,
            (_, Answer::Reservation(shown)) => {
                !matches!(shown.state, State::Held | State::Confirming | State::Booked)
            }
            _ => false,
        });
        let end = ends.map(|call| began(call)).min().unwrap_or(FOREVER);
        let told = life.told_ms().map_or(Us::MIN, |told| self.clock.run_us(told).0);
        told.min(end)
    }

    /// Whether a takeover came after its grant: that may prolong a hold by the drift allowance of locks, or bring back one that the carrier of before had just ended.
    pub(super) fn may_be_prolonged(&self, life: &Life) -> bool {
        self.newest.is_some() && epoch_of(life.id) < self.newest
    }

    /// When a hold that nobody wanted to confirm is over at the latest.
    pub(super) fn over_by(&self, life: &Life) -> Us {
        if self.may_be_prolonged(life) {
            return FOREVER;
        }
        life.deadline_ms_max().map_or(FOREVER, |deadline| self.clock.run_us(deadline).1)
    }

    /// From the end of the first answer that shows its seats as its own.
    pub(super) fn sure(&self, life: &Life) -> Option<(Us, Us)> {
        let shown = life.calls.iter().filter(|call| match &call.answer {
            Answer::Reservation(shown) => {
                matches!(shown.state, State::Held | State::Confirming | State::Booked)
            }
            Answer::Booking(_) => true,
            Answer::Refused(_) | Answer::Unknown(_) => false,
        });
        let (from, until) = (shown.map(|call| ended(call)).min()?, self.sure_until(life));
        (from < until).then_some((from, until))
    }
}
