//! Watchers, stores and sieges with one thing wrong in them.

use super::{
    none, only,
    world::{act, decide, healthy, row},
};
use crate::history::{Heard, History, Sight, What};

/// A healthy world, with more to see. It ends with what is true, on a stream of its own.
fn seeing(sights: impl IntoIterator<Item = Sight>) -> History {
    let mut world = healthy();
    sights.into_iter().for_each(|sight| world.sees(&sight));
    world.sees(&Sight::Closed);
    world.sees(&Sight::Opened { known: None });
    let truth = world.snapshot();
    world.sees(&truth);
    world
}

fn changes(epoch: u64, after: u64, version: u64) -> Sight {
    Sight::Changes { epoch, after, version, seats: vec![(9, 1)] }
}

fn at() -> (u64, u64) {
    let world = healthy();
    (world.rest.gate_epoch, world.rest.gate_version)
}

#[test]
fn changes_follow_each_other() {
    let (epoch, version) = at();
    let known = || Sight::Opened { known: Some((epoch, version)) };
    none(&seeing([known(), changes(epoch, version, version + 3), changes(epoch, version + 3, version + 4)]));
    let broken = [
        changes(epoch, version + 1, version + 2),
        changes(epoch, version - 1, version + 2),
        changes(epoch + 1, version, version + 2),
        changes(epoch, version, version),
        Sight::Changes { epoch, after: version, version: version + 1, seats: vec![(99, 1)] },
    ];
    for sight in broken {
        let world = seeing([known(), sight, changes(epoch, 99, 100)]);
        only(&world, "watchers_see_all");
        assert_eq!(super::check(&world).violations.len(), 1, "what follows a gap is no other one");
    }
    only(&seeing([Sight::Opened { known: None }, changes(epoch, version, version + 1)]), "watchers_see_all");
}

#[test]
fn a_stream_does_not_go_back() {
    let (epoch, version) = at();
    let snapshot = |version| Sight::Snapshot { epoch, version, packed: vec![0; 3] };
    let opened = |known| Sight::Opened { known };
    none(&seeing([opened(None), snapshot(version + 5), snapshot(version + 5), snapshot(version + 6)]));
    // Another replica may know less; who waits for it gets what it has.
    none(&seeing([
        opened(None),
        snapshot(version + 5),
        opened(Some((epoch, version + 5))),
        snapshot(version + 4),
    ]));
    only(&seeing([opened(None), snapshot(version + 5), snapshot(version + 4)]), "watchers_see_all");
    let other = Sight::Snapshot { epoch, version: version + 5, packed: vec![1; 3] };
    only(&seeing([opened(None), snapshot(version + 5), other]), "watchers_see_all");
}

#[test]
fn a_checksum_is_that_of_the_watcher() {
    let (epoch, version) = at();
    let known = || Sight::Opened { known: Some((epoch, version)) };
    let beat = |version| Sight::Heartbeat { epoch, version, checksum: 1, stale: false };
    none(&seeing([known(), beat(version + 1), beat(version - 1)]));
    only(&seeing([known(), beat(version)]), "watchers_see_all");
}

#[test]
fn a_watcher_ends_elsewhere() {
    let mut world = healthy();
    world.watchers[0].seen.truncate(2);
    only(&world, "watchers_converge");
    let mut world = healthy();
    let (epoch, version) = (world.rest.gate_epoch, world.rest.gate_version);
    world.sees(&Sight::Opened { known: None });
    world.sees(&Sight::Snapshot { epoch, version, packed: vec![0; 3] });
    only(&world, "watchers_converge");
}

#[test]
fn the_gate_shows_what_is_not() {
    for seat in [0, 5] {
        let mut world = healthy();
        world.paint(seat, seat_board::SeatState::Free);
        only(&world, "watchers_converge");
    }
    let mut world = healthy();
    world.rest.differences.push("seat 3 is held by nobody".into());
    only(&world, "stores_agree");
}

#[test]
fn a_besieged_vault_sells_twice() {
    let mut world = healthy();
    world.siege.acts.push(act((100, 110), decide("z", 2, 1), Heard::Booked));
    world.siege.decisions.push(row("z", 2, 1, true));
    world.siege.booked_seats.push((1, "z".into()));
    only(&world, "siege_sold_once");
    let mut world = healthy();
    world.siege.booked_seats.pop();
    only(&world, "siege_sold_once");
}

#[test]
fn a_besieged_vault_changes_its_mind() {
    let mut world = healthy();
    world.siege.acts.push(act((100, 110), decide("b", 2, 0), Heard::Void));
    none(&world);
    world.siege.decisions.retain(|row| row.id != "b");
    only(&world, "siege_same_answer");
    let mut world = healthy();
    world.siege.acts.push(act((100, 110), decide("a", 2, 0), Heard::Void));
    only(&world, "siege_same_answer");
    let mut world = healthy();
    world.siege.decisions.push(row("d", 1, 5, false));
    only(&world, "siege_same_answer");
}

#[test]
fn a_besieged_vault_forgets_its_epoch() {
    let mut world = healthy();
    world.siege.acts.push(act((100, 110), decide("z", 1, 2), Heard::Booked));
    world.siege.decisions.push(row("z", 1, 2, true));
    world.siege.booked_seats.push((2, "z".into()));
    only(&world, "siege_epoch");
    // It may have been under way when the epoch was raised.
    world.siege.acts.push(act((35, 200), decide("z", 1, 2), Heard::Unknown));
    none(&world);
    world.siege.acts.push(act((300, 310), What::Raise, Heard::Epoch(2)));
    only(&world, "siege_epoch");
}

#[test]
fn a_besieged_vault_is_rude_or_has_no_index() {
    let mut world = healthy();
    world.siege.acts.push(act((100, 110), decide("z", 2, 1), Heard::Error("23505".into())));
    only(&world, "siege_refuses_politely");
    let mut world = healthy();
    world.siege.acts.push(act((100, 110), What::Insert { seat: 1 }, Heard::Taken));
    only(&world, "siege_unique");
}
