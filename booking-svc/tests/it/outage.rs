//! A store is away: each call that needs it says so at once, health says so, and both come back by themselves.

use std::time::{Duration, Instant};

use booking_svc::identity::Role;
use ticketengine::v1::{
    Booking, GetSeatMapRequest, ListBookingsRequest, ListEventsRequest, OpenSalesRequest, SalesSettings,
};
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    STORE_LIMIT,
    calls::{Held, reason, retry_after, until_definite},
    postgres,
    proxy::Proxy,
    wait_until,
    world::{Replica, World, as_role, hold_ttl},
};

/// Promised is "well under a second"; a busy machine gets some more.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_500);

struct Stage {
    world: World,
    vault: Proxy,
    replica: Replica,
    booking: Booking,
    held: Held,
}

impl Stage {
    /// A replica with a booking and a hold, and a proxy in front of its vault.
    async fn new(settings: SalesSettings) -> Self {
        let world = World::new().await;
        let vault = Proxy::start(postgres::address(&world.database.url())).await;
        let mut with_proxy = world.settings();
        with_proxy.database_url = world.database.url_at(&vault);
        let replica = Replica::start(with_proxy).await;
        replica.open_event("rock", 100, settings).await;
        let held = replica.reserve("rock", "ann", "booked", &[0]).await.unwrap();
        let booking = replica.confirm(&held, "pay").await.unwrap();
        let held = replica.reserve("rock", "ann", "held", &[1]).await.unwrap();
        let stage = Self { world, vault, replica, booking, held };
        stage.serves_again().await;
        stage
    }

    async fn health(&self) -> ServingStatus {
        let mut health = HealthClient::new(self.replica.channel.clone());
        health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
    }

    async fn health_says_so(&self) {
        wait_until("health says NOT_SERVING", STORE_LIMIT, async || {
            self.health().await == ServingStatus::NotServing
        })
        .await;
    }

    async fn serves_again(&self) {
        wait_until("health says SERVING", STORE_LIMIT, async || {
            self.health().await == ServingStatus::Serving
        })
        .await;
    }

    /// The calls that need the gate. Some also need the vault.
    async fn gate_calls_fail(&self) {
        let (replica, held) = (&self.replica, &self.held);
        unavailable("Reserve", async || replica.reserve("rock", "bob", "r", &[2]).await).await;
        unavailable("Extend", async || replica.extend(held).await).await;
        unavailable("GetReservation", async || replica.reservation(held).await).await;
        unavailable("Confirm", async || replica.confirm(held, "pay").await).await;
        unavailable("Release", async || replica.release(held).await).await;
        unavailable("Cancel", async || replica.cancel(&self.booking).await).await;
        let map = GetSeatMapRequest { event_id: "rock".into(), states_only: false };
        unavailable("GetSeatMap", async || replica.bookings().get_seat_map(map.clone()).await).await;
    }

    /// The calls that need the vault.
    async fn vault_calls_fail(&self) {
        let replica = &self.replica;
        unavailable("GetBooking", async || replica.booking(&self.booking.booking_id).await).await;
        unavailable("Cancel", async || replica.cancel(&self.booking).await).await;
        unavailable("ListEvents", async || replica.events().list_events(ListEventsRequest::default()).await)
            .await;
        let list = || {
            let message = ListBookingsRequest { event_id: "rock".into(), ..ListBookingsRequest::default() };
            as_role(Role::Admin, "boss", message)
        };
        unavailable("ListBookings", async || replica.bookings().list_bookings(list()).await).await;
        let open = || as_role(Role::Admin, "boss", OpenSalesRequest { event_id: "rock".into() });
        unavailable("OpenSales", async || replica.events().open_sales(open()).await).await;
        unavailable("Confirm", async || replica.confirm(&self.held, "pay").await).await;
    }

    /// All is as it was before the outage, without a restart, and goes on.
    async fn works_again(&self) {
        self.serves_again().await;
        let replica = &self.replica;
        let repeat = until_definite(async || replica.confirm(&self.held, "pay").await).await.unwrap();
        assert_eq!(repeat.seat_ids, [1]);
        assert_eq!(replica.booking(&self.booking.booking_id).await.unwrap(), self.booking);
        let newcomer =
            until_definite(async || replica.reserve("rock", "bob", "r", &[2]).await).await.unwrap();
        assert_eq!(newcomer.reservation.seat_ids, [2]);
        assert_eq!(replica.seat_states("rock", 4).await.unwrap(), [2, 2, 1, 0]);
    }
}

/// The call says UNAVAILABLE, when to come back, and takes no time for it.
async fn unavailable<T: std::fmt::Debug>(what: &str, call: impl AsyncFn() -> Result<T, Status>) {
    let started = Instant::now();
    let answer = call().await;
    let took = started.elapsed();
    let status = answer.expect_err(what);
    assert_eq!(status.code(), Code::Unavailable, "{what}: {status:?}");
    let known = ["BACKEND_UNAVAILABLE", "GATE_REBUILDING"];
    assert!(known.contains(&reason(&status).as_str()), "{what}: {status:?}");
    assert!(retry_after(&status).is_some_and(|wait| !wait.is_zero()), "{what}: {status:?}");
    assert!(took < ANSWER_LIMIT, "{what} took {took:?}");
}

/// Short enough to wait out a quarantine, long enough to confirm after an outage.
fn short() -> SalesSettings {
    hold_ttl(Duration::from_secs(12))
}

#[tokio::test]
async fn redis_is_stopped() {
    let stage = Stage::new(short()).await;
    stage.world.redis.stop().await;
    stage.gate_calls_fail().await;
    stage.health_says_so().await;
    // What the gate has no part in goes on.
    stage.replica.booking(&stage.booking.booking_id).await.unwrap();
    stage.world.redis.restart().await;
    stage.works_again().await;
}

#[tokio::test]
async fn redis_does_not_answer() {
    let stage = Stage::new(short()).await;
    stage.world.redis.pause();
    stage.gate_calls_fail().await;
    stage.health_says_so().await;
    stage.replica.booking(&stage.booking.booking_id).await.unwrap();
    stage.world.redis.resume();
    stage.works_again().await;
}

#[tokio::test]
async fn postgresql_refuses() {
    let stage = Stage::new(short()).await;
    stage.vault.refuse().await;
    stage.vault_calls_fail().await;
    stage.health_says_so().await;
    // Level 1 goes on without level 2.
    let held = stage.replica.reserve("rock", "eve", "r", &[9]).await.unwrap();
    stage.replica.extend(&held).await.unwrap();
    stage.vault.pass().await;
    stage.works_again().await;
}

#[tokio::test]
async fn postgresql_does_not_answer() {
    let stage = Stage::new(short()).await;
    stage.vault.black_hole().await;
    stage.vault_calls_fail().await;
    stage.health_says_so().await;
    stage.replica.reserve("rock", "eve", "r", &[9]).await.unwrap();
    stage.vault.pass().await;
    stage.works_again().await;
}

#[tokio::test]
async fn all_connections_to_postgresql_are_taken() {
    let stage = Stage::new(short()).await;
    let blocker = stage.world.database.client().await;
    blocker.batch_execute("BEGIN; LOCK TABLE bookings IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let ask = || async || stage.replica.booking(&stage.booking.booking_id).await;
    let many = (0..50).map(|_| unavailable("GetBooking", ask()));
    futures_util::future::join_all(many).await;
    blocker.batch_execute("ROLLBACK").await.unwrap();
    stage.works_again().await;
}

#[tokio::test]
async fn a_cold_gate_makes_newcomers_wait_and_keeps_what_was_held() {
    let stage = Stage::new(hold_ttl(Duration::from_secs(3))).await;
    stage.world.redis.flush().await;
    unavailable("Reserve", async || stage.replica.reserve("rock", "bob", "r", &[2]).await).await;
    stage.works_again().await;
}
