//! The process is ended at each point between the levels; another replica takes over.

use std::time::Duration;

use booking_svc::booking::Step;
use ticketengine::v1::{BookingState, ReservationState, SalesSettings};
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    binary::Doomed,
    calls::{Held, reason, retry_after, until_definite},
    wait_until,
    witness::Witness,
    world::{Replica, World, hold_ttl},
};

const EVENT: &str = "rock";

/// The stores, and a replica that heals nothing.
async fn begin(settings: SalesSettings) -> (World, Witness, Replica) {
    let world = World::new().await;
    let mut idle = world.settings();
    (idle.engine.sweep_every, idle.engine.reconcile_every) = (None, None);
    let replica = Replica::start(idle).await;
    replica.open_event(EVENT, 40, settings).await;
    let witness = world.witness();
    (world, witness, replica)
}

/// A replica that heals.
async fn healthy(world: &World) -> Replica {
    let mut settings = world.settings();
    settings.engine.confirm_window = Duration::from_secs(1);
    Replica::start(settings).await
}

/// Has a process abort at `step` of a Confirm.
async fn confirm_until(world: &World, step: Step, held: &Held) {
    let doomed = Doomed::start(world, step).await;
    let cut = doomed.replica.confirm(held, "pay-1").await.unwrap_err();
    assert!(cut.code() != Code::FailedPrecondition, "no answer is definite here: {cut:?}");
    doomed.ended().await;
}

/// Sold exactly as the vault says, and every repeat says the same.
async fn stays_booked(replica: &Replica, witness: &Witness, held: &Held) {
    wait_until("the seats are sold", STORE_LIMIT, async || {
        replica.seat_states(EVENT, 4).await.is_ok_and(|states| states == [0, 2, 2, 0])
    })
    .await;
    let booking = replica.confirm(held, "pay-1").await.unwrap();
    assert_eq!(booking.state(), BookingState::Confirmed);
    assert_eq!(replica.confirm(held, "pay-1").await.unwrap(), booking);
    assert_eq!(reason(&replica.confirm(held, "pay-2").await.unwrap_err()), "PAYMENT_MISMATCH");
    assert_eq!(witness.outcome(&held.id()).await.as_deref(), Some("booked"));
    let refused = replica.reserve(EVENT, "bob", "r1", &[2]).await.unwrap_err();
    assert_eq!(reason(&refused), "SEAT_UNAVAILABLE");
    witness.agree(EVENT).await;
}

/// Free as the vault says, and every repeat says the same.
async fn stays_void(replica: &Replica, witness: &Witness, held: &Held, why: &str) {
    wait_until("the seats are free", STORE_LIMIT, async || {
        replica.seat_states(EVENT, 4).await.is_ok_and(|states| states == [0; 4])
    })
    .await;
    assert_eq!(witness.outcome(&held.id()).await.as_deref(), Some("void"));
    for _ in 0..2 {
        assert_eq!(reason(&replica.confirm(held, "pay-1").await.unwrap_err()), why);
    }
    witness.agree(EVENT).await;
    let bobs = replica.reserve(EVENT, "bob", "r1", &[1, 2]).await.unwrap();
    replica.confirm(&bobs, "pay-3").await.unwrap();
    assert_eq!(reason(&replica.confirm(held, "pay-1").await.unwrap_err()), why);
    witness.agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_cut_off_before_the_vault_is_void_or_booked_by_its_repeat() {
    let (world, witness, idle) = begin(SalesSettings::default()).await;
    let held = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
    confirm_until(&world, Step::ConfirmBegun, &held).await;
    assert_eq!(witness.outcome(&held.id()).await, None);
    assert_eq!(idle.seat_states(EVENT, 4).await.unwrap(), [0, 1, 1, 0], "not free before the vault says so");
    stays_void(&healthy(&world).await, &witness, &held, "HOLD_EXPIRED").await;

    let (world, witness, idle) = begin(SalesSettings::default()).await;
    let held = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
    confirm_until(&world, Step::ConfirmBegun, &held).await;
    assert_eq!(idle.confirm(&held, "pay-1").await.unwrap().state(), BookingState::Confirmed);
    stays_booked(&healthy(&world).await, &witness, &held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_cut_off_after_the_vault_is_booked() {
    for step in [Step::ConfirmDecided, Step::ConfirmSettled] {
        let (world, witness, idle) = begin(SalesSettings::default()).await;
        let held = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
        confirm_until(&world, step, &held).await;
        assert_eq!(witness.outcome(&held.id()).await.as_deref(), Some("booked"));
        let refused = idle.reserve(EVENT, "bob", "r0", &[2]).await.unwrap_err();
        assert_eq!(reason(&refused), "SEAT_UNAVAILABLE");
        stays_booked(&healthy(&world).await, &witness, &held).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_cut_off_after_the_vault_is_a_release() {
    // Long holds, so that time frees nothing; and short ones that nobody asks about.
    for ttl in [Duration::from_secs(60), Duration::from_secs(4)] {
        let (world, witness, idle) = begin(hold_ttl(ttl)).await;
        let doomed = Doomed::start(&world, Step::ReleaseDecided).await;
        let held = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
        doomed.replica.release(&held).await.unwrap_err();
        doomed.ended().await;
        let healthy = healthy(&world).await;
        if ttl > STORE_LIMIT {
            let released = healthy.release(&held).await.unwrap();
            assert_eq!(released.state(), ReservationState::Released);
            assert_eq!(healthy.release(&held).await.unwrap().state(), ReservationState::Released);
        }
        stays_void(&healthy, &witness, &held, "HOLD_RELEASED").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_cut_off_after_the_vault_is_a_cancel() {
    let (world, witness, idle) = begin(SalesSettings::default()).await;
    let held = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
    let booking = idle.confirm(&held, "pay-1").await.unwrap();
    let doomed = Doomed::start(&world, Step::CancelDecided).await;
    doomed.replica.cancel(&booking).await.unwrap_err();
    doomed.ended().await;
    assert_eq!(witness.outcome(&held.id()).await.as_deref(), Some("cancelled"));

    let healthy = healthy(&world).await;
    wait_until("the seats are free", STORE_LIMIT, async || {
        healthy.seat_states(EVENT, 4).await.is_ok_and(|states| states == [0; 4])
    })
    .await;
    let repeat = until_definite(async || healthy.cancel(&booking).await).await.unwrap();
    assert_eq!(repeat.state(), BookingState::Cancelled);
    assert_eq!(healthy.confirm(&held, "pay-1").await.unwrap(), repeat, "a Confirm says what became of it");
    witness.agree(EVENT).await;
    healthy.reserve(EVENT, "bob", "r1", &[1, 2]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweeper_that_dies_at_a_left_confirm_leaves_it_to_the_next() {
    for (step, decided) in [(Step::SweepFound, None), (Step::SweepDecided, Some("void"))] {
        let (world, witness, idle) = begin(SalesSettings::default()).await;
        let held = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
        confirm_until(&world, Step::ConfirmBegun, &held).await;
        Doomed::start(&world, step).await.ended().await;
        assert_eq!(witness.outcome(&held.id()).await.as_deref(), decided);
        assert_eq!(idle.seat_states(EVENT, 4).await.unwrap(), [0, 1, 1, 0], "not free before the gate knows");
        stays_void(&healthy(&world).await, &witness, &held, "HOLD_EXPIRED").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_dies_is_done_by_the_next() {
    for step in [Step::RebuildRaised, Step::RebuildRead] {
        let (world, witness, idle) = begin(SalesSettings::default()).await;
        let sold = idle.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
        idle.confirm(&sold, "pay-1").await.unwrap();
        let held = idle.reserve(EVENT, "eve", "r1", &[5]).await.unwrap();
        let before = witness.epoch(EVENT).await;
        idle.stop().await;
        world.redis.flush().await;
        Doomed::start(&world, step).await.ended().await;
        assert_eq!(witness.epoch(EVENT).await, 0, "nothing was published");

        let healthy = healthy(&world).await;
        stays_booked(&healthy, &witness, &sold).await;
        assert!(witness.epoch(EVENT).await > before + 1, "above the one that died");
        let newcomer = healthy.reserve(EVENT, "bob", "r2", &[5]).await.unwrap_err();
        assert_eq!(reason(&newcomer), "GATE_REBUILDING");
        assert!(retry_after(&newcomer).is_some_and(|wait| wait > Duration::from_secs(1)));
        healthy.confirm(&held, "pay-5").await.unwrap();
        witness.agree(EVENT).await;
    }
}
