//! What is told where the log can not be read, or is not what it was.

use std::time::{Duration, Instant};

use booking_svc::{
    booking::Step,
    domain::SeatState::{Free, Held, Sold},
};
use ticketengine::v1::{GetSeatMapRequest, watch_seats_response::Message};
use tonic::Code;

use super::reader::{Reader, watch};
use crate::support::{
    STORE_LIMIT,
    calls::{refused, until_definite},
    proxy::Proxy,
    stall::Stall,
    wait_until,
    world::{Replica, World, hold_ttl},
};

const SEATS: u32 = 4_000;

/// A replica whose way to Redis is the proxy, and one that goes there directly.
async fn cut_off_and_direct(world: &World) -> (Replica, Proxy, Replica) {
    let proxy = Proxy::start(world.redis.port().address()).await;
    let mut settings = world.settings();
    settings.redis_url = world.redis.url_at(&proxy);
    (Replica::start(settings).await, proxy, world.replica().await)
}

#[tokio::test]
async fn a_silent_redis_makes_the_board_stale_and_then_fresh_again() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", SEATS, Default::default()).await;
    let mut reader = Reader::begun(&a, "rock").await;
    world.redis.pause();
    let paused = Instant::now();
    reader.until(|reader| reader.stale).await;
    let told = paused.elapsed();
    assert!((Duration::from_millis(600)..Duration::from_millis(1_800)).contains(&told), "{told:?}");
    let Message::Heartbeat(beat) = reader.read().await.unwrap() else { panic!("heartbeats go on") };
    let as_of = std::time::SystemTime::try_from(beat.as_of_time.unwrap()).unwrap();
    assert!(as_of.elapsed().unwrap() >= Duration::from_secs(1) && beat.stale);

    // Those who come now are told what there is, and that it is old; others are not held up by them.
    let mut late = Reader::begun(&a, "rock").await;
    assert_eq!(late.snapshots, 1);
    late.until(|reader| reader.stale).await;
    world.redis.resume();
    for reader in [&mut reader, &mut late] {
        reader.until(|reader| !reader.stale).await;
    }
    until_definite(async || a.reserve("rock", "ann", "r", &[9]).await).await.unwrap();
    reader.until_seat(9, Held).await;
    assert_eq!(reader.snapshots, 1, "nothing was missed");
}

#[tokio::test]
async fn a_reader_that_is_cut_off_catches_up_from_the_log() {
    let world = World::new().await;
    let (a, proxy, b) = cut_off_and_direct(&world).await;
    a.open_event("rock", SEATS, Default::default()).await;
    let mut reader = Reader::begun(&a, "rock").await;
    proxy.refuse().await;
    let held = b.reserve("rock", "ann", "r", &[1, 2]).await.unwrap();
    b.confirm(&held, "pay").await.unwrap();
    reader.until(|reader| reader.stale).await;
    assert_eq!(reader.state(1), Free);
    // Who knows more than a board that is cut off is not taken back in time.
    let known = Reader::begun(&b, "rock").await.position();
    let mut ahead = watch(&a, "rock", Some(known)).await.unwrap();
    for _ in 0..2 {
        let Message::Heartbeat(beat) = super::reader::next(&mut ahead).await else {
            panic!("only a heartbeat")
        };
        assert!(beat.stale && beat.version < known.version);
    }
    proxy.pass().await;
    reader.until(|reader| !reader.stale).await;
    assert_eq!((reader.state(1), reader.snapshots), (Sold, 1));
}

#[tokio::test]
async fn what_was_dropped_from_the_log_is_read_anew() {
    let world = World::new().await;
    let (a, proxy, b) = cut_off_and_direct(&world).await;
    let witness = world.witness();
    a.open_event("rock", SEATS, Default::default()).await;
    let mut reader = Reader::begun(&a, "rock").await;
    // One entry is left and does not join up; or none is, and only the version tells.
    for (round, left) in [(0, "1"), (1, "0")] {
        proxy.refuse().await;
        for n in 0..5 {
            let seat = round * 10 + n;
            b.reserve("rock", &format!("c{seat}"), "r", &[seat]).await.unwrap();
        }
        let log = witness.key("rock", "log").await;
        let dropped: u64 = witness.ask(&["XTRIM", &log, "MAXLEN", left]).await;
        assert!(dropped >= 4);
        proxy.pass().await;
        for n in 0..5 {
            reader.until_seat(round * 10 + n, Held).await;
        }
    }
    assert_eq!((reader.snapshots, reader.touched), (1, 10), "watchers were told by changes");
    b.reserve("rock", "ann", "r", &[99]).await.unwrap();
    reader.until_seat(99, Held).await;
}

#[tokio::test]
async fn a_redis_that_lost_its_memory_is_told_as_a_new_epoch() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", SEATS, hold_ttl(Duration::from_secs(1))).await;
    let held = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    a.confirm(&held, "pay").await.unwrap();
    let mut readers = [Reader::begun(&a, "rock").await, Reader::begun(&b, "rock").await];
    for epoch in 2..5 {
        match epoch {
            2 => world.redis.flush().await,
            3 => world.redis.restart_empty().await,
            _ => world.redis.restart().await,
        }
        for reader in &mut readers {
            reader.until(|reader| reader.position().epoch >= epoch && !reader.stale).await;
            assert_eq!(reader.state(1), Sold);
        }
        // Once the quarantine is over.
        let (customer, seat) = (format!("c{epoch}"), 10 + epoch as u32);
        until_definite(async || b.reserve("rock", &customer, "r", &[seat]).await).await.unwrap();
        for reader in &mut readers {
            reader.until_seat(seat, Held).await;
        }
        let epochs = readers.each_ref().map(|reader| reader.position().epoch);
        assert_eq!(epochs[0], epochs[1]);
        // The next epoch begins after the last one seen, whoever raised it how often.
        assert!(epochs[0] >= epoch);
    }
}

#[tokio::test]
async fn a_cold_gate_is_an_error_only_where_there_is_no_board() {
    let world = World::new().await;
    let b = world.replica().await;
    for event in ["rock", "jazz"] {
        b.open_event(event, 100, Default::default()).await;
    }
    b.stop().await;
    // Its rebuilds do not come to an end until it is told.
    let stall = Stall::at(Step::RebuildRead);
    let a = Replica::start(world.settings().with_hook(stall.hook())).await;
    let mut reader = Reader::begun(&a, "rock").await;
    // So that the house of the other is known.
    a.bookings()
        .get_seat_map(GetSeatMapRequest { event_id: "jazz".into(), states_only: true })
        .await
        .unwrap();
    world.redis.flush().await;
    reader.until(|reader| reader.stale).await;
    let began = Instant::now();
    let refusal = watch(&a, "jazz", None).await.map(drop);
    refused(refusal, Code::Unavailable, "GATE_REBUILDING");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let mut late = Reader::begun(&a, "rock").await;
    late.until(|reader| reader.stale).await;
    stall.resume();
    wait_until("the event can be watched", STORE_LIMIT, async || watch(&a, "jazz", None).await.is_ok()).await;
    for reader in [&mut reader, &mut late] {
        reader.until(|reader| reader.position().epoch > 1 && !reader.stale).await;
    }
}

#[tokio::test]
async fn a_damaged_key_is_the_trouble_of_one_event() {
    let world = World::new().await;
    let a = world.replica().await;
    let witness = world.witness();
    a.open_event("jazz", SEATS, Default::default()).await;
    let mut jazz = Reader::begun(&a, "jazz").await;
    for (seat, key) in ["log", "seats", "map", "meta"].into_iter().enumerate() {
        a.open_event(key, SEATS, Default::default()).await;
        let mut damaged = Reader::begun(&a, key).await;
        let seat = seat as u32;
        let place = if key == "meta" { String::from("te:{meta}:meta") } else { witness.key(key, key).await };
        let _: u64 = witness.ask(&["DEL", &place]).await;
        let _: u64 = witness.ask(&["SADD", &place, "no such thing"]).await;
        if key != "map" {
            damaged.until(|damaged| damaged.stale).await;
        }
        a.reserve("jazz", &format!("c{seat}"), "r", &[seat]).await.unwrap();
        jazz.until_seat(seat, Held).await;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            jazz.read().await.unwrap();
            assert!(!jazz.stale, "for the {key} of another");
        }
    }
}
