//! Watchers are bounded, and so is what each costs.

use std::time::{Duration, Instant};

use booking_svc::{
    booking::Step,
    domain::{EventId, SeatId, SeatState::Held},
    gate::{Gate, Options, Wait},
    tasks::Tasks,
};
use futures_util::{StreamExt, stream};
use opentelemetry::global;
use ticketengine::v1::{GetSeatMapRequest, ListEventsRequest, WatchSeatsRequest};
use tonic::{Code, Request};

use super::reader::{Reader, next, watch};
use crate::support::{
    STORE_LIMIT,
    binary::Doomed,
    calls::{refused, retry_after},
    wait_until,
    world::{Replica, World},
};

const SLOW_READERS: usize = 40;
const CHANGES: u32 = 20_000;
/// The house of the slow readers: a snapshot is 2,500 bytes.
const SEATS: u32 = 10_000;
/// The board's ring, the machine's noise; not the 20,000 changes for each reader, which would be over 10 MiB.
const GROWTH_KIB_MAX: u64 = 6 << 10;

#[tokio::test]
async fn too_many_watchers_are_refused_and_calls_go_on() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.engine.watchers_max = 10;
    // Two for calls that are open to all.
    settings.calls_max = 4;
    let a = Replica::start(settings).await;
    a.open_event("rock", 100, Default::default()).await;
    let mut readers = Vec::new();
    for _ in 0..10 {
        readers.push(Reader::begun(&a, "rock").await);
    }
    let status = refused(watch(&a, "rock", None).await.map(drop), Code::Unavailable, "OVERLOADED");
    assert!(retry_after(&status).is_some());

    a.events().list_events(ListEventsRequest::default()).await.unwrap();
    a.bookings()
        .get_seat_map(GetSeatMapRequest { event_id: "rock".into(), states_only: true })
        .await
        .unwrap();
    a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    for reader in &mut readers {
        reader.until_seat(1, Held).await;
    }
    drop(readers.pop());
    wait_until("a place is free", STORE_LIMIT, async || watch(&a, "rock", None).await.is_ok()).await;
}

#[tokio::test]
async fn a_deadline_is_for_the_answer_and_not_for_the_stream() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 100, Default::default()).await;
    let mut request = Request::new(WatchSeatsRequest { event_id: "rock".into(), known: None });
    request.set_timeout(Duration::from_millis(500));
    let mut stream = a.bookings().watch_seats(request).await.unwrap().into_inner();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        next(&mut stream).await;
    }
}

/// Changes seats through the gate alone: only its log matters here. Says which version there is then.
async fn change(world: &World) -> u64 {
    let options = Options {
        url: world.redis.url().parse().unwrap(),
        prefix: "te".into(),
        connections: 2,
        pool_wait: Duration::from_secs(5),
        tombstone_ttl: Duration::from_secs(60),
        wait: Wait::default(),
    };
    let (gate, event) = (
        Gate::connect(&options, &Tasks::default(), &global::meter("test")).await.unwrap(),
        "rock".parse::<EventId>().unwrap(),
    );
    stream::iter(0..CHANGES / 2)
        .for_each_concurrent(50, |n| {
            let (gate, event, seat) = (gate.clone(), event.clone(), [SeatId(n % (SEATS - 1))]);
            async move {
                gate.block(&event, &seat).await.unwrap().unwrap();
                gate.unblock(&event, &seat).await.unwrap();
            }
        })
        .await;
    // Something to see.
    gate.block(&event, &[SeatId(SEATS - 1)]).await.unwrap().unwrap();
    gate.states(&event).await.unwrap().version.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_cost_no_memory_and_catch_up() {
    let world = World::new().await;
    // It looks for no drift, and ends at nothing that happens here.
    let a = Doomed::start(&world, Step::CancelDecided).await;
    a.replica.open_event("rock", SEATS, Default::default()).await;
    let mut quick = Reader::begun(&a.replica, "rock").await;
    let mut slow = Vec::new();
    for _ in 0..SLOW_READERS {
        slow.push(Reader::begun(&a.replica, "rock").await);
    }
    let version = change(&world).await;
    quick.until(|reader| reader.position().version >= version).await;
    // What a board of the event takes is there by now.
    let before = a.resident_kib();
    let version = change(&world).await;
    assert!(version > u64::from(CHANGES) * 2);
    quick.until(|reader| reader.position().version >= version).await;
    let grown = a.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for {SLOW_READERS} readers that do not read");

    for reader in &mut slow {
        reader.until(|reader| reader.position().version >= version).await;
        assert_eq!(reader.packed(), quick.packed());
    }
}
