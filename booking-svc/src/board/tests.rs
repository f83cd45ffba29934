use futures_util::FutureExt;
use ticketengine::v1::watch_seats_response::Message;
use tokio::time::{advance, sleep};

use super::{watch::STALE_AFTER, *};
use crate::domain::{Epoch, PackedStates, SeatChange, SeatId, SeatState, SeatStates, Version};

/// 40,000 seats: a packed map of 10,000 bytes.
const BYTES: usize = 10_000;

fn event(name: &str) -> EventId {
    name.parse().unwrap()
}

fn states(epoch: u64, version: u64) -> SeatStates {
    let packed = PackedStates::new(vec![0; BYTES]);
    SeatStates { epoch: Epoch(epoch), version: Version(version), packed }
}

fn held(version: u64, seats: std::ops::Range<u32>) -> SeatChange {
    SeatChange { version: Version(version), state: SeatState::Held, seats: seats.map(SeatId).collect() }
}

fn at(epoch: u64, version: u64) -> Option<Position> {
    Some(Position { epoch, version })
}

/// Boards with one of "rock" at epoch 1, version 5.
fn boards() -> (Boards, Arc<Live>) {
    let boards = Boards::new(10);
    drop(boards.watch(&event("rock"), None).unwrap());
    let live = boards.watched().remove(0);
    live.restore(&states(1, 5), AsOf::now());
    (boards, live)
}

/// What is told at once; None where that is nothing.
fn now(watch: &mut Watch) -> Option<Message> {
    watch.next().now_or_never().map(Option::unwrap)
}

fn beat(message: Option<Message>) -> (u64, bool) {
    match message {
        Some(Message::Heartbeat(beat)) => (beat.version, beat.stale),
        other => panic!("{other:?} is no heartbeat"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_hears_what_it_lacks_then_changes_then_heartbeats() {
    let (boards, live) = boards();
    let mut watch = boards.watch(&event("rock"), None).unwrap();
    assert!(matches!(now(&mut watch), Some(Message::Snapshot(snapshot)) if snapshot.version == 5));
    assert_eq!(beat(now(&mut watch)), (5, false), "how old it is");
    assert_eq!(now(&mut watch), None);
    live.apply(Epoch(1), vec![held(6, 0..2), held(7, 1..3)]).unwrap();
    let Some(Message::Changes(changes)) = now(&mut watch) else { panic!("no changes") };
    assert_eq!((changes.after_version, changes.version, changes.held), (5, 7, vec![0, 1, 2]));
    assert_eq!(now(&mut watch), None);
    for _ in 0..3 {
        advance(Duration::from_millis(999)).await;
        live.confirm(AsOf::now());
        assert_eq!(now(&mut watch), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(beat(now(&mut watch)), (7, false));
    }
    let mut same = boards.watch(&event("rock"), at(1, 7)).unwrap();
    assert_eq!(beat(now(&mut same)), (7, false));
    assert_eq!(now(&mut same), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_board_that_is_cut_off_tells_first_is_said_to_be_old() {
    let (boards, live) = boards();
    live.apply(Epoch(1), vec![held(6, 0..1)]).unwrap();
    advance(STALE_AFTER).await;
    for known in [None, at(1, 5)] {
        let mut watch = boards.watch(&event("rock"), known).unwrap();
        assert!(matches!(now(&mut watch), Some(Message::Snapshot(_) | Message::Changes(_))));
        assert_eq!(beat(now(&mut watch)), (6, true));
        assert_eq!(now(&mut watch), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_wakes_who_waits() {
    let (boards, live) = boards();
    let mut watch = boards.watch(&event("rock"), at(1, 5)).unwrap();
    beat(now(&mut watch));
    let began = Instant::now();
    let change = async {
        sleep(Duration::from_millis(300)).await;
        live.apply(Epoch(1), vec![held(6, 0..1)]).unwrap();
    };
    let (message, ()) = tokio::join!(watch.next(), change);
    assert!(matches!(message, Some(Message::Changes(_))));
    assert_eq!(began.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_board_that_nobody_confirms_is_stale_and_says_so_at_once() {
    let (boards, live) = boards();
    let mut watch = boards.watch(&event("rock"), at(1, 5)).unwrap();
    advance(Duration::from_millis(500)).await;
    assert_eq!(beat(now(&mut watch)), (5, false));
    assert_eq!(now(&mut watch), None);
    let began = Instant::now();
    assert_eq!(beat(watch.next().await), (5, true));
    assert_eq!(began.elapsed(), STALE_AFTER - Duration::from_millis(500));
    assert_eq!(beat(watch.next().await), (5, true));
    // A log that can be read is no proof: it may be of an epoch that is over.
    live.apply(Epoch(1), vec![held(6, 0..1)]).unwrap();
    assert!(matches!(now(&mut watch), Some(Message::Changes(_))));
    assert_eq!(now(&mut watch), None);
    let (message, ()) = tokio::join!(watch.next(), async { live.confirm(AsOf::now()) });
    assert_eq!(beat(message), (6, false));
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_as_a_snapshot_where_that_is_smaller() {
    let (boards, live) = boards();
    let mut watches = [(); 3].map(|()| boards.watch(&event("rock"), at(1, 5)).unwrap());
    watches.iter_mut().for_each(|watch| drop(now(watch)));
    live.apply(Epoch(1), vec![held(6, 0..3_000)]).unwrap();
    assert!(matches!(now(&mut watches[0]), Some(Message::Changes(_))));
    live.apply(Epoch(1), vec![held(7, 3_000..6_000)]).unwrap();
    assert!(matches!(now(&mut watches[0]), Some(Message::Changes(_))));
    assert!(matches!(now(&mut watches[1]), Some(Message::Snapshot(snapshot)) if snapshot.version == 7));
    live.apply(Epoch(1), vec![held(8, 6_000..12_000)]).unwrap();
    // Out of reach by now.
    assert!(matches!(now(&mut watches[2]), Some(Message::Snapshot(_))));
}

#[tokio::test(start_paused = true)]
async fn who_is_ahead_waits_as_long_as_the_board_may_catch_up() {
    let (boards, live) = boards();
    let mut watch = boards.watch(&event("rock"), at(1, 7)).unwrap();
    assert_eq!(now(&mut watch), None);
    live.apply(Epoch(1), vec![held(6, 0..1)]).unwrap();
    assert_eq!(now(&mut watch), None);
    live.apply(Epoch(1), vec![held(7, 1..2)]).unwrap();
    assert_eq!(beat(now(&mut watch)), (7, false));

    // A board that is cut off takes nothing from those who know more.
    let mut watch = boards.watch(&event("rock"), at(2, 1)).unwrap();
    for _ in 0..3 {
        assert_eq!(beat(watch.next().await), (7, true));
    }
    // One that nothing has been missing of since the watcher came knows better.
    live.confirm(AsOf::now());
    assert!(matches!(now(&mut watch), Some(Message::Snapshot(snapshot)) if snapshot.epoch == 1));

    let mut watch = boards.watch(&event("rock"), at(1, 8)).unwrap();
    assert_eq!(now(&mut watch), None);
    advance(Duration::from_millis(999)).await;
    live.confirm(AsOf::now());
    assert_eq!(now(&mut watch), None);
    advance(Duration::from_millis(1)).await;
    assert!(matches!(now(&mut watch), Some(Message::Snapshot(snapshot)) if snapshot.version == 7));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_refused_and_a_board_of_the_past_begins_anew() {
    let (boards, live) = boards();
    let mut watch = boards.watch(&event("rock"), at(1, 5)).unwrap();
    beat(now(&mut watch));
    assert!(live.apply(Epoch(1), vec![held(6, 0..1), held(8, 1..2)]).is_err());
    assert!(matches!(now(&mut watch), Some(Message::Changes(changes)) if changes.version == 6));
    assert!(live.apply(Epoch(2), vec![held(7, 1..2)]).is_err());
    live.restore(&states(2, 1), AsOf::now());
    assert!(matches!(now(&mut watch), Some(Message::Snapshot(snapshot)) if snapshot.epoch == 2));
    // Stores that were put back: whatever the gate says is what can be bought.
    live.restore(&states(1, 3), AsOf::now());
    assert_eq!(live.position(), at(1, 3));
}

#[tokio::test(start_paused = true)]
async fn boards_linger_and_places_are_given_back() {
    let boards = Boards::new(1);
    let watch = boards.watch(&event("rock"), None).unwrap();
    assert_eq!(boards.watch(&event("rock"), None).err(), Some(Closed::Full("watchers")));
    assert_eq!(boards.watchers(), 1);
    advance(LINGER * 2).await;
    assert_eq!(boards.watched().len(), 1);
    drop(watch);
    assert_eq!((boards.watched().len(), boards.watchers()), (1, 0));
    advance(LINGER - Duration::from_millis(1)).await;
    assert_eq!(boards.watched().len(), 1);
    advance(Duration::from_millis(1)).await;
    assert_eq!(boards.watched().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_services_own_watch_takes_no_place_keeps_the_board_and_ends_with_the_others() {
    let boards = Boards::new(1);
    let _watch = boards.watch(&event("rock"), None).unwrap();
    let mut within = boards.watch_within(&event("jazz")).unwrap();
    assert_eq!(boards.watchers(), 1);
    advance(LINGER * 2).await;
    assert_eq!(boards.watched().len(), 2);
    boards.of(&event("jazz")).unwrap().restore(&states(1, 5), AsOf::now());
    assert!(matches!(now(&mut within), Some(Message::Snapshot(snapshot)) if snapshot.version == 5));
    boards.close();
    assert!(boards.closing().is_cancelled());
    assert_eq!(within.next().await, None);
    assert_eq!(boards.watch_within(&event("jazz")).err(), Some(Closed::Stopping));
}

#[tokio::test]
async fn boards_are_bounded_and_those_that_linger_make_room() {
    let boards = Boards::new(BOARDS_MAX * 2);
    let name = |n: usize| event(&format!("e{n}"));
    let mut watches: Vec<_> = (0..BOARDS_MAX).map(|n| boards.watch(&name(n), None).unwrap()).collect();
    assert_eq!(boards.watch(&name(BOARDS_MAX), None).err(), Some(Closed::Full("boards")));
    watches.push(boards.watch(&name(0), None).unwrap());
    drop(watches.remove(7));
    watches.push(boards.watch(&name(BOARDS_MAX), None).unwrap());
    assert_eq!(boards.watched().len(), BOARDS_MAX);
}

#[tokio::test]
async fn all_watches_end_when_the_replica_stops() {
    let (boards, live) = boards();
    let mut watch = boards.watch(&event("rock"), at(1, 5)).unwrap();
    beat(now(&mut watch));
    let (ended, ()) = tokio::join!(watch.next(), async { boards.close() });
    assert_eq!(ended, None);
    live.apply(Epoch(1), vec![held(6, 0..1)]).unwrap();
    assert_eq!(watch.next().await, None, "also where there is something to tell");
    assert_eq!(boards.watch(&event("rock"), None).err(), Some(Closed::Stopping));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_at_its_age() {
    let (boards, live) = boards();
    let age = Duration::from_millis(1_500);
    let mut watch = boards.watch(&event("rock"), at(1, 5)).unwrap().lasting(Some(age));
    let began = Instant::now();
    while watch.next().await.is_some() {
        live.confirm(AsOf::now());
    }
    assert_eq!(began.elapsed(), age);
    live.apply(Epoch(1), vec![held(6, 0..1)]).unwrap();
    assert_eq!(watch.next().await, None);
}
