//! Conflicts between what nodes tell, and who has the seat then.

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
    let voted = |hold: &Reservation, epoch| Told { live: vec![live(hold, MINUTE, epoch)], ..Told::default() };
    let merged = merge([voted(&bob, 1), voted(&bob, 1), voted(&ann, 2)]);
    assert_eq!(owners(&merged), ["2.1"]);
}

#[test]
fn what_is_about_to_end_gives_way_to_no_older_epoch() {
    let (ann, bob) = (hold("1.1", &[1]), hold("1.9", &[1]));
    for left in [SOON, MINUTE] {
        let ghost = Told { live: vec![live(&bob, left, 1)], ..Told::default() };
        let carried_since = Told { live: vec![live(&ann, SOON, 2)], ..Told::default() };
        assert_eq!(owners(&merge([ghost, carried_since])), ["1.1"], "{left:?}");
    }
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
