//! Looks for drift between vault and gate, and mends it by `settle` or a rebuild, never by writing seats.

use std::collections::{HashMap, HashSet};

use super::{Engine, Step};
use crate::{
    domain::{EventId, Outcome, PackedStates, Reservation, ReservationId, SeatId, SeatState},
    vault::Taken,
};

/// A seat on which gate and vault differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Drift {
    /// The vault has it booked; the gate does not show it sold.
    Unsettled(SeatId, ReservationId),
    /// The gate shows it sold or blocked; the vault does not. Or the other way with blocks.
    Stray(SeatId),
}

impl Engine {
    /// One comparison: what differs, and how much of it is drift. What differs now and differed in `before` is drift;
    /// the rest was on its way.
    pub(super) async fn reconcile(
        &self,
        event: &EventId,
        before: HashSet<Drift>,
    ) -> (HashSet<Drift>, Option<usize>) {
        match self.look_for_drift(event).await {
            Ok(found) => {
                let drift: HashSet<Drift> = found.intersection(&before).cloned().collect();
                if !drift.is_empty() {
                    self.mend(event, &drift).await;
                }
                (found, Some(drift.len()))
            }
            Err(error) => {
                tracing::debug!(%event, %error, "gate and vault could not be compared");
                (before, None)
            }
        }
    }

    async fn look_for_drift(&self, event: &EventId) -> Result<HashSet<Drift>, super::Error> {
        // The vault first: what it has decided by then, the gate learns within moments.
        let in_vault = self.0.vault.event(event).await.map_err(|error| self.vault_error(event, &error))?;
        let Some(in_vault) = in_vault else { return Ok(HashSet::new()) };
        self.0.gate.configure(&in_vault).await.map_err(|error| self.gate_error(event, error))?;
        let taken = self.0.vault.taken(event).await.map_err(|error| self.vault_error(event, &error))?;
        let states = self.0.gate.states(event).await.map_err(|error| self.gate_error(event, error))?;
        if states.epoch != in_vault.epoch {
            // Somebody raised the vault's epoch and died, or is at it.
            self.request_rebuild(event);
            return Ok(HashSet::new());
        }
        Ok(differences(in_vault.seat_count, &states.packed, taken))
    }

    async fn mend(&self, event: &EventId, drift: &HashSet<Drift>) {
        self.0.options.steps.reached(Step::DriftFound).await;
        let mut unsettled = HashSet::new();
        for one in drift {
            if let Drift::Unsettled(_, id) = one {
                unsettled.insert(id.clone());
            }
        }
        let mut rebuild = drift.iter().any(|one| matches!(one, Drift::Stray(_)));
        for id in unsettled {
            rebuild |= !self.settle_again(&id).await;
        }
        // Somebody else may have settled it since it was found.
        if rebuild {
            rebuild = self.look_for_drift(event).await.is_ok_and(|now| !now.is_disjoint(drift));
        }
        tracing::warn!(%event, seats = drift.len(), rebuild, "gate and vault differed");
        if rebuild {
            self.force_rebuild(event).await;
        }
    }

    /// False when the gate answers that it has nothing to learn of a booking that the vault still has.
    async fn settle_again(&self, id: &ReservationId) -> bool {
        let Ok(Some(Outcome::Booked(booking))) = self.0.vault.outcome(id).await else { return true };
        if booking.cancelled_at.is_some() {
            return true;
        }
        let Reservation { seats, request, customer, state, .. } = booking.reservation();
        self.0.gate.settle(id, state, &seats, &request, &customer).await != Ok(0)
    }
}

fn differences(seat_count: u32, packed: &PackedStates, taken: Taken) -> HashSet<Drift> {
    let sold: HashMap<SeatId, ReservationId> = taken.sold.into_iter().collect();
    let blocked: HashSet<SeatId> = taken.blocked.into_iter().collect();
    (0..seat_count)
        .map(SeatId)
        .filter_map(|seat| {
            let state = packed.get(seat.0);
            match (sold.get(&seat), state) {
                (Some(_), SeatState::Sold) => None,
                (Some(id), _) => Some(Drift::Unsettled(seat, id.clone())),
                (None, SeatState::Sold) => Some(Drift::Stray(seat)),
                (None, state) => {
                    ((state == SeatState::Blocked) != blocked.contains(&seat)).then_some(Drift::Stray(seat))
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_what_the_gate_has_to_learn_and_what_is_stray() {
        let id: ReservationId = "rock.1.2".parse().unwrap();
        // Seats: 0 free, 1 held, 2 sold, 3 blocked.
        let packed = PackedStates::new(vec![0b00_01_10_11]);
        let agree = Taken { sold: vec![(SeatId(2), id.clone())], blocked: vec![SeatId(3)] };
        assert_eq!(differences(4, &packed, agree), HashSet::new());
        let late = Taken {
            sold: vec![(SeatId(1), id.clone()), (SeatId(2), id.clone())],
            blocked: vec![SeatId(0), SeatId(3)],
        };
        let expected = HashSet::from([Drift::Unsettled(SeatId(1), id), Drift::Stray(SeatId(0))]);
        assert_eq!(differences(4, &packed, late), expected);
        let gone = Taken { sold: vec![], blocked: vec![] };
        let expected = HashSet::from([Drift::Stray(SeatId(2)), Drift::Stray(SeatId(3))]);
        assert_eq!(differences(4, &packed, gone), expected);
    }
}
