//! Level 0: what the gate has refused is refused again without asking it, as long as nothing has changed.
//!
//! What is kept can only make a call go to the gate in vain, or be refused for a moment too long; it never grants. A
//! refusal is repeated only
//! - while the board is fresh, and has seen no change of the seat since the version that the gate spoke of;
//! - before the hold's deadline and the end of the sale, and for at most [`REPEATED_MAX`]: the rules may have changed;
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
    /// When the sale ends.
    pub closes: Option<Instant>,
    /// The seats that stood in the way, and who has them. Where that is not known any more, the gate has forgotten the
    /// request that took the seat, too.
    pub obstacles: Vec<(Obstacle, Option<Holder>)>,
}

/// The refusals of one event.
#[derive(Default)]
pub(super) struct Refusals {
    seats: HashMap<SeatId, Entry>,
    /// What the gate was asked before this is not kept.
    since: Option<Instant>,
}

enum Entry {
    Refused {
        obstacle: Obstacle,
        holder: Option<Holder>,
        version: Version,
        until: Instant,
    },
    /// Forgotten: a refusal that was under way then is not kept.
    Forgotten(Instant),
}

impl Refusals {
    /// Keeps what the gate said, unless the board may know better.
    pub(super) fn remember(&mut self, board: &Board, refused: Refused) {
        let (at, asked_at, version) = (board.position(), refused.asked_at, refused.version);
        if at.epoch != refused.epoch.0 || at.version > version.0 {
            return;
        }
        if self.seats.len() + refused.obstacles.len() > SEATS_MAX {
            self.clear();
        }
        if self.since.is_some_and(|since| asked_at <= since) {
            return;
        }
        for (obstacle, holder) in refused.obstacles {
            let overtaken = match self.seats.get(&obstacle.seat) {
                Some(Entry::Refused { version: known, .. }) => *known > version,
                Some(Entry::Forgotten(at)) => asked_at <= *at,
                None => false,
            };
            if !overtaken {
                let ends = obstacle.ends.map(|(_, end)| end).into_iter().chain(refused.closes);
                let until = ends.fold(asked_at + REPEATED_MAX, Instant::min);
                self.seats.insert(obstacle.seat, Entry::Refused { obstacle, holder, version, until });
            }
        }
    }

    /// Forgets what a change is about.
    pub(super) fn changed(&mut self, change: &SeatChange) {
        if self.seats.is_empty() {
            return;
        }
        for seat in &change.seats {
            if let Some(Entry::Refused { version, .. }) = self.seats.get(seat)
                && *version < change.version
            {
                self.seats.remove(seat);
            }
        }
    }

    /// Forgets these seats: this replica has changed them, and its board does not know yet.
    pub(super) fn forget(&mut self, seats: &SeatSet) {
        if self.seats.len() + seats.len() > SEATS_MAX {
            return self.clear();
        }
        let now = Instant::now();
        self.seats.extend(seats.iter().map(|seat| (seat, Entry::Forgotten(now))));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.seats.clear();
        self.since = Some(Instant::now());
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
        if self.seats.is_empty() || now >= as_of.at() + FRESH_MAX {
            return None;
        }
        let mut found = Vec::new();
        for seat in seats.iter() {
            match self.seats.get(&seat) {
                Some(Entry::Refused { obstacle, holder, until, .. }) => {
                    let own = |holder: &Holder| holder.request == *request && holder.customer == *customer;
                    if now >= *until || holder.as_ref().is_some_and(own) {
                        return None;
                    }
                    found.push(*obstacle);
                }
                Some(Entry::Forgotten(_)) => return None,
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
