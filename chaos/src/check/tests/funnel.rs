//! Gate and vault as one, for simulated rounds.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::world::refused;
use crate::history::{Answer, Asked, Booking, Decision, Refusal, Reservation, State};

pub(super) const SEATS: u32 = 60;
pub(super) const TTL_MS: i64 = 2_000;
const AHEAD_MS: i64 = 5_000;

/// What goes wrong in a round, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    None,
    GrantsWhatIsHeld,
    BooksWhatIsOver,
    ForgetsBookings,
    FreesOnConfirm,
    RefusesWhatIsFree,
}

/// What the service would do, each call at one moment.
pub(super) struct Funnel {
    rng: StdRng,
    bug: Bug,
    version: u64,
    seats: Vec<Option<String>>,
    reservations: BTreeMap<String, Reservation>,
    requests: BTreeMap<(String, String), String>,
    pub(super) decisions: BTreeMap<String, Decision>,
}

impl Funnel {
    pub(super) fn new(seed: u64, bug: Bug) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            bug,
            version: 0,
            seats: vec![None; SEATS as usize],
            reservations: BTreeMap::new(),
            requests: BTreeMap::new(),
            decisions: BTreeMap::new(),
        }
    }

    fn errs(&mut self, bug: Bug) -> bool {
        self.bug == bug && self.rng.random_ratio(1, 5)
    }

    fn now(&self, at_ms: i64) -> i64 {
        at_ms + AHEAD_MS
    }

    fn end(&mut self, id: &str, state: State) {
        self.reservations.get_mut(id).unwrap().state = state;
        self.seats.iter_mut().filter(|seat| seat.as_deref() == Some(id)).for_each(|seat| *seat = None);
    }

    /// Ends the holds past their deadline.
    pub(super) fn expire(&mut self, at_ms: i64) {
        let now = self.now(at_ms);
        for id in self.seats.clone().iter().flatten() {
            let held = &self.reservations[id];
            if held.state == State::Held && held.deadline_ms <= now {
                self.end(id, State::Expired);
            }
        }
    }

    fn decide(&mut self, id: &str, payment: Option<&str>, reason: &str) -> Decision {
        let Reservation { customer, seats, .. } = self.reservations[id].clone();
        let row = Decision {
            id: id.into(),
            customer,
            request: "r".into(),
            seats,
            epoch: 1,
            booked: payment.is_some(),
            void_reason: payment.is_none().then(|| reason.into()),
            payment: payment.map(Into::into),
            cancelled: false,
        };
        self.decisions.entry(id.into()).or_insert(row).clone()
    }

    pub(super) fn takes(&mut self, asked: &Asked, at_ms: i64) -> Answer {
        self.expire(at_ms);
        match asked {
            Asked::Reserve { customer, request, seats } => self.reserve(customer, request, seats, at_ms),
            Asked::Extend { reservation } => self.extend(reservation, at_ms),
            Asked::Release { reservation } => self.release(reservation),
            Asked::Confirm { reservation, payment } => self.confirm(reservation, payment),
            Asked::Cancel { reservation } => self.cancel(reservation),
            Asked::Look { reservation } => Answer::Reservation(self.reservations[reservation].clone()),
        }
    }

    fn reserve(&mut self, customer: &str, request: &str, seats: &[u32], at_ms: i64) -> Answer {
        let wish = (customer.to_owned(), request.to_owned());
        if let Some(id) = self.requests.get(&wish) {
            let found = self.reservations[id].clone();
            return match found.state {
                State::Held | State::Confirming | State::Booked => Answer::Reservation(found),
                State::Expired => refused("HOLD_EXPIRED"),
                State::Released | State::Cancelled | State::Lost => refused("HOLD_RELEASED"),
            };
        }
        let state = |id: &String| if self.reservations[id].state == State::Booked { 2 } else { 1 };
        let mut taken: Vec<(u32, u8)> = seats
            .iter()
            .filter_map(|seat| Some((*seat, state(self.seats[*seat as usize].as_ref()?))))
            .collect();
        if taken.is_empty() && self.errs(Bug::RefusesWhatIsFree) {
            taken.push((seats[0], 1));
        }
        if !taken.is_empty() && !self.errs(Bug::GrantsWhatIsHeld) {
            let (reason, level) = ("SEAT_UNAVAILABLE".into(), "gate".into());
            return Answer::Refused(Refusal { reason, level, seats: taken });
        }
        self.version += 1;
        let (id, deadline_ms) = (format!("e.1.{}", self.version), self.now(at_ms) + TTL_MS);
        let made = Reservation {
            id: id.clone(),
            customer: customer.into(),
            seats: seats.into(),
            state: State::Held,
            deadline_ms,
            limit_ms: deadline_ms + 2 * TTL_MS,
        };
        seats.iter().for_each(|seat| self.seats[*seat as usize] = Some(id.clone()));
        self.requests.insert(wish, id.clone());
        self.reservations.insert(id, made.clone());
        Answer::Reservation(made)
    }

    fn extend(&mut self, id: &str, at_ms: i64) -> Answer {
        let until = self.now(at_ms) + TTL_MS;
        let held = self.reservations.get_mut(id).unwrap();
        if held.state != State::Held {
            return self.ended(id);
        }
        held.deadline_ms = until.min(held.limit_ms).max(held.deadline_ms);
        Answer::Reservation(held.clone())
    }

    fn ended(&self, id: &str) -> Answer {
        refused(match self.reservations[id].state {
            State::Booked => "ALREADY_BOOKED",
            State::Released | State::Cancelled => "HOLD_RELEASED",
            _ => "HOLD_EXPIRED",
        })
    }

    fn release(&mut self, id: &str) -> Answer {
        match self.reservations[id].state {
            State::Held => {
                self.decide(id, None, "released");
                self.end(id, State::Released);
            }
            State::Released => {}
            _ => return self.ended(id),
        }
        Answer::Reservation(self.reservations[id].clone())
    }

    fn confirm(&mut self, id: &str, payment: &str) -> Answer {
        let held = self.reservations[id].state == State::Held || self.errs(Bug::BooksWhatIsOver);
        let row = self.decide(id, held.then_some(payment), "expired");
        if !row.booked {
            return refused(if row.void_reason.as_deref() == Some("released") {
                "HOLD_RELEASED"
            } else {
                "HOLD_EXPIRED"
            });
        }
        if held {
            self.reservations.get_mut(id).unwrap().state = State::Booked;
            if self.errs(Bug::FreesOnConfirm) {
                self.seats
                    .iter_mut()
                    .filter(|seat| seat.as_deref() == Some(id))
                    .for_each(|seat| *seat = None);
            }
        }
        let answer = booking(&row);
        if self.errs(Bug::ForgetsBookings) {
            self.decisions.remove(id);
        }
        answer
    }

    fn cancel(&mut self, id: &str) -> Answer {
        let Some(row) = self.decisions.get_mut(id).filter(|row| row.booked) else {
            return refused("BOOKING_NOT_FOUND");
        };
        row.cancelled = true;
        let answer = booking(row);
        self.end(id, State::Cancelled);
        answer
    }
}

fn booking(row: &Decision) -> Answer {
    let Decision { id, customer, seats, payment, cancelled, .. } = row.clone();
    Answer::Booking(Booking { id, customer, seats, payment: payment.unwrap(), cancelled })
}
