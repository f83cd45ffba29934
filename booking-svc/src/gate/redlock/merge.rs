//! What the fenced nodes know of an event, as one.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use crate::domain::{Epoch, Reservation, ReservationId, ReservationState, SeatId, UnixMs};

/// A lock may outlast its hold by so much: the drift allowance, and what clocks and answers add to it. A newer hold of a
/// seat is right to have it when an older one is that near to its end; else some clock was set.
const OUTLASTS_MAX: Duration = Duration::from_secs(2);

/// What one node told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Holds that its locks and its gate have, some of them both; Confirms that were begun.
    pub(super) live: Vec<Live>,
    /// What has ended, as its gate remembers it.
    pub(super) ended: Vec<Reservation>,
    /// Of which epoch its gate is, where that has lost nothing.
    pub(super) gate: Option<Epoch>,
}

/// A hold that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) reservation: Reservation,
    /// For how long yet, by the node's own clock.
    pub(super) left: Duration,
    /// Under which epoch the node has voted for it, or carried it.
    pub(super) epoch: Epoch,
}

/// What all of them told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// Who has seats, and for how long yet. Of two that have the same seat the first is to have it, unless the vault has
    /// decided about it: a lock may have been left behind.
    pub(super) live: Vec<Live>,
    /// What has ended.
    pub(super) ended: Vec<Reservation>,
    /// Holds give way that last so long yet: nobody may have their seats for good before.
    pub(super) wait: Duration,
}

struct Candidate {
    /// As long and as late as any node says.
    live: Live,
    /// Nodes that know of it.
    votes: usize,
    /// The latest epoch under which a gate has begun to confirm it.
    begun: Option<Epoch>,
}

pub(super) fn merge(told: impl IntoIterator<Item = Told>) -> Merged {
    let (mut live, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for node in told {
        collect(node, &mut live, &mut ended);
    }
    // The latest gate knows best what has ended there, but where its clock was set forward. An older one, or one that has lost
    // something, may lack an extension. What the vault decided is asked later.
    live.retain(|id, hold| {
        let over = ended.get(id).is_some_and(|(_, gate)| *gate >= Some(hold.live.epoch));
        hold.live.left > OUTLASTS_MAX || !over
    });
    ended.retain(|id, _| !live.contains_key(id));
    let ended = ended.into_values().map(|(over, _)| over).collect();
    let mut merged = Merged { ended, ..Merged::default() };
    let mut candidates: Vec<Candidate> = live.into_values().collect();
    candidates.sort_by(|a, b| b.rank().cmp(&a.rank()));
    let mut taken: HashSet<SeatId> = HashSet::new();
    for hold in candidates.into_iter().map(Candidate::settle) {
        let gives_way = hold.reservation.seats.iter().any(|seat| taken.contains(&seat));
        if gives_way && hold.left <= OUTLASTS_MAX {
            merged.wait = merged.wait.max(hold.left);
        }
        taken.extend(hold.reservation.seats.iter());
        merged.live.push(hold);
    }
    merged
}

/// What has ended, and the epoch of the gate that says so, where that has lost nothing.
type Ended = BTreeMap<ReservationId, (Reservation, Option<Epoch>)>;

fn collect(node: Told, live: &mut BTreeMap<ReservationId, Candidate>, ended: &mut Ended) {
    let mut named = HashSet::new();
    for hold in node.live {
        let (id, votes) =
            (hold.reservation.id.clone(), usize::from(named.insert(hold.reservation.id.clone())));
        match live.get_mut(&id) {
            Some(known) => known.join(hold, votes),
            None => drop(live.insert(id, Candidate::new(hold))),
        }
    }
    for over in node.ended {
        if ended.get(&over.id).is_none_or(|(_, gate)| *gate < node.gate) {
            ended.insert(over.id.clone(), (over, node.gate));
        }
    }
}

/// Whether two clocks say the same of when a hold ends, but for what a lock may outlast it.
pub(super) fn agree(deadline: UnixMs, measured: UnixMs) -> bool {
    (deadline - measured).unsigned_abs() <= OUTLASTS_MAX.as_millis() as u64
}

impl Candidate {
    fn new(live: Live) -> Self {
        Self { begun: begun(&live), live, votes: 1 }
    }

    fn join(&mut self, other: Live, votes: usize) {
        self.votes += votes;
        self.begun = self.begun.max(begun(&other));
        let epoch = self.live.epoch.max(other.epoch);
        if other.left > self.live.left {
            self.live = other;
        }
        self.live.epoch = epoch;
    }

    /// A Confirm that was begun is known to the gate alone. Where others have carried the hold since, it came to nothing.
    fn settle(mut self) -> Live {
        let is_begun = self.begun >= Some(self.live.epoch);
        self.live.reservation.state =
            if is_begun { ReservationState::Confirming } else { ReservationState::Held };
        self.live
    }

    /// Who gets a seat that several have. The one that was voted for under the latest epoch: what was voted for before it, and
    /// did not give way then, was never acknowledged, for a majority had been fenced. Of one epoch, the one that lasts and that
    /// most nodes know of: a node gives a seat to nobody else as long as a lock lasts, so a clock was set. Then the newest: it
    /// got its seats after the others had ended.
    fn rank(&self) -> (Epoch, Option<usize>, &ReservationId) {
        let lasts = self.live.left > OUTLASTS_MAX;
        (self.live.epoch, lasts.then_some(self.votes), &self.live.reservation.id)
    }
}

fn begun(live: &Live) -> Option<Epoch> {
    (live.reservation.state == ReservationState::Confirming).then_some(live.epoch)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
