//! Calls that go to Redis together are decided as if each had come alone.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use booking_svc::{
    domain::{Reservation, ReservationState, SeatState},
    gate::{Error, Granted},
};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::house::{CONFIRM_WINDOW, House, customer, request, set};
use crate::support::redis::Redis;

const SEATS: u32 = 60;

/// How often Redis has run a script.
async fn runs(redis: &Redis) -> u64 {
    let stats = redis.info("commandstats").await;
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap_or("0");
    line.split(',').next().unwrap().parse().unwrap()
}

/// Every seat is wanted by five, alone and with its neighbour, and one of the five asks twice.
async fn rush(house: &House) -> HashMap<String, Reservation> {
    let wants = (0..SEATS * 6).map(|n| {
        let (seat, asker) = (n % SEATS, n / SEATS);
        let seats = if asker % 2 == 0 { vec![seat] } else { vec![seat, (seat + 1) % SEATS] };
        let name = format!("{seat}-{}", if asker == 5 { 3 } else { asker });
        async move { (name.clone(), house.grant(&name, "r", &seats).await) }
    });
    let (mut granted, mut same) = (HashMap::new(), HashMap::new());
    for (name, answer) in join_all(wants).await {
        match answer {
            Granted::New(found) => assert!(granted.insert(name, found.reservation).is_none()),
            Granted::Same(found) => assert!(same.insert(name, found.reservation).is_none()),
            Granted::Taken(refusal) => assert!(!refusal.taken.is_empty()),
            other => panic!("{other:?}"),
        }
    }
    assert!(same.iter().all(|(name, reservation)| granted.get(name) == Some(reservation)));
    granted
}

#[tokio::test]
async fn each_seat_of_a_rush_is_granted_confirmed_and_sold_once() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", SEATS).await;
    let before = runs(&redis).await;
    let granted = rush(&house).await;
    let needed = runs(&redis).await - before;
    assert!(needed < u64::from(SEATS), "{needed} runs: the calls went one by one");

    let seats: Vec<_> = granted.values().flat_map(|r| r.seats.iter()).collect();
    assert_eq!(seats.iter().collect::<HashSet<_>>().len(), seats.len(), "no seat twice");
    let states = house.gate.states(house.id()).await.unwrap();
    assert_eq!(states.version.0, granted.len() as u64, "a version a change");
    let held = (0..SEATS).filter(|seat| states.packed.get(*seat) == SeatState::Held).count();
    assert_eq!(held, seats.len());

    // Each twice, of which one joins the other.
    let begins = granted.values().chain(granted.values());
    let begun = join_all(begins.map(|r| house.gate.begin(&r.id, Some(&r.customer), CONFIRM_WINDOW))).await;
    for found in begun {
        assert_eq!(found.unwrap().unwrap().reservation.state, ReservationState::Confirming);
    }
    let settle = |r: &Reservation, outcome| {
        let (gate, r) = (house.gate.clone(), r.clone());
        async move { gate.settle(&r.id, outcome, &r.seats, &r.request, &r.customer).await.unwrap() }
    };
    let settled = granted.values().chain(granted.values()).map(|r| settle(r, ReservationState::Booked));
    let changed: u32 = join_all(settled).await.into_iter().sum();
    assert_eq!(changed as usize, seats.len(), "each seat is sold once");
    let states = house.gate.states(house.id()).await.unwrap();
    assert!(seats.iter().all(|seat| states.packed.get(seat.0) == SeatState::Sold));
    assert_eq!(states.version.0, 2 * granted.len() as u64);
}

#[tokio::test]
async fn a_request_that_comes_twice_at_once_gets_one_reservation() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", SEATS).await;
    // The first two go alone; the others together.
    let answers = join_all((0..11).map(|seat| {
        let name = ["ann", "cid"].get(seat as usize).unwrap_or(&"bob");
        let house = &house;
        async move { house.grant(name, "r", &[seat]).await }
    }))
    .await;
    let count = |wanted: fn(&Granted) -> bool| answers.iter().filter(|answer| wanted(answer)).count();
    assert_eq!(count(|answer| matches!(answer, Granted::New(_))), 3, "one for each");
    assert_eq!(count(|answer| matches!(answer, Granted::Reused)), 8);
}

#[tokio::test]
async fn a_broken_record_is_the_trouble_of_its_own_call() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", SEATS).await;
    let broken = house.hold("ann", &[0]).await.reservation;
    let Granted::New(known) = house.grant("bob", "r", &[1]).await else { panic!("refused") };
    let mut client = redis.client().await;
    for id in [&broken.id, &known.reservation.id] {
        let (key, field) = ("test:{rock}:1:reservations", id.suffix());
        let () = redis::cmd("HSET").arg(key).arg(field).arg("junk").query_async(&mut client).await.unwrap();
    }
    let names: Vec<_> = (0..20).map(|n| format!("customer-{n}")).collect();
    let grants = names.iter().enumerate().map(|(n, name)| {
        // The one in the middle repeats a request whose reservation is broken.
        let (name, seat) = if n == 10 { ("bob", 1) } else { (name.as_str(), 10 + n as u32) };
        let house = &house;
        async move { house.gate.grant(house.id(), &set(&[seat]), &request("r"), &customer(name), true).await }
    });
    let mut held = Vec::new();
    for (n, answer) in join_all(grants).await.into_iter().enumerate() {
        match (n, answer) {
            (10, answer) => assert!(matches!(answer, Err(Error::Corrupt(_))), "{answer:?}"),
            (_, Ok(Granted::New(found))) => held.push(found.reservation),
            (n, other) => panic!("{n}: {other:?}"),
        }
    }
    held.insert(10, broken);
    let begun = join_all(held.iter().map(|r| house.gate.begin(&r.id, None, CONFIRM_WINDOW))).await;
    for (n, answer) in begun.into_iter().enumerate() {
        assert_eq!(answer.is_err(), n == 10, "{n}: {answer:?}");
    }
    // The log and the seats have not parted.
    assert!(matches!(house.grant("cid", "r", &[40]).await, Granted::New(_)));
    assert_eq!(house.gate.states(house.id()).await.unwrap().version.0, 22);
}

#[tokio::test]
async fn a_full_redis_refuses_a_grant_and_not_the_refusals_beside_it() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", SEATS).await;
    house.hold("ann", &[1]).await;
    let mut client = redis.client().await;
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut client).await.unwrap();
    let (seats, request) = ([set(&[1]), set(&[2])], request("r"));
    let names: Vec<_> = (0..20).map(|n| customer(&format!("customer-{n}"))).collect();
    let calls = names.iter().enumerate();
    let answers =
        join_all(calls.map(|(n, name)| house.gate.grant(house.id(), &seats[n % 2], &request, name, true)));
    for (n, answer) in answers.await.into_iter().enumerate() {
        match n % 2 {
            0 => assert!(matches!(answer, Ok(Granted::Taken(_))), "{n}: {answer:?}"),
            _ => assert!(matches!(answer, Err(Error::Unavailable(_))), "{n}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn nobody_waits_in_line_for_a_redis_that_is_silent() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", SEATS).await;
    house.hold("ann", &[0]).await;
    redis.pause();
    let began = Instant::now();
    let (seats, request) = (set(&[1]), request("r"));
    let names: Vec<_> = (0..1_000).map(|n| customer(&format!("customer-{n}"))).collect();
    let answers =
        join_all(names.iter().map(|name| house.gate.grant(house.id(), &seats, &request, name, true))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))));
    // A run waits for half a second, and a thousand calls would be sixteen runs, two at once.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    redis.resume();
}

#[tokio::test]
async fn a_moment_of_silence_is_not_told_to_all_who_wait() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", SEATS).await;
    house.hold("ann", &[1]).await;
    redis.pause();
    let (seats, request) = (set(&[1]), request("r"));
    let names: Vec<_> = (0..500).map(|n| customer(&format!("customer-{n}"))).collect();
    let calls = join_all(names.iter().map(|name| house.gate.grant(house.id(), &seats, &request, name, true)));
    // The first runs have been given up by then, the next have not.
    let back = async {
        sleep(Duration::from_millis(700)).await;
        redis.resume();
    };
    let (answers, ()) = tokio::join!(calls, back);
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    // Two alone, and should it take long, two runs.
    assert!(failed <= 2 + 2 * 64, "{failed} calls failed");
}
