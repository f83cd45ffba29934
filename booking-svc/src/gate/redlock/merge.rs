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

    /// Who gets a seat that several have. Of those that last, the one that was voted for last: of the others one was never
    /// acknowledged, for a majority had been fenced. Then the one that most nodes know of: a node gives a seat to nobody else as
    /// long as a lock lasts, so a clock was set. Then the newest: it got its seats after the others had ended.
    fn rank(&self) -> (Option<(Epoch, usize)>, &ReservationId) {
        let lasts = self.live.left > OUTLASTS_MAX;
        (lasts.then_some((self.live.epoch, self.votes)), &self.live.reservation.id)
    }
}

fn begun(live: &Live) -> Option<Epoch> {
    (live.reservation.state == ReservationState::Confirming).then_some(live.epoch)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::subsequence};

    use super::{super::majority, *};
    use crate::domain::SeatSet;

    const MINUTE: Duration = Duration::from_secs(60);
    const SOON: Duration = Duration::from_millis(600);

    fn hold(id: &str, seats: &[u32]) -> Reservation {
        Reservation {
            id: format!("rock.{id}").parse().unwrap(),
            customer: "ann".parse().unwrap(),
            request: "r".parse().unwrap(),
            seats: SeatSet::new(seats.iter().copied()).unwrap(),
            state: ReservationState::Held,
            deadline: UnixMs(1),
            extend_limit: UnixMs(2),
        }
    }

    fn live(hold: &Reservation, left: Duration, epoch: u64) -> Live {
        Live { reservation: hold.clone(), left, epoch: Epoch(epoch) }
    }

    /// All under the first epoch.
    fn told(holds: &[(&Reservation, Duration)]) -> Told {
        Told { live: holds.iter().map(|(hold, left)| live(hold, *left, 1)).collect(), ..Told::default() }
    }

    fn ended_in(gate: Option<u64>, hold: &Reservation) -> Told {
        let over = Reservation { state: ReservationState::Expired, ..hold.clone() };
        Told { ended: vec![over], gate: gate.map(Epoch), ..Told::default() }
    }

    /// Who has seats then, as the new gate gives them: first come, first served.
    fn owners(merged: &Merged) -> Vec<String> {
        let mut taken = HashSet::new();
        let free = |hold: &&Live| {
            let seats = &hold.reservation.seats;
            let free = !seats.iter().any(|seat| taken.contains(&seat));
            taken.extend(seats.iter().filter(|_| free));
            free
        };
        merged.live.iter().filter(free).map(|hold| hold.reservation.id.suffix()).collect()
    }

    #[test]
    fn what_one_node_knows_is_enough_and_lasts_as_long_as_anybody_says() {
        let (a, b) = (hold("1.1", &[1]), hold("1.2", &[2]));
        let merged = merge([told(&[(&a, MINUTE)]), told(&[(&a, 2 * MINUTE), (&b, SOON)]), told(&[])]);
        assert_eq!(merged.live, [live(&a, 2 * MINUTE, 1), live(&b, SOON, 1)], "who lasts comes first");
        assert_eq!(merged.wait, Duration::ZERO);
    }

    #[test]
    fn a_newer_hold_has_the_seat_of_one_that_was_about_to_end_once_that_is_over() {
        let (old, new) = (hold("1.1", &[1, 2]), hold("1.9", &[2]));
        let merged = merge([told(&[(&old, SOON)]), told(&[(&old, SOON)]), told(&[(&new, MINUTE)])]);
        assert_eq!((owners(&merged), merged.wait), (vec!["1.9".into()], SOON));
    }

    #[test]
    fn a_hold_that_lasts_does_not_give_way_to_what_a_wrong_clock_granted() {
        let (old, new) = (hold("1.1", &[1]), hold("1.9", &[1]));
        let merged = merge([told(&[(&old, MINUTE)]), told(&[(&old, MINUTE)]), told(&[(&new, MINUTE)])]);
        assert_eq!((owners(&merged), merged.wait), (vec!["1.1".into()], Duration::ZERO));
    }

    #[test]
    fn a_gate_knows_what_has_ended_unless_its_clock_was_set() {
        let (a, b) = (hold("1.1", &[1]), hold("1.2", &[2]));
        let votes = told(&[(&a, SOON), (&b, MINUTE)]);
        let merged = merge([ended_in(Some(1), &a), ended_in(Some(1), &b), votes]);
        assert_eq!((owners(&merged), merged.ended), (vec!["1.2".into()], ended_in(None, &a).ended));
    }

    #[test]
    fn an_older_gate_or_one_that_lost_something_does_not_know_what_was_extended_since() {
        let a = hold("1.1", &[1]);
        let extended = Told { live: vec![live(&a, SOON, 2)], ..Told::default() };
        for gate in [Some(1), None] {
            let merged = merge([ended_in(gate, &a), extended.clone()]);
            assert_eq!((owners(&merged), merged.ended), (vec!["1.1".into()], vec![]), "{gate:?}");
        }
        assert_eq!(merge([ended_in(Some(2), &a), extended]).live, []);
    }

    #[test]
    fn what_a_minority_voted_for_under_an_older_epoch_gives_way() {
        let (ann, bob) = (hold("2.1", &[1]), hold("1.9", &[1]));
        let voted =
            |hold: &Reservation, epoch| Told { live: vec![live(hold, MINUTE, epoch)], ..Told::default() };
        let merged = merge([voted(&bob, 1), voted(&bob, 1), voted(&ann, 2)]);
        assert_eq!(owners(&merged), ["2.1"]);
    }

    #[test]
    fn a_node_has_one_vote() {
        let (old, new) = (hold("1.1", &[1]), hold("1.9", &[1]));
        let both = told(&[(&new, MINUTE), (&new, MINUTE)]);
        assert_eq!(owners(&merge([both, told(&[(&old, MINUTE)]), told(&[(&old, MINUTE)])])), ["1.1"]);
    }

    #[test]
    fn a_confirm_that_was_begun_stays_begun() {
        let held = hold("1.1", &[1]);
        let begun = Reservation { state: ReservationState::Confirming, ..held.clone() };
        for nodes in [
            [told(&[(&begun, SOON)]), told(&[(&held, MINUTE)])],
            [told(&[(&held, MINUTE)]), told(&[(&begun, SOON)])],
        ] {
            assert_eq!(merge(nodes).live, [live(&begun, MINUTE, 1)]);
        }
        let carried_since = Told { live: vec![live(&held, MINUTE, 2)], ..Told::default() };
        assert_eq!(merge([told(&[(&begun, SOON)]), carried_since]).live, [live(&held, MINUTE, 2)]);
    }

    proptest! {
        /// Seats change hands, and each hold is acknowledged by some majority. What has not ended is found by every majority.
        #[test]
        fn every_majority_finds_what_a_majority_acknowledged(
            holders in vec((0_u32..4, vec(any::<bool>(), 5)), 1..12),
            fenced in subsequence(vec![0, 1, 2, 3, 4], 3..=5),
        ) {
            let mut nodes: Vec<BTreeMap<String, Live>> = vec![BTreeMap::new(); 5];
            let mut lasts: BTreeMap<u32, String> = BTreeMap::new();
            for (version, (seat, on)) in holders.iter().enumerate() {
                let new = hold(&format!("1.{}", version + 1), &[*seat]);
                // Who had the seat before has ended: its locks are gone, or about to go.
                for locks in &mut nodes {
                    let of_seat = |hold: &&mut Live| hold.reservation.seats == new.seats;
                    locks.values_mut().filter(of_seat).for_each(|hold| hold.left = SOON);
                }
                let mut count = 0;
                for (locks, on) in nodes.iter_mut().zip(on) {
                    if *on || count < majority(5) && version % 2 == 0 {
                        locks.insert(new.id.suffix(), live(&new, MINUTE, 1));
                        count += 1;
                    }
                }
                if count >= majority(5) {
                    lasts.insert(*seat, new.id.suffix());
                } else {
                    // It was never acknowledged, and need not be found.
                    lasts.remove(seat);
                }
            }
            let told = fenced.iter().map(|node| Told { live: nodes[*node].values().cloned().collect(), ..Told::default() });
            let merged = merge(told);
            for id in lasts.values() {
                prop_assert!(owners(&merged).contains(id), "{id} is lost: {merged:?}");
            }
            prop_assert!(merged.wait <= OUTLASTS_MAX);
        }
    }
}
