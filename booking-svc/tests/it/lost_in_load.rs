//! Redis loses its memory in the middle of a sale, and goes back in time.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use ticketengine::v1::SalesSettings;
use tokio::time::sleep;
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    calls::{reason, retry_after, until_definite},
    wait_until,
    witness::Witness,
    world::{Replica, World, hold_ttl},
};

const EVENT: &str = "rock";
const CUSTOMERS: u64 = 32;
const SEATS: u32 = 200;

/// What the customers were told, by reservation.
#[derive(Default)]
struct Told {
    booked: HashMap<String, Vec<u32>>,
    refused: Vec<String>,
}

/// Reserves, then confirms, releases or leaves, until it is over.
async fn customer(n: u64, replicas: [&Replica; 2], over: &AtomicBool, told: &Mutex<Told>) {
    let mut random = StdRng::seed_from_u64(n);
    for round in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let first = random.random_range(0..SEATS - 1);
        let replica = replicas[random.random_range(0..2)];
        let name = format!("c{n}-{round}");
        let Ok(held) = replica.reserve(EVENT, &name, "r", &[first, first + 1]).await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        match random.random_range(0..10) {
            0..7 => {
                let answer = until_definite(async || replica.confirm(&held, "pay").await).await;
                let mut told = told.lock().unwrap();
                match answer {
                    Ok(_) => drop(told.booked.insert(held.id(), held.reservation.seat_ids.clone())),
                    Err(_) => told.refused.push(held.id()),
                }
            }
            7 => {
                let _ = replica.release(&held).await;
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_outlives_the_loss_of_redis() {
    let world = World::new().await;
    let witness = world.witness();
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event(EVENT, SEATS, hold_ttl(Duration::from_secs(2))).await;
    a.open_event("calm", 40, SalesSettings::default()).await;
    let sold = a.reserve("calm", "ann", "r1", &[1]).await.unwrap();
    let booking = a.confirm(&sold, "pay").await.unwrap();
    let lives = a.reserve("calm", "eve", "r1", &[2, 3]).await.unwrap();

    let (over, told) = (AtomicBool::new(false), Mutex::<Told>::default());
    let booked = || told.lock().unwrap().booked.len();
    let customers = join_all((0..CUSTOMERS).map(|n| customer(n, [&a, &b], &over, &told)));
    let faults = async {
        for fault in 0..4 {
            let before = booked();
            wait_until("the sale goes on", STORE_LIMIT, async || booked() >= before + 5).await;
            match fault {
                0 => world.redis.script_flush().await,
                1 => world.redis.flush().await,
                2 => world.redis.restart_empty().await,
                _ => world.redis.restart().await,
            }
            for seat in [1, 2] {
                let refused =
                    b.reserve("calm", "bob", &format!("r{fault}{seat}"), &[seat]).await.unwrap_err();
                assert!(
                    [Code::Unavailable, Code::FailedPrecondition].contains(&refused.code()),
                    "{refused:?}"
                );
            }
        }
        let before = booked();
        wait_until("the sale goes on", STORE_LIMIT, async || booked() >= before + 5).await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(customers, faults);

    let eves = until_definite(async || b.confirm(&lives, "pay").await).await.unwrap();
    assert_eq!(eves.seat_ids, [2, 3]);
    assert_eq!(b.confirm(&sold, "pay").await.unwrap(), booking);
    witness.agree("calm").await;
    witness.agree(EVENT).await;
    let (owners, told) = (witness.owners(EVENT).await, told.into_inner().unwrap());
    for (id, seats) in &told.booked {
        for seat in seats {
            assert_eq!(owners.get(&(*seat as i32)), Some(id), "an acknowledged booking is lost");
        }
    }
    for id in &told.refused {
        assert!(!owners.values().any(|owner| owner == id), "{id} was refused, and is booked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_going_back_in_time_is_noticed_and_rebuilt() {
    let world = World::new().await;
    let witness = world.witness();
    // No reconciler: it would find some of it by the drift.
    let mut settings = world.settings();
    settings.engine.reconcile_every = None;
    let (a, b) = (Replica::start(settings.clone()).await, Replica::start(settings).await);
    a.open_event(EVENT, 40, SalesSettings::default()).await;
    let before = a.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let sold_later = a.reserve(EVENT, "ann", "r2", &[2]).await.unwrap();
    let released_later = a.reserve(EVENT, "ann", "r3", &[3]).await.unwrap();
    let cancelled_later = a.reserve(EVENT, "ann", "r4", &[4]).await.unwrap();
    let booking = a.confirm(&cancelled_later, "pay").await.unwrap();
    let copy = world.redis.save_copy().await;
    a.confirm(&sold_later, "pay").await.unwrap();
    a.release(&released_later).await.unwrap();
    a.cancel(&booking).await.unwrap();
    let after = a.reserve(EVENT, "eve", "r1", &[5]).await.unwrap();
    let epoch = witness.epoch(EVENT).await;
    world.redis.restore_copy(&copy).await;

    wait_until("it is noticed", STORE_LIMIT, async || {
        b.seat_states(EVENT, 6).await.is_ok_and(|states| states == [0, 1, 2, 0, 0, 0])
    })
    .await;
    assert!(witness.epoch(EVENT).await > epoch, "rebuilt under a higher epoch");
    let refused = b.reserve(EVENT, "bob", "r1", &[5]).await.unwrap_err();
    assert_eq!(reason(&refused), "GATE_REBUILDING", "Eve's hold was made after the copy");
    assert!(retry_after(&refused).is_some());
    let refused = b.reserve(EVENT, "bob", "r2", &[2]).await.unwrap_err();
    assert_eq!(reason(&refused), "SEAT_UNAVAILABLE", "sold stays sold");
    let refused = b.confirm(&released_later, "pay").await.unwrap_err();
    assert_eq!(reason(&refused), "HOLD_RELEASED");
    b.confirm(&before, "pay").await.unwrap();
    b.confirm(&after, "pay").await.unwrap();
    witness.agree(EVENT).await;
    check_owners(&witness, &[(1, before.id()), (2, sold_later.id()), (5, after.id())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_redis_forgot_still_counts() {
    let world = World::new().await;
    let witness = world.witness();
    let a = world.replica().await;
    a.open_event(EVENT, 40, hold_ttl(Duration::from_secs(4))).await;
    let held = a.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let copy = world.redis.save_copy().await;
    sleep(Duration::from_secs(2)).await; // So that the extension is worth something.
    let extended = a.extend(&held).await.unwrap();
    world.redis.restore_copy(&copy).await;
    wait_until("the old deadline has passed", STORE_LIMIT, async || {
        a.seat_states(EVENT, 2).await.is_ok_and(|states| states == [0, 0])
    })
    .await;
    until_definite(async || a.confirm(&extended, "pay").await).await.unwrap();
    check_owners(&witness, &[(1, held.id())]).await;
    witness.agree(EVENT).await;
}

async fn check_owners(witness: &Witness, expected: &[(i32, String)]) {
    assert_eq!(witness.owners(EVENT).await, expected.iter().cloned().collect());
}
