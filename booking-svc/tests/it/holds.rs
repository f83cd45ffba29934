//! How holds end and get longer, and how many a customer may have.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bb8_redis::redis;
use ticketengine::v1::{ReservationState, SalesSettings};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, refused, until_definite},
    wait_until,
    world::{Replica, World, hold_ttl},
};

const SECOND: Duration = Duration::from_secs(1);

fn limit(seats_per_customer: u32) -> SalesSettings {
    SalesSettings { seats_per_customer, ..SalesSettings::default() }
}

/// When a hold ends, in ms of the gate's clock.
fn deadline(held: &Held) -> i64 {
    ms(held.reservation.expire_time)
}

fn ms(time: Option<prost_types::Timestamp>) -> i64 {
    let time = time.unwrap();
    time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000
}

#[tokio::test]
async fn a_hold_of_one_second_is_free_again_with_the_sweeper_off() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.engine.sweep_every = None;
    let (a, b) = (Replica::start(settings.clone()).await, Replica::start(settings).await);
    a.open_event("rock", 10, hold_ttl(SECOND)).await;
    let ann = a.reserve("rock", "ann", "r", &[2, 3]).await.unwrap();
    let held_at = Instant::now();
    let bob = loop {
        match b.reserve("rock", "bob", "r", &[3]).await {
            Ok(bob) => break bob,
            refusal => {
                refused(refusal, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
                assert!(held_at.elapsed() < 2 * SECOND, "not free after TTL + 1 s");
            }
        }
    };
    assert!(deadline(&bob) - 1_000 >= deadline(&ann), "granted before the hold ended");
    // All of it ended, not just the seat that somebody wanted.
    assert_eq!(b.seat_states("rock", 4).await.unwrap(), [0, 0, 0, 1]);
    assert_eq!(a.reservation(&ann).await.unwrap().state(), ReservationState::Expired);
}

/// State and seats of the newest entry of an event's change log in its first epoch.
async fn newest_change(world: &World) -> (String, String) {
    let mut client = world.redis.client().await;
    let mut newest = redis::cmd("XREVRANGE");
    newest.arg("te:{rock}:1:log").arg(&["+", "-", "COUNT", "1"]);
    let entries: Vec<(String, Vec<(String, String)>)> = newest.query_async(&mut client).await.unwrap();
    let fields = &entries[0].1;
    let field = |name| fields.iter().find(|(field, _)| field == name).unwrap().1.clone();
    (field("s"), field("n"))
}

#[tokio::test]
async fn the_change_log_and_the_map_tell_that_a_hold_ended_with_the_sweeper_on() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 10, hold_ttl(SECOND)).await;
    a.reserve("rock", "ann", "r", &[2, 3]).await.unwrap();
    let held_at = Instant::now();
    assert_eq!(newest_change(&world).await, ("1".into(), "2,3".into()));
    // Nobody calls: it is the sweeper who tells.
    wait_until("the log says free", 2 * SECOND, async || newest_change(&world).await.0 == "0").await;
    assert!(held_at.elapsed() < 2 * SECOND + SECOND / 4);
    assert_eq!(newest_change(&world).await, ("0".into(), "2,3".into()));
    assert_eq!(a.seat_states("rock", 4).await.unwrap(), [0; 4]);
}

#[tokio::test]
async fn extend_moves_the_deadline_as_far_as_its_limit() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let hold_max = Some((3 * SECOND).try_into().unwrap());
    a.open_event("rock", 10, SalesSettings { hold_max, ..hold_ttl(2 * SECOND) }).await;
    let first = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    assert_eq!(ms(first.reservation.extend_limit_time), deadline(&first) + 1_000);

    let mut last = first.clone();
    let refusal = loop {
        match b.extend(&last).await {
            Ok(extended) => {
                assert!(deadline(&extended) >= deadline(&last), "never shorter");
                assert_eq!(extended.reservation.extend_limit_time, first.reservation.extend_limit_time);
                last = extended;
            }
            refusal => break refusal,
        }
    };
    refused(refusal, Code::FailedPrecondition, "EXTENSION_LIMIT");
    assert_eq!(last.reservation.expire_time, first.reservation.extend_limit_time);
    // A refused Extend takes nothing away.
    assert_eq!(a.confirm(&last, "pay").await.unwrap().seat_ids, [1]);
    refused(a.extend(&last).await, Code::FailedPrecondition, "ALREADY_BOOKED");
}

#[tokio::test]
async fn the_token_of_an_extend_proves_the_longer_hold() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 10, hold_ttl(3 * SECOND)).await;
    let first = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let mut extended = first.clone();
    wait_until("the hold is a second longer", STORE_LIMIT, async || {
        extended = a.extend(&first).await.unwrap();
        deadline(&extended) > deadline(&first) + 1_000
    })
    .await;
    world.redis.flush().await;
    wait_until("the first deadline is over", STORE_LIMIT, async || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_millis() as i64 > deadline(&first)
    })
    .await;
    // The first token proves nothing any more; but a later one may come, so this is not the last word.
    refused(a.extend(&first).await, Code::Unavailable, "GATE_REBUILDING");
    let booking = until_definite(async || a.confirm(&extended, "pay").await).await.unwrap();
    assert_eq!(booking.seat_ids, [1]);
}

/// What a refusal for the customer's limit says: limit, has, wants.
#[track_caller]
fn over_limit<T: std::fmt::Debug>(answer: Result<T, Status>) -> [u32; 3] {
    let status = refused(answer, Code::ResourceExhausted, "CUSTOMER_LIMIT");
    let quota = status.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "event:rock");
    assert!(quota.violations[0].description.contains("seats per customer"), "{quota:?}");
    let metadata = status.get_details_error_info().unwrap().metadata;
    ["limit", "has", "wants"].map(|key| metadata[key].parse().unwrap())
}

#[tokio::test]
async fn a_customers_limit_counts_holds_and_bookings() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 20, limit(4)).await;
    assert_eq!(over_limit(a.reserve("rock", "ann", "r0", &[0, 1, 2, 3, 4]).await), [4, 0, 5]);
    let held = a.reserve("rock", "ann", "r1", &[0, 1]).await.unwrap();
    let booking = a.confirm(&held, "pay").await.unwrap();
    let held = b.reserve("rock", "ann", "r2", &[2]).await.unwrap();
    assert_eq!(over_limit(b.reserve("rock", "ann", "r3", &[3, 4]).await), [4, 3, 2]);
    // The limit is each customer's own.
    a.reserve("rock", "bob", "r3", &[10, 11, 12, 13]).await.unwrap();

    // A hold that was given back does not count, nor does a booking that was cancelled.
    b.release(&held).await.unwrap();
    a.reserve("rock", "ann", "r4", &[3, 4]).await.unwrap();
    assert_eq!(over_limit(b.reserve("rock", "ann", "r5", &[5]).await), [4, 4, 1]);
    b.cancel(&booking).await.unwrap();
    a.reserve("rock", "ann", "r6", &[5, 6]).await.unwrap();
    assert_eq!(over_limit(b.reserve("rock", "ann", "r7", &[7]).await), [4, 4, 1]);
}

#[tokio::test]
async fn holds_that_ended_do_not_count() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 20, SalesSettings { seats_per_customer: 2, ..hold_ttl(SECOND) }).await;
    a.reserve("rock", "ann", "r1", &[0, 1]).await.unwrap();
    assert_eq!(over_limit(a.reserve("rock", "ann", "r2", &[2]).await), [2, 2, 1]);
    wait_until("another seat can be had", STORE_LIMIT, async || {
        a.reserve("rock", "ann", "r2", &[2]).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reserves_at_once_stay_within_the_limit() {
    let world = World::new().await;
    let replicas = [world.replica().await, world.replica().await];
    replicas[0].open_event("rock", 1_000, limit(8)).await;
    let replicas = Arc::new(replicas);
    let mut calls = JoinSet::new();
    for seat in 0..1_000 {
        let replicas = Arc::clone(&replicas);
        calls.spawn(async move {
            let (replica, request, seats) = (&replicas[seat as usize % 2], format!("r{seat}"), [seat]);
            until_definite(|| replica.reserve("rock", "ann", &request, &seats)).await
        });
    }
    let mut granted = 0;
    while let Some(call) = calls.join_next().await {
        match call.unwrap() {
            Ok(_) => granted += 1,
            refusal => assert_eq!(over_limit(refusal)[0], 8),
        }
    }
    assert_eq!(granted, 8);
    let held = replicas[0].seat_states("rock", 1_000).await.unwrap();
    assert_eq!(held.iter().filter(|&&state| state != 0).count(), 8);
}
