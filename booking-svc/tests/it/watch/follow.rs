//! Changes reach watchers, whichever replica made them.

use std::time::{Duration, Instant};

use booking_svc::{
    booking::Step,
    domain::SeatState::{Blocked, Free, Held, Sold},
    identity::Role,
};
use ticketengine::v1::{BlockSeatsRequest, UnblockSeatsRequest};
use tokio::time::timeout;
use tonic::Code;

use super::reader::Reader;
use crate::support::{
    STORE_LIMIT,
    binary::Doomed,
    calls::{refused, retry_after},
    world::{World, as_role, hold_ttl},
};

#[tokio::test]
async fn a_change_through_one_replica_reaches_the_watchers_of_another() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 100, hold_ttl(Duration::from_secs(1))).await;
    let (mut near, mut far) = (Reader::begun(&a, "rock").await, Reader::begun(&b, "rock").await);
    let mut both = async |seat, state| {
        let (near, far) = tokio::join!(near.until_seat(seat, state), far.until_seat(seat, state));
        near.max(far)
    };

    let held = a.reserve("rock", "ann", "r1", &[3, 4]).await.unwrap();
    both(3, Held).await;
    let booking = a.confirm(&held, "pay").await.unwrap();
    both(4, Sold).await;
    a.cancel(&booking).await.unwrap();
    both(4, Free).await;
    let held = a.reserve("rock", "ann", "r2", &[5]).await.unwrap();
    both(5, Held).await;
    a.release(&held).await.unwrap();
    both(5, Free).await;
    let (event_id, seat_ids) = (String::from("rock"), vec![6]);
    let block = BlockSeatsRequest { event_id: event_id.clone(), seat_ids: seat_ids.clone() };
    a.events().block_seats(as_role(Role::Admin, "boss", block)).await.unwrap();
    both(6, Blocked).await;
    let unblock = UnblockSeatsRequest { event_id, seat_ids };
    a.events().unblock_seats(as_role(Role::Admin, "boss", unblock)).await.unwrap();
    both(6, Free).await;
    a.reserve("rock", "ann", "r3", &[7]).await.unwrap();
    both(7, Held).await;
    // Nobody asks: the sweeper ends it.
    both(7, Free).await;
    assert_eq!((near.snapshots, far.snapshots), (1, 1), "the rest came as changes");
    assert_eq!((near.touched, far.touched), (12, 12), "each change once");
}

#[tokio::test]
async fn a_change_after_quiet_is_told_at_once() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 100, Default::default()).await;
    let mut reader = Reader::begun(&b, "rock").await;
    let mut delays = Vec::new();
    for seat in 0..20 {
        let (customer, seats) = (format!("c{seat}"), [seat]);
        let reserve = a.reserve("rock", &customer, "r", &seats);
        let (held, delay) = tokio::join!(reserve, reader.until_seat(seat, Held));
        held.unwrap();
        delays.push(delay);
    }
    delays.sort();
    assert!(delays[10] < Duration::from_millis(100), "{delays:?}");
}

#[tokio::test]
async fn watchers_share_one_board_and_one_reader_of_the_log() {
    let world = World::new().await;
    let a = world.replica().await;
    for event in ["rock", "jazz"] {
        a.open_event(event, 100, Default::default()).await;
    }
    let mut readers = Vec::new();
    for n in 0..20 {
        readers.push(Reader::begun(&a, ["rock", "jazz"][n % 2]).await);
    }
    let witness = world.witness();
    let mut followers = Vec::new();
    for _ in 0..50 {
        let clients: String = witness.ask(&["CLIENT", "LIST"]).await;
        // A connection is known by its last command; now and then that is a look.
        followers.push(clients.lines().filter(|line| line.contains("cmd=xread")).count());
    }
    assert_eq!(followers.iter().max(), Some(&1), "{followers:?}");
    for event in ["rock", "jazz"] {
        a.reserve(event, "ann", "r", &[1]).await.unwrap();
    }
    for reader in &mut readers {
        reader.until_seat(1, Held).await;
        assert_eq!((reader.snapshots, reader.changes), (1, 1));
    }
}

#[tokio::test]
async fn a_stop_ends_the_streams_at_once_and_they_go_on_elsewhere() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 100, Default::default()).await;
    let mut reader = Reader::begun(&a, "rock").await;
    b.reserve("rock", "ann", "r1", &[1]).await.unwrap();
    reader.until_seat(1, Held).await;
    let began = Instant::now();
    let end = async {
        loop {
            if let Err(status) = reader.read().await {
                return status;
            }
        }
    };
    let (ended, ()) = timeout(STORE_LIMIT, async { tokio::join!(end, a.stop()) }).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "the grace time is 5 s: {:?}", began.elapsed());
    let status = refused::<()>(Err(ended), Code::Unavailable, "STREAM_ENDED");
    assert!(retry_after(&status).is_some());

    b.reserve("rock", "ann", "r2", &[2]).await.unwrap();
    reader.go_on_at(&b).await.unwrap();
    reader.until_seat(2, Held).await;
}

#[tokio::test]
async fn a_watcher_of_a_killed_replica_goes_on_at_another_with_what_it_has() {
    let world = World::new().await;
    // It ends at nothing that happens here.
    let a = Doomed::start(&world, Step::CancelDecided).await;
    let b = world.replica().await;
    b.open_event("rock", 4_000, Default::default()).await;
    let (mut reader, mut other) = (Reader::begun(&a.replica, "rock").await, Reader::begun(&b, "rock").await);
    b.reserve("rock", "ann", "r1", &[1]).await.unwrap();
    reader.until_seat(1, Held).await;
    a.kill().await;
    while reader.read().await.is_ok() {}
    b.reserve("rock", "ann", "r2", &[2]).await.unwrap();
    other.until_seat(2, Held).await;
    reader.go_on_at(&b).await.unwrap();
    reader.until_seat(2, Held).await;
    assert_eq!((reader.snapshots, reader.changes), (1, 2));
    assert_eq!(reader.packed(), other.packed());
}
