//! A gate that lost its memory, or may have, refuses everything until it is rebuilt.

use std::time::Duration;

use booking_svc::{
    domain::{Epoch, Reservation, ReservationState},
    gate::{Adopted, Error, Frozen, Gate, Granted, Options, Wait},
    tasks::Tasks,
};
use opentelemetry::global;

use super::house::{House, connect, customer, request, set};
use crate::support::{holds_within, redis::Redis};

async fn grant(house: &House) -> Result<Granted, Error> {
    house.gate.grant(house.id(), &set(&[1]), &request("r"), &customer("ann"), false).await
}

/// What the gate says once Redis answers again.
async fn grant_when_back(house: &House) -> Result<Granted, Error> {
    let mut last = grant(house).await;
    holds_within(Duration::from_secs(5), async || {
        last = grant(house).await;
        !matches!(last, Err(Error::Unavailable(_)))
    })
    .await;
    last
}

#[tokio::test]
async fn a_restart_makes_the_gate_cold_even_with_all_its_keys() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    redis.stop().await;
    redis.restart().await;
    assert_eq!(grant_when_back(&house).await, Err(Error::Cold("incarnation".into())));
}

#[tokio::test]
async fn redis_that_goes_back_in_time_is_noticed() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    let copy = redis.save_copy().await;
    house.hold("ann", &[1]).await;
    redis.restore_copy(&copy).await;
    assert_eq!(grant_when_back(&house).await, Err(Error::Cold("incarnation".into())));
}

#[tokio::test]
async fn a_flush_and_each_lost_key_are_noticed() {
    let redis = Redis::start().await;
    for (key, why) in [
        ("map", "map"),
        ("seats", "seats"),
        ("reservations", "reservations"),
        ("requests", "requests"),
        ("expiry", "expiry"),
        ("customers", "customers"),
    ] {
        let house = House::open(&redis, &format!("lost-{key}"), 100).await;
        let lost = format!("test:{{{}}}:1:{key}", house.id());
        let () = redis::cmd("DEL").arg(lost).query_async(&mut redis.client().await).await.unwrap();
        assert_eq!(house.gate.sweep(house.id(), 10).await.unwrap_err(), Error::Cold(why.into()), "{key}");
    }
    let house = House::open(&redis, "flushed", 100).await;
    redis.flush().await;
    assert_eq!(grant(&house).await, Err(Error::Cold("meta".into())));
}

#[tokio::test]
async fn a_rebuilder_that_wakes_late_publishes_nothing() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    // The late one has frozen and read; then its lease runs out and another is faster.
    let late = house.gate.rebuild(house.id()).await.unwrap().unwrap();
    let Frozen::Old(old) = late.freeze(Epoch(2), Duration::ZERO).await.unwrap() else { panic!() };
    let survivors = late.survivors(old.epoch).await.unwrap();
    assert_eq!(grant(&house).await, Err(Error::Cold("frozen".into())), "the old epoch stands still");
    let () =
        redis::cmd("DEL").arg("test:{rock}:rebuild").query_async(&mut redis.client().await).await.unwrap();
    assert!(house.publish(Epoch(3), Duration::ZERO).await);
    let held = house.hold("ann", &[1]).await.reservation;
    let built = booking_svc::gate::Built {
        epoch: Epoch(2),
        event: &house.event,
        hold_ttl_longest: Duration::ZERO,
        booked: &[],
        blocked: &[],
        survivors: &[],
        quarantine: Duration::ZERO,
        quarantine_until: survivors.now,
        undecided_due: survivors.now,
        now: survivors.now,
    };
    assert_eq!(late.publish(&built, old.epoch).await, Ok(false));
    assert_eq!(late.freeze(Epoch(2), Duration::ZERO).await, Ok(Frozen::Superseded(Epoch(3))));
    assert_eq!(house.gate.get(&held.id, None).await.unwrap().unwrap().reservation, held);
}

#[tokio::test]
async fn a_rebuild_that_froze_later_stops_one_that_froze_earlier() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    let first = house.gate.rebuild(house.id()).await.unwrap().unwrap();
    assert!(matches!(first.freeze(Epoch(2), Duration::ZERO).await, Ok(Frozen::Old(_))));
    let now = first.survivors(Epoch(1)).await.unwrap().now;
    let () =
        redis::cmd("DEL").arg("test:{rock}:rebuild").query_async(&mut redis.client().await).await.unwrap();
    let second = house.gate.rebuild(house.id()).await.unwrap().unwrap();
    assert!(matches!(second.freeze(Epoch(3), Duration::ZERO).await, Ok(Frozen::Old(_))));
    // Were it let through, holds granted under epoch 2 would be lost when 3 is published.
    let built = booking_svc::gate::Built {
        epoch: Epoch(2),
        event: &house.event,
        hold_ttl_longest: Duration::ZERO,
        booked: &[],
        blocked: &[],
        survivors: &[],
        quarantine: Duration::ZERO,
        quarantine_until: now,
        undecided_due: now,
        now,
    };
    assert_eq!(first.publish(&built, Epoch(1)).await, Ok(false));
}

#[tokio::test]
async fn newcomers_wait_in_quarantine_while_a_token_brings_its_hold_back() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    let lost = house.hold("ann", &[1, 2]).await.reservation;
    redis.flush().await;
    assert!(house.publish(Epoch(2), Duration::from_secs(60)).await);
    assert!(matches!(house.grant("bob", "r", &[50]).await, Granted::Quarantine(_)));
    let Adopted::Found(found) = house.gate.adopt(&lost, Epoch(2)).await.unwrap() else { panic!() };
    assert_eq!(found.reservation, lost);
    assert!(matches!(house.grant("bob", "r", &[1]).await, Granted::Taken(_)));
    // Once: a second adoption finds the first.
    assert_eq!(house.gate.states(house.id()).await.unwrap().version.0, 1);
    assert!(matches!(house.gate.adopt(&lost, Epoch(2)).await, Ok(Adopted::Found(_))));
    assert_eq!(house.gate.states(house.id()).await.unwrap().version.0, 1);
}

#[tokio::test]
async fn a_token_with_a_later_deadline_revives_a_hold_whose_extension_was_lost() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.set_hold_ttl(Duration::from_secs(1)).await;
    let held = house.hold("ann", &[1]).await.reservation;
    assert!(house.publish(Epoch(2), Duration::from_secs(60)).await);
    assert!(matches!(house.gate.adopt(&held, Epoch(2)).await, Ok(Adopted::Found(_))), "what survived of it");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let Adopted::Found(found) = house.gate.adopt(&held, Epoch(2)).await.unwrap() else { panic!() };
    assert_eq!(found.reservation.state, ReservationState::Expired, "the deadline that survived has passed");
    let extended = Reservation { deadline: held.deadline + Duration::from_secs(60), ..held };
    let Adopted::Found(found) = house.gate.adopt(&extended, Epoch(2)).await.unwrap() else { panic!() };
    assert_eq!(found.reservation, extended);
    assert!(matches!(house.grant("bob", "r", &[1]).await, Granted::Taken(_)));
}

#[tokio::test]
async fn a_lost_connection_heals_by_itself() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    redis.kill_clients().await;
    assert!(matches!(grant_when_back(&house).await, Ok(Granted::New(_) | Granted::Same(_))));
}

#[tokio::test]
async fn a_redis_that_would_evict_is_refused() {
    let redis = Redis::start().await;
    let mut client = redis.client().await;
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory-policy", "allkeys-lru"])
        .query_async(&mut client)
        .await
        .unwrap();
    let options = Options {
        url: redis.url().parse().unwrap(),
        prefix: "test".into(),
        connections: 1,
        pool_wait: Duration::from_millis(200),
        tombstone_ttl: Duration::from_secs(60),
        wait: Wait::default(),
    };
    let Err(Error::Misconfigured(why)) =
        Gate::connect(&options, &Tasks::default(), &global::meter("test")).await
    else {
        panic!("connected")
    };
    assert!(why.contains("noeviction"), "{why}");
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory-policy", "noeviction"])
        .query_async(&mut client)
        .await
        .unwrap();
    connect(&redis).await;
}
