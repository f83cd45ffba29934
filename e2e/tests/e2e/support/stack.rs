//! Stores, two replicas of the service, and a gateway in front of each.

use std::time::Duration;

use tempfile::TempDir;
use testkit::{
    STORE_LIMIT,
    calls::Caller,
    database::Database,
    program::Program,
    proxy::Proxy,
    redis::Redis,
    token::{JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET, TOKEN_SECRET},
    wait_until,
    witness::Witness,
};
use ticketengine::v1::{
    CreateEventRequest, Layout, OpenSalesRequest, PriceCategory, Row, SalesSettings, Seat, Section,
};

use super::http;

/// How many replicas and gateways there are.
const COUNT: usize = 2;
/// Between two heartbeats, so that tests see many of them.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// More than any test opens.
const CONNECTIONS_MAX: usize = 5_000;
const ROW_SEATS: u32 = 50;
/// The section that watchers of one section watch: the second half of the house.
pub(crate) const BALCONY: &str = "Balcony";

/// Which replicas a gateway may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Only its own: what it shows of another replica's changes went through Redis.
    OwnReplica,
    /// All, its own first.
    AllReplicas,
}

/// A whole system. Fields are dropped in their order: who uses a store goes before it.
pub(crate) struct Stack {
    pub(crate) gateways: Vec<Program>,
    pub(crate) services: Vec<Program>,
    /// One between each replica and Redis.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) redis: Redis,
    database: Database,
    logs: TempDir,
}

impl Stack {
    /// Starts everything, with settings of the gateways beside those that all tests have.
    pub(crate) async fn start(wiring: Wiring, gateway_settings: &[(&'static str, &str)]) -> Self {
        Self::start_with(wiring, gateway_settings, &[]).await
    }

    /// The same, with settings of the replicas, too.
    pub(crate) async fn start_with(
        wiring: Wiring,
        gateway_settings: &[(&'static str, &str)],
        service_settings: &[(&'static str, &str)],
    ) -> Self {
        let (redis, database) = tokio::join!(Redis::start(), Database::create());
        let logs = TempDir::new().unwrap();
        let mut stack = Self { gateways: vec![], services: vec![], proxies: vec![], redis, database, logs };
        for index in 0..COUNT {
            stack.proxies.push(Proxy::start(stack.redis.port().address()).await);
            stack.services.push(stack.service(index, service_settings));
        }
        for index in 0..COUNT {
            let gateway = stack.gateway(index, wiring, gateway_settings);
            stack.gateways.push(gateway);
        }
        stack.services.iter().chain(&stack.gateways).for_each(Program::start);
        for index in 0..COUNT {
            stack.ready(index).await;
        }
        stack
    }

    fn service(&self, index: usize, more: &[(&'static str, &str)]) -> Program {
        let mut settings = vec![
            ("TE_REDIS_URL", self.redis.url_at(&self.proxies[index])),
            ("TE_DATABASE_URL", self.database.url()),
            ("TE_DATABASE_CONNECTIONS", "8".into()),
            ("TE_TOKEN_SECRET", TOKEN_SECRET.into()),
            ("TE_JWT_SECRET", JWT_SECRET.into()),
            ("TE_JWT_ISSUER", JWT_ISSUER.into()),
            ("TE_JWT_AUDIENCE", JWT_AUDIENCE.into()),
            // Quick enough for a test: heals what a fault left between the stores.
            ("TE_RECONCILE_EVERY", "500ms".into()),
            ("TE_LOG", "info".into()),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let log = self.logs.path().join(format!("booking-svc-{index}.log"));
        Program::new(env!("CARGO_BIN_EXE_e2e-booking-svc"), &["serve"], "TE_LISTEN", settings, log)
    }

    fn gateway(&self, index: usize, wiring: Wiring, more: &[(&'static str, &str)]) -> Program {
        let mut targets = vec![format!("http://{}", self.services[index].address())];
        if wiring == Wiring::AllReplicas {
            let others = self.services.iter().enumerate().filter(|(other, _)| *other != index);
            targets.extend(others.map(|(_, service)| format!("http://{}", service.address())));
        }
        let mut settings = vec![
            ("TE_TARGETS", targets.join(",")),
            ("TE_CONNECTIONS_PER_ADDRESS_MAX", CONNECTIONS_MAX.to_string()),
            ("TE_HEARTBEAT", format!("{}ms", HEARTBEAT.as_millis())),
            ("TE_LOG", "info".into()),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let log = self.logs.path().join(format!("ws-gateway-{index}.log"));
        Program::new(env!("CARGO_BIN_EXE_e2e-ws-gateway"), &[], "TE_GATEWAY_LISTEN", settings, log)
    }

    /// Waits until a replica and its gateway serve.
    pub(crate) async fn ready(&self, index: usize) {
        let caller = self.caller(index);
        wait_until("a replica serves", STORE_LIMIT, async || caller.healthy().await).await;
        let gateway = self.gateways[index].address();
        wait_until("a gateway is ready", STORE_LIMIT, async || {
            http::get(&gateway, "/readyz").await.is_ok_and(|status| status == 200)
        })
        .await;
    }

    /// A client of a replica, past the gateways.
    pub(crate) fn caller(&self, index: usize) -> Caller {
        Caller::new(&self.services[index].address())
    }

    /// Where all gateways are, that of `first` first.
    pub(crate) fn gateway_addresses(&self, first: usize) -> Vec<String> {
        (0..COUNT).map(|index| self.gateways[(first + index) % COUNT].address()).collect()
    }

    /// Looks into both stores.
    pub(crate) fn witness(&self) -> Witness {
        Witness { redis_url: self.redis.admin_url(), database_url: self.database.admin_url() }
    }
}

/// Creates an event whose first half is the floor and whose second half is the balcony, and opens its sale.
pub(crate) async fn open_event(caller: &Caller, id: &str, seats: u32, hold_ttl: Duration) {
    let section = |name: &str, seats: u32| {
        let row = |row: u32| Row {
            label: (row + 1).to_string(),
            seats: (1..=ROW_SEATS.min(seats - row * ROW_SEATS)).map(seat).collect(),
        };
        Section { name: name.into(), rows: (0..seats.div_ceil(ROW_SEATS)).map(row).collect() }
    };
    let settings = SalesSettings { hold_ttl: Some(hold_ttl.try_into().unwrap()), ..SalesSettings::default() };
    let create = CreateEventRequest {
        event_id: id.into(),
        name: "Test night".into(),
        venue_name: "Test house".into(),
        currency: "EUR".into(),
        price_categories: vec![PriceCategory { name: "All".into(), price_minor: 1_000 }],
        sales_settings: Some(settings),
        layout: Some(Layout {
            sections: vec![section("Floor", seats / 2), section(BALCONY, seats - seats / 2)],
        }),
    };
    let admin = testkit::token::as_role("admin", "boss", create);
    caller.events().create_event(admin).await.unwrap();
    let open = testkit::token::as_role("admin", "boss", OpenSalesRequest { event_id: id.into() });
    caller.events().open_sales(open).await.unwrap();
}

fn seat(number: u32) -> Seat {
    Seat { label: number.to_string(), ..Seat::default() }
}
