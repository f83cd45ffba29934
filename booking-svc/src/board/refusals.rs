//! Level 0: what the gate has refused is refused again without asking it, as long as nothing has changed.
//!
//! What is kept can only make a call go to the gate in vain, or be refused for a moment too long; it never grants. A
//! refusal is repeated only
//! - while the board is fresh, and has seen no change of the seat since the version that the gate spoke of;
//! - before the hold's deadline, and for at most [`REPEATED_MAX`]: sales may have closed meanwhile;
//! - to others than the one who has the seat: a repeat of the call that took it must find its reservation.

use std::{collections::HashMap, time::Duration};

use seat_board::Board;
use tokio::time::Instant;

use super::live::AsOf;
use crate::domain::{
    CustomerId, Epoch, Holder, RequestId, SeatChange, SeatId, SeatSet, SeatState, UnixMs, Version,
};

/// A refusal is repeated for at most so long; then the gate is asked again.
const REPEATED_MAX: Duration = Duration::from_secs(1);
/// A board that was not known to be whole for so long refuses nothing. Looks come every 250 ms.
const FRESH_MAX: Duration = Duration::from_millis(500);
/// Seats of one event; when there are more, it begins anew. About 150 bytes each.
const SEATS_MAX: usize = 16_384;

/// A seat that can not be had, and how long that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Which seat.
    pub seat: SeatId,
    /// Held, sold or blocked.
    pub state: SeatState,
    /// When its hold ends by the gate's clock, and by ours: never later than that.
    pub ends: Option<(UnixMs, Instant)>,
}

/// What the gate said, all of one version.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The gate's epoch.
    pub epoch: Epoch,
    /// The event's version.
    pub version: Version,
    /// Before the gate was asked.
    pub asked_at: Instant,
    /// The seats that stood in the way, and who has them. Where that is not known any more, the gate has forgotten the
    /// request that took the seat, too.
    pub obstacles: Vec<(Obstacle, Option<Holder>)>,
}

/// The refusals of one event.
#[derive(Default)]
pub(super) struct Refusals(HashMap<SeatId, Entry>);

struct Entry {
    obstacle: Obstacle,
    holder: Option<Holder>,
    version: Version,
    until: Instant,
}

impl Refusals {
    /// Keeps what the gate said, unless the board may know better.
    pub(super) fn remember(&mut self, board: &Board, refused: Refused) {
        let at = board.position();
        if at.epoch != refused.epoch.0 || at.version > refused.version.0 {
            return;
        }
        if self.0.len() + refused.obstacles.len() > SEATS_MAX {
            self.0.clear();
        }
        for (obstacle, holder) in refused.obstacles {
            let longest = refused.asked_at + REPEATED_MAX;
            let until = obstacle.ends.map_or(longest, |(_, end)| end.min(longest));
            self.0.insert(obstacle.seat, Entry { obstacle, holder, version: refused.version, until });
        }
    }

    /// Forgets what a change is about.
    pub(super) fn changed(&mut self, change: &SeatChange) {
        if self.0.is_empty() {
            return;
        }
        for seat in &change.seats {
            if self.0.get(seat).is_some_and(|entry| entry.version < change.version) {
                self.0.remove(seat);
            }
        }
    }

    /// Forgets these seats: this replica has changed them, and its board does not know yet.
    pub(super) fn forget(&mut self, seats: &SeatSet) {
        for seat in seats.iter() {
            self.0.remove(&seat);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The seats that stand in the way of this request; None where only the gate can tell.
    pub(super) fn find(
        &self,
        board: &Board,
        as_of: &AsOf,
        seats: &SeatSet,
        (request, customer): (&RequestId, &CustomerId),
        now: Instant,
    ) -> Option<Vec<Obstacle>> {
        if self.0.is_empty() || now >= as_of.at() + FRESH_MAX {
            return None;
        }
        let mut found = Vec::new();
        for seat in seats.iter() {
            match self.0.get(&seat) {
                Some(entry) if now >= entry.until => return None,
                Some(Entry { holder: Some(holder), .. })
                    if holder.request == *request && holder.customer == *customer =>
                {
                    return None;
                }
                Some(entry) => found.push(entry.obstacle),
                None if board.states().get(seat.0) == SeatState::Free => {}
                None => return None,
            }
        }
        Some(found).filter(|found| !found.is_empty())
    }
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
