//! The first message is what the watcher lacks.

use std::time::{Duration, Instant};

use booking_svc::domain::SeatState::{Free, Held};
use seat_board::Position;
use ticketengine::v1::{SeatStates, WatchSeatsRequest, watch_seats_response::Message};
use tonic::Code;

use super::reader::{Reader, next, watch};
use crate::support::{
    calls::refused,
    world::{Replica, World},
};

/// 2,000 seats: more changes than a board of it remembers.
const SEATS: u32 = 2_000;

/// Each reservation is a version, and so is each release.
async fn change(replica: &Replica, times: u32) {
    for n in 0..times {
        let held =
            replica.reserve("rock", "ann", &format!("r{n}-{}", rand::random::<u32>()), &[7]).await.unwrap();
        replica.release(&held).await.unwrap();
    }
}

#[tokio::test]
async fn a_watcher_is_told_what_it_lacks() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", SEATS, Default::default()).await;
    a.reserve("rock", "ann", "r", &[0, 5]).await.unwrap();
    let mut nothing = watch(&a, "rock", None).await.unwrap();
    let mut packed = vec![0; SEATS as usize / 4];
    (packed[0], packed[1]) = (0b01_00_00_00, 0b00_01_00_00);
    let Message::Snapshot(SeatStates { epoch: 1, version: 1, packed: told }) = next(&mut nothing).await
    else {
        panic!("a snapshot")
    };
    assert_eq!(told, packed);

    change(&a, 2).await;
    let at = |epoch, version| Some(Position { epoch, version });
    let mut all = watch(&a, "rock", at(1, 5)).await.unwrap();
    let Message::Heartbeat(beat) = next(&mut all).await else { panic!("a heartbeat") };
    assert_eq!((beat.epoch, beat.version, beat.stale), (1, 5, false));
    let Message::Heartbeat(_) = next(&mut all).await else { panic!("a heartbeat each second") };

    let mut older = watch(&a, "rock", at(1, 2)).await.unwrap();
    let Message::Changes(changes) = next(&mut older).await else { panic!("changes") };
    assert_eq!((changes.epoch, changes.after_version, changes.version), (1, 2, 5));
    assert_eq!((changes.free, changes.held), (vec![7], vec![]));

    for other in [at(0, 5), at(0, 99), at(1, 0)] {
        let mut other = watch(&a, "rock", other).await.unwrap();
        let Message::Snapshot(snapshot) = next(&mut other).await else { panic!("a snapshot") };
        assert_eq!((snapshot.epoch, snapshot.version), (1, 5));
    }
}

#[tokio::test]
async fn who_is_ahead_is_waited_for_and_then_told_what_is_so() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", SEATS, Default::default()).await;
    let _board = Reader::begun(&a, "rock").await;
    for known in [Position { epoch: 1, version: 3 }, Position { epoch: 2, version: 0 }] {
        let began = Instant::now();
        let mut ahead = watch(&a, "rock", Some(known)).await.unwrap();
        let Message::Snapshot(snapshot) = next(&mut ahead).await else { panic!("a snapshot") };
        assert_eq!((snapshot.epoch, snapshot.version), (1, 0));
        assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
    }
    let mut ahead = watch(&a, "rock", Some(Position { epoch: 1, version: 2 })).await.unwrap();
    change(&a, 2).await;
    let mut version = 2;
    while version < 4 {
        match next(&mut ahead).await {
            Message::Changes(changes) => {
                assert_eq!(changes.after_version, version);
                version = changes.version;
            }
            Message::Heartbeat(beat) => assert_eq!(beat.version, version),
            Message::Snapshot(_) => panic!("the board has caught up"),
        }
    }
}

#[tokio::test]
async fn changes_out_of_reach_are_a_snapshot() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", SEATS, Default::default()).await;
    let mut reader = Reader::begun(&a, "rock").await;
    change(&a, 300).await;
    reader.until(|reader| reader.position().version == 600).await;
    for (version, within) in [(500, true), (0, false)] {
        let mut stream = watch(&a, "rock", Some(Position { epoch: 1, version })).await.unwrap();
        let first = next(&mut stream).await;
        assert_eq!(matches!(first, Message::Changes(_)), within, "{first:?}");
        assert_eq!(matches!(first, Message::Snapshot(_)), !within, "{first:?}");
    }
}

#[tokio::test]
async fn an_event_that_is_not_there_is_refused() {
    let world = World::new().await;
    let a = world.replica().await;
    let watch = async |event: &str| {
        a.bookings().watch_seats(WatchSeatsRequest { event_id: event.into(), known: None }).await.map(drop)
    };
    refused(watch("none").await, Code::NotFound, "EVENT_NOT_FOUND");
    refused(watch("no event").await, Code::InvalidArgument, "INVALID_ARGUMENT");
    a.open_event("rock", 10, Default::default()).await;
    let mut reader = Reader::begun(&a, "rock").await;
    assert_eq!(reader.state(3), Free);
    a.reserve("rock", "ann", "r", &[3]).await.unwrap();
    reader.until_seat(3, Held).await;
}
