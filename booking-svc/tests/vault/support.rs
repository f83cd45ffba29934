#![allow(clippy::unwrap_used)] // Only tests call these.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bb8_postgres::tokio_postgres::{Client, NoTls};
use booking_svc::{
    domain::{
        Decision, Epoch, EventId, Layout, NewEvent, PriceCategory, ReservationId, Row, SalesSettings, Seat,
        SeatSet, Section, Verdict, Version, VoidReason,
    },
    tasks::Tasks,
    vault::{self, Options, Vault},
};
use opentelemetry::global;
use testkit::database::{OWNER, SERVICE, as_role, create_roles};

const VARIABLE: &str = "TE_TEST_DATABASE_URL";

/// A database of one test.
#[derive(Clone)]
pub(crate) struct Db {
    pub(crate) url: String,
    pub(crate) name: String,
    server: String,
    pub(crate) tasks: Tasks,
}

/// Runs a test with a migrated database, and drops it.
pub(crate) fn with_db<F: Future<Output = ()>>(test: impl FnOnce(Db) -> F) {
    with_empty_db(async |db| {
        db.migrate().await.unwrap();
        test(db).await;
    });
}

/// Runs a test with an empty database, and drops it.
pub(crate) fn with_empty_db(test: impl AsyncFnOnce(Db)) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("set {VARIABLE} to a PostgreSQL, as a superuser, or run ./dev test"));
    let name = format!("te_vault_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let db = Db {
        url: url_of(&server, &name),
        name: name.clone(),
        server: server.clone(),
        tasks: Tasks::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let admin = async |sql: String| {
        let admin = connect(&server, &Tasks::default()).await;
        create_roles(&admin).await;
        admin.batch_execute(&sql).await.unwrap();
    };
    runtime.block_on(admin(format!("CREATE DATABASE {name} OWNER {OWNER}")));
    let tasks = db.tasks.clone();
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test(db))));
    runtime.block_on(tasks.stop(Duration::from_secs(1)));
    runtime.block_on(admin(format!("DROP DATABASE {name} WITH (FORCE)")));
    result.unwrap_or_else(|panic| resume_unwind(panic));
}

fn url_of(server: &str, database: &str) -> String {
    let Some((scheme, rest)) = server.split_once("://") else { return format!("{server} dbname={database}") };
    let (place, query) = rest.split_once('?').map_or((rest, String::new()), |(p, q)| (p, format!("?{q}")));
    let host = place.split_once('/').map_or(place, |(host, _)| host);
    format!("{scheme}://{host}/{database}{query}")
}

async fn connect(url: &str, tasks: &Tasks) -> Client {
    let (client, connection) = bb8_postgres::tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|e| panic!("{VARIABLE}: {e:?}"));
    tasks.spawn("raw connection", connection);
    client
}

impl Db {
    /// A superuser's connection to do by hand what the vault never would.
    pub(crate) async fn raw(&self) -> Client {
        connect(&self.url, &self.tasks).await
    }

    /// A connection to another database of the server.
    pub(crate) async fn admin(&self) -> Client {
        connect(&self.server, &self.tasks).await
    }

    /// A connection as the service's role, or as the owner.
    pub(crate) async fn raw_as(&self, role: &str) -> Client {
        connect(&as_role(&self.url, role), &self.tasks).await
    }

    /// As an operator does it.
    pub(crate) async fn migrate(&self) -> Result<Vec<String>, vault::Error> {
        Ok(vault::migrate(&as_role(&self.url, OWNER), Some(SERVICE), None).await?.applied)
    }

    /// Switches the outbox, as its operator does it.
    pub(crate) async fn switch_outbox(&self, on: bool) -> bool {
        let migrated = vault::migrate(&as_role(&self.url, OWNER), Some(SERVICE), Some(on)).await;
        migrated.unwrap().outbox_switched
    }

    /// A vault with few connections, as the service's role.
    pub(crate) fn options(&self) -> Options {
        Options { connections: 6, ..Options::new(as_role(&self.url, SERVICE)) }
    }

    pub(crate) async fn vault(&self) -> Vault {
        self.vault_with(self.options()).await
    }

    pub(crate) async fn vault_with(&self, options: Options) -> Vault {
        Vault::connect(options, &self.tasks, &global::meter("test")).await.unwrap()
    }

    /// A vault with an event of 1,000 seats, `e`.
    pub(crate) async fn vault_with_event(&self) -> Vault {
        let vault = self.vault().await;
        vault.create_event(&new_event("e", 1_000)).await.unwrap();
        vault
    }

    pub(crate) async fn count(&self, what: &str) -> i64 {
        self.raw().await.query_one(&format!("SELECT count(*) FROM {what}"), &[]).await.unwrap().get(0)
    }
}

pub(crate) fn event_id(id: &str) -> EventId {
    id.parse().unwrap()
}

/// A house of two sections, each with rows of 50 seats.
pub(crate) fn new_event(id: &str, seats: usize) -> NewEvent {
    let row = |row: usize, seats: usize| Row {
        label: row.to_string(),
        seats: (0..seats)
            .map(|n| Seat {
                label: n.to_string(),
                price_category: u16::from(n < 10),
                x_cm: 50 * i32::try_from(n).unwrap(),
                y_cm: -100 * i32::try_from(row).unwrap(),
                accessible: n == 0,
            })
            .collect(),
    };
    let section = |name: &str, seats: usize| Section {
        name: name.into(),
        rows: (0..seats).step_by(50).map(|first| row(first / 50, 50.min(seats - first))).collect(),
    };
    let price = |name: &str, price_minor| PriceCategory { name: name.into(), price_minor };
    NewEvent {
        id: event_id(id),
        name: "A night".into(),
        venue_name: "The house".into(),
        currency: "EUR".into(),
        price_categories: vec![price("front", 9_900), price("back", 4_900)],
        settings: SalesSettings::default(),
        layout: Layout { sections: vec![section("Floor", seats / 2), section("Balcony", seats - seats / 2)] },
    }
}

pub(crate) fn reservation(version: u64) -> ReservationId {
    ReservationId { event: event_id("e"), epoch: Epoch(0), version: Version(version) }
}

pub(crate) fn decision(version: u64, seats: &[u32], verdict: Verdict) -> Decision {
    Decision {
        reservation: reservation(version),
        epoch: Epoch(0),
        customer: format!("customer-{}", version % 3).parse().unwrap(),
        request: format!("request-{version}").parse().unwrap(),
        seats: SeatSet::new(seats.iter().copied()).unwrap(),
        verdict,
    }
}

pub(crate) fn book(version: u64, seats: &[u32]) -> Decision {
    decision(version, seats, Verdict::Book(format!("pay-{version}").parse().unwrap()))
}

pub(crate) fn void(version: u64, seats: &[u32]) -> Decision {
    decision(version, seats, Verdict::Void(VoidReason::Expired))
}
