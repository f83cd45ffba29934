//! Redis loses what it knew: released stays released, sold stays sold, holds live on by their tokens.

use std::time::{Duration, Instant};

use booking_svc::booking::Step;
use ticketengine::v1::{ReservationState, SalesSettings};
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, reason, refused, retry_after, until_definite},
    stall::Stall,
    wait_until,
    witness::Witness,
    world::{Replica, World, hold_ttl},
};

const EVENT: &str = "rock";

async fn begin(settings: SalesSettings) -> (World, Witness, Replica) {
    let world = World::new().await;
    let replica = world.replica().await;
    replica.open_event(EVENT, 40, settings).await;
    let witness = world.witness();
    (world, witness, replica)
}

async fn rebuilt(replica: &Replica, witness: &Witness) {
    wait_until("the gate is rebuilt", STORE_LIMIT, async || {
        witness.epoch(EVENT).await > 0 && replica.seat_states(EVENT, 4).await.is_ok()
    })
    .await;
}

/// The token of what was released brings nothing back.
async fn stays_released(replica: &Replica, witness: &Witness, held: &Held) {
    let known = until_definite(async || replica.reservation(held).await).await.unwrap();
    assert_eq!(known.state(), ReservationState::Released);
    let confirm = until_definite(async || replica.confirm(held, "pay").await).await;
    assert_eq!(reason(&confirm.unwrap_err()), "HOLD_RELEASED");
    let extend = until_definite(async || replica.extend(held).await).await;
    assert_eq!(reason(&extend.unwrap_err()), "HOLD_RELEASED");
    assert_eq!(witness.seat(EVENT, 1).await, "");
    assert_eq!(witness.owners(EVENT).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_a_released_hold_gets_nothing() {
    let (world, witness, replica) = begin(SalesSettings::default()).await;
    let held = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    replica.release(&held).await.unwrap();
    world.redis.flush().await;
    stays_released(&replica, &witness, &held).await;
    witness.agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_a_hold_released_while_the_gate_died_gets_nothing() {
    for empty in [false, true] {
        let (world, witness, replica) = begin(SalesSettings::default()).await;
        let stall = Stall::at(Step::ReleaseDecided);
        let slow = Replica::start(world.settings().with_hook(stall.hook())).await;
        let held = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
        let (_, ()) = tokio::join!(slow.release(&held), async {
            stall.reached().await;
            if empty {
                world.redis.restart_empty().await;
            } else {
                world.redis.flush().await;
            }
            stall.resume();
        });
        rebuilt(&replica, &witness).await;
        slow.stop().await;
        stays_released(&replica, &witness, &held).await;
        witness.agree(EVENT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_waits_until_lost_holds_have_ended() {
    let ttl = Duration::from_secs(3);
    let (world, witness, replica) = begin(hold_ttl(ttl)).await;
    let reserved = Instant::now();
    let sold = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    replica.confirm(&sold, "pay").await.unwrap();
    let lives = replica.reserve(EVENT, "ann", "r2", &[2]).await.unwrap();
    replica.reserve(EVENT, "eve", "r1", &[5]).await.unwrap();
    world.redis.flush().await;
    rebuilt(&replica, &witness).await;

    let refused = replica.reserve(EVENT, "bob", "r", &[5, 6]).await.unwrap_err();
    assert_eq!(reason(&refused), "GATE_REBUILDING");
    let wait = retry_after(&refused).unwrap();
    assert!(wait > Duration::ZERO && wait <= ttl, "{wait:?}");
    let refused = replica.reserve(EVENT, "bob", "r", &[1]).await.unwrap_err();
    assert_eq!(reason(&refused), "SEAT_UNAVAILABLE", "sold stays sold");
    replica.confirm(&lives, "pay").await.unwrap();
    until_definite(async || replica.reserve(EVENT, "bob", "r", &[5, 6]).await).await.unwrap();
    assert!(reserved.elapsed() >= ttl, "Eve's hold had not ended");
    witness.agree(EVENT).await;
}

/// Redis wrote the hold down, and comes back with that after the deadline; in between it was confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_redis_remembers_as_a_hold_does_not_read_as_expired() {
    let ttl = Duration::from_secs(2);
    let (world, witness, replica) = begin(hold_ttl(ttl)).await;
    let held = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let copy = world.redis.save_copy().await;
    replica.confirm(&held, "pay").await.unwrap();
    tokio::time::sleep(ttl).await;
    world.redis.restore_copy(&copy).await;
    rebuilt(&replica, &witness).await;

    let known = until_definite(async || replica.reservation(&held).await).await.unwrap();
    assert_eq!(known.state(), ReservationState::Booked);
    let again = until_definite(async || replica.reserve(EVENT, "ann", "r1", &[1]).await).await;
    assert_eq!(again.unwrap().id(), held.id());
    let release = until_definite(async || replica.release(&held).await).await;
    assert_eq!(reason(&release.unwrap_err()), "ALREADY_BOOKED");
    witness.agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_quarantine_an_event_opens_at_once() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.engine.quarantine = false;
    let replica = Replica::start(settings).await;
    replica.open_event(EVENT, 40, SalesSettings::default()).await;
    let sold = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    replica.confirm(&sold, "pay").await.unwrap();
    world.redis.flush().await;
    let flushed = Instant::now();
    until_definite(async || replica.reserve(EVENT, "bob", "r", &[5]).await).await.unwrap();
    assert!(flushed.elapsed() < Duration::from_secs(15), "it opened after {:?}", flushed.elapsed());
    let refused = replica.reserve(EVENT, "bob", "r2", &[1]).await.unwrap_err();
    assert_eq!(reason(&refused), "SEAT_UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_notice_at_once_do_not_fight() {
    let (world, witness, a) = begin(SalesSettings::default()).await;
    let b = world.replica().await;
    for _ in 0..3 {
        let before = witness.epoch(EVENT).await;
        world.redis.flush().await;
        let flushed = Instant::now();
        rebuilt(&a, &witness).await;
        rebuilt(&b, &witness).await;
        witness.agree(EVENT).await;
        assert!(flushed.elapsed() < Duration::from_secs(10), "it took {:?}", flushed.elapsed());
        let epoch = witness.epoch(EVENT).await;
        assert!((before + 1..=before + 3).contains(&epoch), "from epoch {before} to {epoch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_made_by_hand_is_found_and_mended() {
    let (_world, witness, replica) = begin(SalesSettings::default()).await;
    let sold = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    replica.confirm(&sold, "pay").await.unwrap();
    let held = replica.reserve(EVENT, "eve", "r1", &[5]).await.unwrap();
    witness.agree(EVENT).await;

    let (seats, map) = (witness.key(EVENT, "seats").await, witness.key(EVENT, "map").await);
    witness.ask::<()>(&["HDEL", &seats, "1"]).await;
    witness.ask::<Vec<i64>>(&["BITFIELD", &map, "SET", "u2", "#1", "0"]).await;
    assert_ne!(witness.differences(EVENT).await, Vec::<String>::new());
    witness.agree(EVENT).await;
    assert_eq!(replica.seat_states(EVENT, 6).await.unwrap(), [0, 2, 0, 0, 0, 1]);

    let (seats, map) = (witness.key(EVENT, "seats").await, witness.key(EVENT, "map").await);
    witness.ask::<()>(&["HSET", &seats, "9", "S 1.999"]).await;
    witness.ask::<Vec<i64>>(&["BITFIELD", &map, "SET", "u2", "#9", "2"]).await;
    assert_ne!(witness.differences(EVENT).await, Vec::<String>::new());
    witness.agree(EVENT).await;
    // Nothing was lost, so nobody waits.
    until_definite(async || replica.reserve(EVENT, "bob", "r1", &[9]).await).await.unwrap();
    replica.confirm(&held, "pay").await.unwrap();
    witness.agree(EVENT).await;
}

/// One raise of the epoch is all that a mend takes: so it is known that no other Redis has had an epoch since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_costs_no_quarantine_where_redis_may_fail_over_either() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.redis_failover_lag = Duration::from_secs(60);
    let (replica, witness) = (Replica::start(settings).await, world.witness());
    replica.open_event(EVENT, 40, SalesSettings::default()).await;
    let (seats, map) = (witness.key(EVENT, "seats").await, witness.key(EVENT, "map").await);
    witness.ask::<()>(&["HSET", &seats, "9", "S 1.999"]).await;
    witness.ask::<Vec<i64>>(&["BITFIELD", &map, "SET", "u2", "#9", "2"]).await;
    witness.agree(EVENT).await;
    assert_eq!(witness.epoch(EVENT).await, 2);
    until_definite(async || replica.reserve(EVENT, "bob", "r1", &[9]).await).await.unwrap();
}

/// What another Redis granted under a later epoch, this one does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_was_left_behind_does_not_deny_what_the_next_one_granted() {
    let world = World::new().await;
    let mut settings = world.settings();
    (settings.engine.sweep_every, settings.engine.reconcile_every) = (None, None);
    let replica = Replica::start(settings).await;
    replica.open_event(EVENT, 40, SalesSettings::default()).await;
    let held = replica.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    let of_next = |mut held: Held| {
        let of_first = held.id();
        held.reservation.reservation_id = of_first.replace(".1.", ".2.");
        held.token = String::new();
        held
    };
    let held = of_next(held);
    refused(replica.confirm(&held, "pay").await, Code::NotFound, "RESERVATION_NOT_FOUND");
    let raised = world.database.client().await;
    raised.execute("UPDATE events SET epoch = epoch + 1", &[]).await.unwrap();
    refused(replica.confirm(&held, "pay").await, Code::Unavailable, "GATE_REBUILDING");
}
