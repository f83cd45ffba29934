//! The process without one of its guards: it still serves who asks for nothing unusual, and it does wrong where the guard is missed.

use std::time::Duration;

use booking_svc::booking::Step;
use ticketengine::v1::{ReservationState, SalesSettings};

use crate::support::{
    STORE_LIMIT,
    binary::Doomed,
    calls::{Held, reason},
    database::Database,
    postgres::Session,
    stall::Stall,
    wait_until,
    witness::Witness,
    world::{Replica, World, hold_ttl},
};

const EVENT: &str = "rock";
const ALL: [&str; 9] = [
    "settle-without-owner-check",
    "sweeper-reads",
    "confirming-freed-by-time",
    "no-incarnation-check",
    "release-without-void",
    "log-outside-script",
    "acknowledged-before-commit",
    "replay-ignored",
    "no-freeze",
];

async fn begin(guard: &str, settings: SalesSettings) -> (World, Witness, Doomed) {
    let world = World::new().await;
    let mutant = Doomed::without(&world, guard).await;
    mutant.replica.open_event(EVENT, 40, settings).await;
    let witness = world.witness();
    (world, witness, mutant)
}

/// A Confirm that stands before the vault for as long as the test lasts, in a process with all its guards.
async fn begun(world: &World, held: &Held, window: Duration) -> (Replica, Stall) {
    let stall = Stall::at(Step::ConfirmBegun);
    let mut settings = world.settings().with_hook(stall.hook());
    (settings.engine.sweep_every, settings.engine.reconcile_every) = (None, None);
    settings.engine.confirm_window = window;
    settings.engine.decision_wait = Duration::from_millis(200);
    let slow = Replica::start(settings).await;
    slow.confirm(held, "pay").await.unwrap_err();
    stall.reached().await;
    (slow, stall)
}

async fn is_free(mutant: &Doomed, seat: usize) {
    wait_until("the seat is free", STORE_LIMIT, async || {
        mutant.replica.seat_states(EVENT, 4).await.is_ok_and(|states| states[seat] == 0)
    })
    .await;
}

/// Waits for whoever wants to decide about a seat.
async fn lock_seat(database: &Database, seat: u32) -> Session {
    let session = database.client().await;
    let lock = format!("BEGIN; SELECT FROM seats WHERE event_id = '{EVENT}' AND seat_id = {seat} FOR UPDATE");
    session.batch_execute(&lock).await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_of_its_guards_the_service_serves() {
    for guard in ALL {
        let (_world, witness, mutant) = begin(guard, SalesSettings::default()).await;
        let replica = &mutant.replica;
        let first = replica.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
        let refused = replica.reserve(EVENT, "bob", "r1", &[2]).await.unwrap_err();
        assert_eq!(reason(&refused), "SEAT_UNAVAILABLE", "{guard}");
        let booking = replica.confirm(&first, "pay").await.unwrap();
        wait_until("it is booked", STORE_LIMIT, async || witness.owners(EVENT).await.len() == 2).await;
        let second = replica.reserve(EVENT, "bob", "r2", &[3]).await.unwrap();
        let second = replica.extend(&second).await.unwrap();
        let released = replica.release(&second).await.unwrap();
        assert_eq!(released.state(), ReservationState::Released, "{guard}");
        wait_until("it is sold", STORE_LIMIT, async || {
            replica.seat_states(EVENT, 4).await.is_ok_and(|states| states == [0, 2, 2, 0])
        })
        .await;
        replica.cancel(&booking).await.unwrap();
        witness.agree(EVENT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_cancel_takes_the_next_owners_seat() {
    let (_world, witness, mutant) = begin("settle-without-owner-check", SalesSettings::default()).await;
    let replica = &mutant.replica;
    let held = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let booking = replica.confirm(&held, "pay").await.unwrap();
    replica.cancel(&booking).await.unwrap();
    replica.reserve(EVENT, "bob", "r1", &[1]).await.unwrap();
    assert_ne!(witness.seat(EVENT, 1).await, "");
    replica.cancel(&booking).await.unwrap();
    assert_eq!(witness.seat(EVENT, 1).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweeper_that_reads_frees_what_is_not_decided() {
    let (world, witness, mutant) = begin("sweeper-reads", SalesSettings::default()).await;
    let held = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let (_slow, stall) = begun(&world, &held, Duration::from_secs(1)).await;
    is_free(&mutant, 1).await;
    assert_eq!(witness.outcome(&held.id()).await, None);
    stall.resume();
    wait_until("the late one is booked", STORE_LIMIT, async || witness.outcome(&held.id()).await.is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begun_confirm_is_freed_by_time() {
    let (world, witness, mutant) = begin("confirming-freed-by-time", hold_ttl(Duration::from_secs(3))).await;
    let held = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let _begun = begun(&world, &held, Duration::from_secs(60)).await;
    wait_until("another has the seat", STORE_LIMIT, async || {
        mutant.replica.reserve(EVENT, "bob", "r1", &[1]).await.is_ok()
    })
    .await;
    assert_eq!(witness.outcome(&held.id()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_came_back_with_its_data_is_taken_for_warm() {
    let (world, witness, mutant) = begin("no-incarnation-check", SalesSettings::default()).await;
    let before = witness.epoch(EVENT).await;
    world.redis.restart().await;
    wait_until("a hold is granted", STORE_LIMIT, async || {
        mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.is_ok()
    })
    .await;
    assert_eq!(witness.epoch(EVENT).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_does_not_hear_of_a_release() {
    let (_world, witness, mutant) = begin("release-without-void", SalesSettings::default()).await;
    let held = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    mutant.replica.release(&held).await.unwrap();
    assert_eq!((witness.seat(EVENT, 1).await, witness.outcome(&held.id()).await), (String::new(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_written_and_may_be_written_too_late() {
    let (_world, witness, mutant) = begin("log-outside-script", SalesSettings::default()).await;
    let log = witness.key(EVENT, "log").await;
    mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    assert_eq!(witness.ask::<u64>(&["XLEN", &log]).await, 1);
    // Another's entry was faster.
    witness.ask::<String>(&["XADD", &log, "2-1", "s", "1", "n", "9"]).await;
    mutant.replica.reserve(EVENT, "ann", "r2", &[2]).await.unwrap();
    assert_eq!(witness.ask::<u64>(&["XLEN", &log]).await, 2, "the second change has no entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_is_acknowledged_that_nobody_has_decided() {
    let (world, witness, mutant) = begin("acknowledged-before-commit", SalesSettings::default()).await;
    let held = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let _lock = lock_seat(&world.database, 1).await;
    mutant.replica.confirm(&held, "pay").await.unwrap();
    assert_eq!(witness.outcome(&held.id()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_finds_its_own_seats_taken() {
    let (_world, _witness, mutant) = begin("replay-ignored", SalesSettings::default()).await;
    let held = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let repeat = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap_err();
    assert_eq!(reason(&repeat), "SEAT_UNAVAILABLE");
    mutant.replica.release(&held).await.unwrap();
    let again = mutant.replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    assert_ne!(again.id(), held.id());
}
