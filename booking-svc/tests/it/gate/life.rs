//! The life of a seat, transition by transition.

use std::time::Duration;

use booking_svc::{
    domain::{Holder, Reservation, ReservationState, SeatId, SeatState},
    gate::{Error, Extended, Granted, Refusal},
};
use tokio::time::sleep;

use super::house::{CONFIRM_WINDOW, House, customer, request};
use crate::support::redis::Redis;

#[tokio::test]
async fn a_taken_seat_is_refused_with_the_end_of_its_hold() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    let held = house.hold("ann", &[3, 4]).await;
    let Granted::Taken(refusal) = house.grant("bob", "r", &[4, 5]).await else { panic!("granted") };
    let Refusal { epoch, version, taken, .. } = refusal;
    assert_eq!((epoch, version.0), (held.epoch, 1));
    assert_eq!(taken.len(), 1);
    let ann = held.reservation;
    assert_eq!(taken[0].holder, Some(Holder { request: ann.request, customer: ann.customer }));
    assert_eq!((taken[0].seat, taken[0].state), (SeatId(4), SeatState::Held));
    assert_eq!(taken[0].deadline, Some(ann.deadline));
    assert!(
        matches!(house.grant("bob", "r", &[5]).await, Granted::New(_)),
        "seat 5 stayed free: all or nothing"
    );
}

#[tokio::test]
async fn the_same_request_finds_its_reservation_and_other_seats_are_refused_by_name() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    let Granted::New(first) = house.grant("ann", "r1", &[1, 2]).await else { panic!() };
    let Granted::Same(second) = house.grant("ann", "r1", &[2, 1]).await else { panic!() };
    assert_eq!(first.reservation, second.reservation);
    assert_eq!(house.grant("ann", "r1", &[3]).await, Granted::Reused);
    assert!(
        matches!(house.grant("bob", "r1", &[3]).await, Granted::New(_)),
        "a request id is its customer's"
    );
}

#[tokio::test]
async fn a_confirm_that_was_begun_is_never_freed_by_time() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.set_hold_ttl(Duration::from_millis(300)).await;
    let held = house.hold("ann", &[7]).await.reservation;
    let begun = house.gate.begin(&held.id, None, Duration::from_millis(1)).await.unwrap().unwrap();
    assert_eq!(begun.reservation.state, ReservationState::Confirming);
    sleep(Duration::from_millis(400)).await;
    let Granted::Taken(refusal) = house.grant("bob", "r", &[7]).await else { panic!("freed by time") };
    assert_eq!(refusal.taken[0].deadline, None, "nobody knows when it is free");
    let swept = house.gate.sweep(house.id(), 10).await.unwrap();
    assert_eq!(swept.confirming, [begun.reservation], "the sweeper hands it to the vault");
    assert!(matches!(house.grant("bob", "r", &[7]).await, Granted::Taken(_)));
}

#[tokio::test]
async fn a_hold_ends_by_time_whoever_finds_it() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.set_hold_ttl(Duration::from_millis(200)).await;
    let held = house.hold("ann", &[1, 2]).await.reservation;
    sleep(Duration::from_millis(250)).await;
    // A newcomer for one of the seats ends the whole hold, in the same script.
    assert!(matches!(house.grant("bob", "r", &[2]).await, Granted::New(_)));
    let states = house.gate.states(house.id()).await.unwrap();
    assert_eq!(states.packed.get(1), SeatState::Free);
    assert_eq!(states.packed.get(2), SeatState::Held);
    assert_eq!(states.version.0, 3, "granted, expired, granted");
    let found = house.gate.get(&held.id, Some(&held.customer)).await.unwrap().unwrap();
    assert_eq!(found.reservation.state, ReservationState::Expired);
    // It stays ended: no late Confirm, no late Extend.
    let late = house.gate.begin(&held.id, None, CONFIRM_WINDOW).await.unwrap().unwrap();
    assert_eq!(late.reservation.state, ReservationState::Expired);
    assert!(matches!(house.gate.extend(&held.id, None).await.unwrap(), Some(Extended::Not(_))));
}

#[tokio::test]
async fn a_late_settle_touches_only_what_the_reservation_still_owns() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.set_hold_ttl(Duration::from_millis(100)).await;
    let old = house.hold("ann", &[1, 2]).await.reservation;
    sleep(Duration::from_millis(150)).await;
    house.set_hold_ttl(Duration::from_secs(60)).await;
    let new = house.hold("bob", &[2, 3]).await.reservation;
    for outcome in [ReservationState::Booked, ReservationState::Released, ReservationState::Cancelled] {
        let changed = house.gate.settle(&old.id, outcome, &old.seats, &old.request, &old.customer).await;
        assert_eq!(changed, Ok(0), "{outcome:?}");
    }
    let found = house.gate.get(&new.id, None).await.unwrap().unwrap();
    assert_eq!(found.reservation.state, ReservationState::Held);
    assert!(matches!(house.grant("cid", "r", &[2]).await, Granted::Taken(_)));
}

#[tokio::test]
async fn an_extension_stops_at_its_limit() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.event.settings.hold_max = Duration::from_secs(61);
    house.set_hold_ttl(Duration::from_secs(60)).await;
    let held = house.hold("ann", &[1]).await.reservation;
    sleep(Duration::from_millis(1_100)).await;
    let Some(Extended::Until(longer)) = house.gate.extend(&held.id, None).await.unwrap() else { panic!() };
    assert_eq!(longer.reservation.deadline, held.extend_limit);
    assert!(matches!(house.gate.extend(&held.id, None).await.unwrap(), Some(Extended::Capped(_))));
    let stranger = customer("eve");
    assert_eq!(house.gate.extend(&held.id, Some(&stranger)).await.unwrap(), None, "unknown to a stranger");
}

#[tokio::test]
async fn the_limit_is_the_customers_across_reservations_also_when_all_come_at_once() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 2_000).await;
    house.event.settings.seats_per_customer = 4;
    house.set_hold_ttl(Duration::from_secs(60)).await;
    let ann = customer("ann");
    let calls = (0..1_000_u32).map(|n| {
        let (gate, event, ann) = (house.gate.clone(), house.id().clone(), ann.clone());
        async move {
            let seats = super::house::set(&[n]);
            matches!(
                gate.grant(&event, &seats, &request(&format!("r{n}")), &ann, false).await,
                Ok(Granted::New(_))
            )
        }
    });
    let won = futures_util::future::join_all(calls).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 4);
    assert_eq!(house.grant("ann", "more", &[1_999]).await, Granted::Limit { limit: 4, has: 4 });
}

#[tokio::test]
async fn holds_past_their_deadline_do_not_count_to_the_limit_without_a_sweeper() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.event.settings.seats_per_customer = 2;
    house.set_hold_ttl(Duration::from_millis(100)).await;
    house.hold("ann", &[1, 2]).await;
    sleep(Duration::from_millis(150)).await;
    house.hold("ann", &[3, 4]).await;
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    house.hold("ann", &[1]).await;
    redis.script_flush().await;
    house.hold("ann", &[2]).await;
}

#[tokio::test]
async fn reserves_over_the_limit_do_not_hide_an_abandoned_confirm_from_the_sweeper() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.event.settings.seats_per_customer = 1;
    house.set_hold_ttl(Duration::from_secs(60)).await;
    let left = house.hold("ann", &[1]).await.reservation;
    house.gate.begin(&left.id, None, Duration::from_millis(1)).await.unwrap().unwrap();
    house.hold("bob", &[2]).await;
    sleep(Duration::from_millis(5)).await;
    assert_eq!(house.grant("bob", "more", &[3]).await, Granted::Limit { limit: 1, has: 1 });
    assert_eq!(house.gate.sweep(house.id(), 10).await.unwrap().confirming[0].id, left.id);
}

#[tokio::test]
async fn a_full_redis_grants_nothing_but_lets_holds_end() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.set_hold_ttl(Duration::from_millis(100)).await;
    let (due, given_back) = (house.hold("ann", &[1]).await, house.hold("bob", &[2]).await.reservation);
    let mut client = redis.client().await;
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut client).await.unwrap();
    let seats = super::house::set(&[3]);
    let refused = house.gate.grant(house.id(), &seats, &request("r"), &customer("cid"), false).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let Reservation { id, seats, request, customer, .. } = &given_back;
    let released = ReservationState::Released;
    assert_eq!(house.gate.settle(id, released, seats, request, customer).await, Ok(1));
    sleep(Duration::from_millis(150)).await;
    assert_eq!(house.gate.sweep(house.id(), 10).await.unwrap().expired, 1);
    let ended = house.gate.get(&due.reservation.id, None).await.unwrap().unwrap();
    assert_eq!(ended.reservation.state, ReservationState::Expired);
}

#[tokio::test]
async fn a_customer_may_be_called_anything() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    for name in ["!", "-", "1.1", "a b  c", "te:{rock}:meta", "\u{1f3ab}"] {
        let held = house.hold(name, &[7]).await.reservation;
        let Reservation { id, seats, request, customer, .. } = &held;
        let released = ReservationState::Released;
        assert_eq!(house.gate.settle(id, released, seats, request, customer).await, Ok(1), "{name:?}");
    }
    house.gate.alive(house.id()).await.unwrap();
}
