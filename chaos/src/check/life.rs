//! All that was said of one reservation.

use super::lives::{FOREVER, Us, Wish, began, ended, sorted};
use crate::history::{Answer, Asked, Booking, Call, Decision, Refusal, Reservation, State};

/// All that is known of one reservation.
#[derive(Default)]
pub(super) struct Life<'a> {
    pub(super) id: &'a str,
    /// As the first answer, else the vault, has it.
    pub(super) customer: &'a str,
    /// Ascending.
    pub(super) seats: Vec<u32>,
    pub(super) wish: Option<Wish<'a>>,
    /// Calls that named it, or were answered with it, in the order in which they ended.
    pub(super) calls: Vec<&'a Call>,
    pub(super) decision: Option<&'a Decision>,
}

impl<'a> Life<'a> {
    pub(super) fn learn(&mut self) {
        let (mut customer, mut seats) = (None, None);
        for call in &self.calls {
            match &call.answer {
                Answer::Reservation(Reservation { customer: by, seats: of, .. })
                | Answer::Booking(Booking { customer: by, seats: of, .. }) => {
                    customer.get_or_insert(by);
                    seats.get_or_insert(of);
                }
                Answer::Refused(_) | Answer::Unknown(_) => {}
            }
        }
        if let Some(decision) = self.decision {
            customer.get_or_insert(&decision.customer);
            seats.get_or_insert(&decision.seats);
        }
        self.customer = customer.map_or("", |customer| customer);
        self.seats = seats.map(|seats| sorted(seats)).unwrap_or_default();
    }

    pub(super) fn shown(&self) -> impl Iterator<Item = (&'a Call, &'a Reservation)> {
        self.calls.iter().filter_map(|call| match &call.answer {
            Answer::Reservation(reservation) => Some((*call, reservation)),
            _ => None,
        })
    }

    pub(super) fn bookings(&self) -> impl Iterator<Item = (&'a Call, &'a Booking)> {
        self.calls.iter().filter_map(|call| match &call.answer {
            Answer::Booking(booking) => Some((*call, booking)),
            _ => None,
        })
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = (&'a Call, &'a Refusal)> {
        self.calls.iter().filter_map(|call| match &call.answer {
            Answer::Refused(refusal) => Some((*call, refusal)),
            _ => None,
        })
    }

    pub(super) fn confirms(&self) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().copied().filter(|call| matches!(call.asked, Asked::Confirm { .. }))
    }

    /// Acknowledged Confirms.
    pub(super) fn confirmed(&self) -> impl Iterator<Item = (&'a Call, &'a Booking)> {
        self.bookings().filter(|(call, _)| matches!(call.asked, Asked::Confirm { .. }))
    }

    /// Cancels that had or may have an effect.
    pub(super) fn cancels(&self) -> impl Iterator<Item = &'a Call> {
        let refused = |call: &Call| matches!(call.answer, Answer::Refused(_));
        self.calls
            .iter()
            .copied()
            .filter(move |call| matches!(call.asked, Asked::Cancel { .. }) && !refused(call))
    }

    pub(super) fn cancel_from(&self) -> Us {
        self.cancels().map(began).min().unwrap_or(FOREVER)
    }

    pub(super) fn confirm_from(&self) -> Option<Us> {
        self.confirms().map(began).min()
    }

    /// Whether an answer or the vault says that it is, or was, a booking.
    pub(super) fn is_booked(&self) -> bool {
        self.booked_by().is_some() || self.decision.is_some_and(|decision| decision.booked)
    }

    /// The end of the first answer that says so.
    pub(super) fn booked_by(&self) -> Option<Us> {
        let shown = self.shown().filter(|(_, shown)| matches!(shown.state, State::Booked | State::Cancelled));
        self.bookings().map(|(call, _)| call).chain(shown.map(|(call, _)| call)).map(ended).min()
    }

    pub(super) fn first_answer(&self) -> Option<Us> {
        self.shown().map(|(call, _)| call).chain(self.bookings().map(|(call, _)| call)).map(ended).min()
    }

    /// The latest deadline that its owner was told.
    pub(super) fn told_ms(&self) -> Option<i64> {
        let held = self.shown().filter(|(_, shown)| shown.state == State::Held);
        held.map(|(_, shown)| shown.deadline_ms).max()
    }

    /// The latest deadline that it can have had: an Extend that ended Unknown may have brought it to its limit.
    pub(super) fn deadline_ms_max(&self) -> Option<i64> {
        let told = self.told_ms()?;
        let unsure = self
            .calls
            .iter()
            .any(|call| matches!((&call.asked, &call.answer), (Asked::Extend { .. }, Answer::Unknown(_))));
        let limit = self.shown().map(|(_, shown)| shown.limit_ms).max().filter(|_| unsure);
        Some(limit.map_or(told, |limit| limit.max(told)))
    }
}
