//! Late writers: each is stopped at its worst point, the world moves on through another replica, they wake up.

use std::time::Duration;

use booking_svc::booking::Step;
use ticketengine::v1::SalesSettings;
use tokio::time::sleep;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, reason, until_definite},
    stall::{Stall, hook},
    wait_until,
    witness::Witness,
    world::{Replica, Settings, World},
};

const EVENT: &str = "rock";
/// A reconciler that may go on has done so, and begun two more passes.
const RECONCILED: Duration = Duration::from_millis(1_500);

/// What happens to Ann's seat while she is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    /// Bob holds it.
    Held,
    /// Bob has bought it.
    Sold,
    /// The gate has lost everything and is rebuilt; then Bob holds it.
    RebuiltAndHeld,
    /// The gate has lost everything and is rebuilt; then Bob buys it.
    RebuiltAndSold,
}

use Meanwhile::{Held as BobHolds, RebuiltAndHeld, RebuiltAndSold, Sold};

struct Scene {
    world: World,
    witness: Witness,
    /// Moves on.
    quick: Replica,
}

impl Scene {
    async fn new(settings: impl FnOnce(&mut Settings)) -> Self {
        let world = World::new().await;
        let mut quick = world.settings();
        quick.engine.quarantine = false;
        settings(&mut quick);
        let quick = Replica::start(quick).await;
        quick.open_event(EVENT, 40, SalesSettings::default()).await;
        Self { witness: world.witness(), world, quick }
    }

    /// A replica whose work stops at `stalls`; it begins no rebuild by itself.
    async fn slow<const N: usize>(&self, sweeps: bool, stalls: [&Stall; N]) -> Replica {
        let mut settings = self.world.settings().with_hook(hook(stalls.map(Clone::clone)));
        settings.engine.quarantine = false;
        settings.engine.confirm_window = Duration::from_secs(1);
        settings.engine.reconcile_every = None;
        if !sweeps {
            settings.engine.sweep_every = None;
        }
        Replica::start(settings).await
    }

    /// Redis loses everything; the quick replica rebuilds.
    async fn rebuild(&self) {
        let before = self.witness.epoch(EVENT).await;
        self.world.redis.flush().await;
        wait_until("the gate is rebuilt", STORE_LIMIT, async || {
            self.quick.seat_states(EVENT, 4).await.is_ok() && self.witness.epoch(EVENT).await > before
        })
        .await;
    }

    /// Bob gets seat 1.
    async fn go_on(&self, meanwhile: Meanwhile) -> Held {
        if matches!(meanwhile, RebuiltAndHeld | RebuiltAndSold) {
            self.rebuild().await;
        }
        let bobs = until_definite(async || self.quick.reserve(EVENT, "bob", "r1", &[1]).await).await.unwrap();
        if matches!(meanwhile, Sold | RebuiltAndSold) {
            self.quick.confirm(&bobs, "bob-pays").await.unwrap();
        }
        bobs
    }

    /// After the late ones are done: as it was, and Bob has what he had.
    async fn unchanged(&self, anns: &Held, bobs: &Held, meanwhile: Meanwhile, before: (u64, String, String)) {
        let mut now = self.state(anns).await;
        if before.2.is_empty() {
            now.2.clear(); // A tombstone of what the gate had forgotten is welcome.
        }
        assert_eq!(now, before, "{meanwhile:?}: the late writer changed something");
        let confirmed = until_definite(async || self.quick.confirm(bobs, "bob-pays").await).await;
        confirmed.unwrap_or_else(|error| panic!("{meanwhile:?}: {error:?}"));
        assert_eq!(self.witness.owners(EVENT).await.get(&1), Some(&bobs.id()));
        self.witness.agree(EVENT).await;
    }

    /// The gate's epoch, Ann's seat, and what the gate remembers of her reservation.
    async fn state(&self, anns: &Held) -> (u64, String, String) {
        let (epoch, seat) = (self.witness.epoch(EVENT).await, self.witness.seat(EVENT, 1).await);
        let (key, id) = (self.witness.key(EVENT, "reservations").await, anns.id());
        let record: Option<String> = self.witness.ask(&["HGET", &key, id.split_once('.').unwrap().1]).await;
        (epoch, seat, record.unwrap_or_default())
    }

    async fn free(&self) {
        wait_until("the seat is free", STORE_LIMIT, async || {
            self.quick.seat_states(EVENT, 4).await.is_ok_and(|states| states == [0; 4])
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_that_was_voided_wakes_before_the_vault_and_changes_nothing() {
    for meanwhile in [BobHolds, Sold, RebuiltAndHeld, RebuiltAndSold] {
        let scene = Scene::new(|_| {}).await;
        let stall = Stall::at(Step::ConfirmBegun);
        let slow = scene.slow(false, [&stall]).await;
        let anns = scene.quick.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
        let (heard, ()) = tokio::join!(slow.confirm(&anns, "ann-pays"), stall.reached());
        assert_eq!(reason(&heard.unwrap_err()), "BACKEND_UNAVAILABLE");
        if matches!(meanwhile, BobHolds | Sold) {
            // The sweeper of the quick one decides; else nobody has when the gate forgets.
            scene.free().await;
        }
        let bobs = scene.go_on(meanwhile).await;
        let before = scene.state(&anns).await;
        stall.resume();
        slow.stop().await;
        scene.unchanged(&anns, &bobs, meanwhile, before).await;
        assert_ne!(scene.witness.outcome(&anns.id()).await.as_deref(), Some("booked"));
        let refused = scene.quick.confirm(&anns, "ann-pays").await.unwrap_err();
        let why = reason(&refused);
        assert!(["HOLD_EXPIRED", "SEAT_LOST"].contains(&&*why), "{meanwhile:?}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_that_was_cancelled_wakes_after_the_vault_and_changes_nothing() {
    for meanwhile in [BobHolds, Sold, RebuiltAndHeld, RebuiltAndSold] {
        let scene = Scene::new(|_| {}).await;
        let stall = Stall::at(Step::ConfirmDecided);
        let slow = scene.slow(false, [&stall]).await;
        let anns = scene.quick.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
        let (heard, ()) = tokio::join!(slow.confirm(&anns, "ann-pays"), stall.reached());
        assert_eq!(reason(&heard.unwrap_err()), "BACKEND_UNAVAILABLE");
        let booking = until_definite(async || scene.quick.confirm(&anns, "ann-pays").await).await.unwrap();
        until_definite(async || scene.quick.cancel(&booking).await).await.unwrap();
        let bobs = scene.go_on(meanwhile).await;
        let before = scene.state(&anns).await;
        stall.resume();
        slow.stop().await;
        scene.unchanged(&anns, &bobs, meanwhile, before).await;
        assert_eq!(scene.witness.outcome(&anns.id()).await.as_deref(), Some("cancelled"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconciler_that_wakes_late_rebuilds_nothing() {
    let scene = Scene::new(|settings| {
        (settings.engine.sweep_every, settings.engine.reconcile_every) = (None, None);
    })
    .await;
    let (decided, found) = (Stall::at(Step::ConfirmDecided), Stall::at(Step::DriftFound));
    let slow = scene.slow(false, [&decided]).await;
    // Nobody sweeps: past the window of the Confirm a sweeper would settle it before the reconciler has looked twice.
    let mut settings = scene.world.settings().with_hook(found.hook());
    settings.engine.sweep_every = None;
    let reconciler = Replica::start(settings).await;
    let anns = scene.quick.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
    slow.confirm(&anns, "ann-pays").await.unwrap_err();
    found.reached().await;
    let booking = scene.quick.confirm(&anns, "ann-pays").await.unwrap();
    let before = scene.state(&anns).await;
    found.resume();
    sleep(RECONCILED).await;
    assert_eq!(scene.state(&anns).await, before, "what others have settled is no reason for a rebuild");
    scene.quick.cancel(&booking).await.unwrap();
    decided.resume();
    slow.stop().await;
    reconciler.stop().await;
    scene.witness.agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweeper_that_wakes_late_changes_nothing() {
    for (step, meanwhile) in [
        (Step::SweepFound, BobHolds),
        (Step::SweepFound, RebuiltAndSold),
        (Step::SweepDecided, Sold),
        (Step::SweepDecided, RebuiltAndHeld),
    ] {
        // The quick one sweeps nothing: what happens is what its callers do.
        let scene = Scene::new(|settings| settings.engine.sweep_every = None).await;
        let (begun, stall) = (Stall::at(Step::ConfirmBegun), Stall::at(step));
        let slow = scene.slow(true, [&begun, &stall]).await;
        let anns = scene.quick.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
        slow.confirm(&anns, "ann-pays").await.unwrap_err();
        stall.reached().await;
        let repeat = scene.quick.confirm(&anns, "ann-pays").await;
        if step == Step::SweepFound {
            scene.quick.cancel(&repeat.unwrap()).await.unwrap();
        } else {
            assert_eq!(reason(&repeat.unwrap_err()), "HOLD_EXPIRED");
        }
        let outcome = scene.witness.outcome(&anns.id()).await;
        let bobs = scene.go_on(meanwhile).await;
        let before = scene.state(&anns).await;
        stall.resume();
        begun.resume();
        slow.stop().await;
        scene.unchanged(&anns, &bobs, meanwhile, before).await;
        assert_eq!(scene.witness.outcome(&anns.id()).await, outcome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilder_that_wakes_late_publishes_nothing() {
    for step in [Step::RebuildRaised, Step::RebuildRead] {
        // The quick one rebuilds only when it is called.
        let scene = Scene::new(|settings| {
            (settings.engine.sweep_every, settings.engine.reconcile_every) = (None, None);
        })
        .await;
        let anns = scene.quick.reserve(EVENT, "ann", "r1", &[1]).await.unwrap();
        let booking = scene.quick.confirm(&anns, "ann-pays").await.unwrap();
        let stall = Stall::at(step);
        let slow = scene.slow(true, [&stall]).await;
        scene.world.redis.flush().await;
        stall.reached().await;
        // The lease is lost as well, so the quick one does not wait for the late one.
        scene.rebuild().await;
        assert_eq!(scene.witness.seat(EVENT, 1).await, format!("S {}", anns.id().split_once('.').unwrap().1));
        scene.quick.cancel(&booking).await.unwrap();
        let bobs = scene.go_on(BobHolds).await;
        let before = scene.state(&anns).await;
        wait_until("it waits for its rebuild", STORE_LIMIT, async || !slow.healthy().await).await;
        stall.resume();
        wait_until("the late one is done", STORE_LIMIT, async || slow.healthy().await).await;
        scene.unchanged(&anns, &bobs, BobHolds, before).await;
    }
}
