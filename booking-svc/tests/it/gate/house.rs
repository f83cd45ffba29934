//! A gate with one event, built as a rebuild builds it, without a vault.

use std::time::Duration;

use booking_svc::{
    domain::{CustomerId, Epoch, Event, EventId, RequestId, SalesSettings, SeatSet, UnixMs},
    gate::{Built, Frozen, Gate, Granted, Options, Wait},
    tasks::Tasks,
};
use opentelemetry::global;

use crate::support::redis::Redis;

pub(crate) const CONFIRM_WINDOW: Duration = Duration::from_secs(5);

pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) event: Event,
}

pub(crate) async fn connect(redis: &Redis) -> Gate {
    connect_to(&redis.url()).await
}

pub(crate) async fn connect_to(url: &str) -> Gate {
    let options = Options {
        url: url.parse().unwrap(),
        prefix: "test".into(),
        connections: 2,
        pool_wait: Duration::from_millis(500),
        tombstone_ttl: Duration::from_secs(60),
        wait: Wait::default(),
    };
    Gate::connect(&options, &Tasks::default(), &global::meter("test")).await.unwrap()
}

impl House {
    pub(crate) async fn open(redis: &Redis, name: &str, seats: u32) -> Self {
        Self::open_at(&redis.url(), name, seats).await
    }

    pub(crate) async fn open_at(url: &str, name: &str, seats: u32) -> Self {
        let event = Event {
            id: name.parse().unwrap(),
            name: name.into(),
            venue_name: "Test house".into(),
            currency: "EUR".into(),
            price_categories: vec![],
            seat_count: seats,
            settings: SalesSettings::default(),
            sales_open: true,
            revision: 1,
            epoch: Epoch(1),
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
        };
        let house = Self { gate: connect_to(url).await, event };
        assert!(house.publish(Epoch(1), Duration::ZERO).await);
        house
    }

    /// Publishes an empty epoch.
    pub(crate) async fn publish(&self, epoch: Epoch, quarantine: Duration) -> bool {
        let rebuild = self.gate.rebuild(&self.event.id).await.unwrap().expect("nobody else rebuilds");
        let Frozen::Old(old) = rebuild.freeze(epoch, Duration::ZERO).await.unwrap() else {
            rebuild.finish().await;
            return false;
        };
        let now = rebuild.survivors(old.epoch).await.unwrap().now;
        let built = Built {
            epoch,
            event: &self.event,
            hold_ttl_longest: Duration::ZERO,
            booked: &[],
            blocked: &[],
            survivors: &[],
            quarantine,
            quarantine_until: UnixMs(0),
            undecided_due: now,
            now,
        };
        let published = rebuild.publish(&built, old.epoch).await.unwrap();
        rebuild.finish().await;
        published
    }

    /// From now on holds last so long.
    pub(crate) async fn set_hold_ttl(&mut self, ttl: Duration) {
        self.event.revision += 1;
        self.event.settings.hold_ttl = ttl;
        self.gate.configure(&self.event).await.unwrap();
    }

    pub(crate) fn id(&self) -> &EventId {
        &self.event.id
    }

    pub(crate) async fn grant(&self, customer: &str, request: &str, seats: &[u32]) -> Granted {
        self.gate
            .grant(self.id(), &set(seats), &self::request(request), &self::customer(customer), true)
            .await
            .unwrap()
    }

    /// A grant that has to succeed.
    pub(crate) async fn hold(&self, customer: &str, seats: &[u32]) -> booking_svc::gate::Found {
        match self.grant(customer, &format!("r{}", rand_suffix()), seats).await {
            Granted::New(found) => found,
            other => panic!("{other:?}"),
        }
    }
}

fn rand_suffix() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn set(seats: &[u32]) -> SeatSet {
    SeatSet::new(seats.iter().copied()).unwrap()
}

pub(crate) fn customer(name: &str) -> CustomerId {
    name.parse().unwrap()
}

pub(crate) fn request(name: &str) -> RequestId {
    name.parse().unwrap()
}
