//! The vault: what PostgreSQL keeps of an event. Each function is one transaction.

use crate::{
    gate::{Epoch, Id, RESERVATIONS},
    guards::Guards,
};

/// What a reservation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A booking.
    Booked,
    /// A booking that was cancelled later.
    Cancelled,
    /// Void: given back.
    Released,
    /// Void: too late.
    Expired,
    /// Void: another has a seat of it.
    Lost,
}

/// One moment of the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vault {
    /// Raised by each rebuild.
    pub epoch: Epoch,
    /// `bookings`: one row a decided reservation.
    pub outcomes: [Option<Outcome>; RESERVATIONS],
    /// `booked_seats`: the active ones, as bits.
    pub active: [u8; RESERVATIONS],
}

impl Vault {
    /// `vault_decide`: the outcome, now or from before. None where the epoch is stale.
    pub fn decide(
        &mut self,
        guards: &Guards,
        id: Id,
        seats: u8,
        epoch: Epoch,
        wanted: Outcome,
    ) -> Option<Outcome> {
        if let Some(known) = self.outcomes[id] {
            return Some(known);
        }
        if guards.epoch_check_in_vault && epoch != self.epoch {
            return None;
        }
        let lost = wanted == Outcome::Booked
            && guards.unique
            && self.active.iter().any(|active| active & seats != 0);
        let outcome = if lost { Outcome::Lost } else { wanted };
        if outcome == Outcome::Booked {
            self.active[id] = seats;
        }
        self.outcomes[id] = Some(outcome);
        Some(outcome)
    }

    /// `vault_cancel`. None where the epoch is stale, or there is no booking.
    pub fn cancel(&mut self, guards: &Guards, id: Id, epoch: Epoch) -> Option<Outcome> {
        if self.outcomes[id] == Some(Outcome::Booked) && (epoch == self.epoch || !guards.epoch_check_in_vault)
        {
            self.outcomes[id] = Some(Outcome::Cancelled);
            self.active[id] = 0;
        }
        self.outcomes[id].filter(|outcome| *outcome == Outcome::Cancelled)
    }

    /// `vault_raise_epoch`.
    pub fn raise_epoch(&mut self, at_least: Epoch) -> Epoch {
        self.epoch = self.epoch.max(at_least) + 1;
        self.epoch
    }
}
