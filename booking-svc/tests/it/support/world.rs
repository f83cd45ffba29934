//! A system under test: private stores, and replicas of the service in this process.

use std::{sync::Arc, time::Duration};

use booking_svc::{
    booking::{Step, Steps},
    config::{Config, EngineSettings, Log, LogFormat, Secret, Stores},
    grpc,
    identity::{Auth, Mint, Role, Trust, Verifier},
    limits, serve,
};
use ticketengine::v1::{
    CreateEventRequest, Layout, ListEventsRequest, OpenSalesRequest, PriceCategory, Row, SalesSettings, Seat,
    Section, booking_service_client::BookingServiceClient, event_service_client::EventServiceClient,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{database::Database, redis::Redis, wait_until};

pub(super) const JWT_SECRET: &[u8] = b"the access tokens' secret of the tests";
pub(super) const TOKEN_SECRET: &str = "the reservation tokens' secret of the tests";

/// Settings that tests change; the rest is as in production.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) engine: EngineSettings,
    pub(crate) redis_url: String,
    pub(crate) database_url: String,
    pub(crate) calls_max: usize,
}

/// Private stores, with no replica yet.
pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) database: Database,
}

/// A replica in this process, stopped gracefully by [`Self::stop`], and by force when dropped.
pub(crate) struct Replica {
    pub(crate) address: String,
    pub(crate) channel: Channel,
    stop: Option<oneshot::Sender<()>>,
    /// Aborted when dropped.
    served: JoinSet<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (redis, database) = tokio::join!(Redis::start(), Database::create());
        Self { redis, database }
    }

    /// Production's defaults but for loops that are quick enough for tests.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            engine: EngineSettings {
                token_secrets: vec![TOKEN_SECRET.parse().unwrap()],
                sweep_every: Some(Duration::from_millis(100)),
                reconcile_every: Some(Duration::from_millis(500)),
                ..EngineSettings::for_command()
            },
            redis_url: self.redis.url(),
            database_url: self.database.url(),
            calls_max: limits::CALLS_MAX_DEFAULT,
        }
    }

    /// A replica with the default settings.
    pub(crate) async fn replica(&self) -> Replica {
        Replica::start(self.settings()).await
    }
}

impl Settings {
    /// Calls `hook` at each step between two stores.
    pub(crate) fn with_hook(
        mut self,
        hook: impl Fn(Step) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        self.engine.steps = Steps::with_hook(hook);
        self
    }
}

impl Replica {
    pub(crate) async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let secret = |text: &str| text.parse::<Secret>().unwrap();
        let config = Config {
            listen: address,
            metrics_listen: None,
            stores: Stores {
                redis_url: secret(&settings.redis_url),
                database_url: secret(&settings.database_url),
                key_prefix: "te".into(),
                redis_connections: 2,
                database_connections: 8,
                allow_unsafe_durability: false,
            },
            engine: settings.engine,
            auth: Arc::new(Auth::Jwt(Box::new(Verifier::new(&trust(), Some(JWT_SECRET), None)))),
            grpc: grpc::Options {
                tls: None,
                calls_max: settings.calls_max,
                connection_age_max: None,
                grace: Duration::from_secs(5),
            },
            log: Log { filter: "info".into(), format: LogFormat::Human },
        };
        let (stop, stopped) = oneshot::channel();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let shutdown = async move {
                let _ = stopped.await;
            };
            serve(config, listener, shutdown).await.unwrap();
        });
        let channel = connect(&address.to_string());
        let replica = Self { address: address.to_string(), channel, stop: Some(stop), served };
        wait_until("a replica answers", super::STORE_LIMIT, async || {
            replica.events().list_events(ListEventsRequest::default()).await.is_ok()
        })
        .await;
        replica
    }

    /// The client of a replica that runs elsewhere.
    pub(super) fn elsewhere(address: std::net::SocketAddr) -> Self {
        let address = address.to_string();
        Self { channel: connect(&address), address, stop: None, served: JoinSet::new() }
    }

    /// Stops it as SIGTERM would, and waits.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.served.join_next().await.unwrap().unwrap();
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Channel {
        connect(&self.address)
    }

    pub(crate) fn bookings(&self) -> BookingServiceClient<Channel> {
        BookingServiceClient::new(self.channel.clone())
    }

    pub(crate) fn events(&self) -> EventServiceClient<Channel> {
        EventServiceClient::new(self.channel.clone()).max_encoding_message_size(usize::MAX)
    }

    /// What it says of its own health.
    pub(crate) async fn healthy(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Creates an event of one section with rows of 50, opens its sale.
    pub(crate) async fn open_event(&self, id: &str, seats: u32, settings: SalesSettings) {
        let create = as_role(Role::Admin, "boss", new_event(id, seats, settings));
        self.events().create_event(create).await.unwrap();
        let open = as_role(Role::Admin, "boss", OpenSalesRequest { event_id: id.into() });
        self.events().open_sales(open).await.unwrap();
    }
}

fn connect(address: &str) -> Channel {
    Endpoint::new(format!("http://{address}")).unwrap().connect_lazy()
}

/// An event of one section with rows of 50 seats that cost 10 EUR each.
pub(crate) fn new_event(id: &str, seats: u32, settings: SalesSettings) -> CreateEventRequest {
    let seat = |n: u32| Seat { label: (n % 50 + 1).to_string(), ..Seat::default() };
    let rows = (0..seats).collect::<Vec<_>>();
    let rows = rows.chunks(50).enumerate().map(|(index, row)| Row {
        label: (index + 1).to_string(),
        seats: row.iter().copied().map(seat).collect(),
    });
    CreateEventRequest {
        event_id: id.into(),
        name: "Test night".into(),
        venue_name: "Test house".into(),
        currency: "EUR".into(),
        price_categories: vec![PriceCategory { name: "All".into(), price_minor: 1_000 }],
        sales_settings: Some(settings),
        layout: Some(Layout { sections: vec![Section { name: "Floor".into(), rows: rows.collect() }] }),
    }
}

/// Settings with this hold time; the rest is default.
pub(crate) fn hold_ttl(ttl: Duration) -> SalesSettings {
    SalesSettings { hold_ttl: Some(ttl.try_into().unwrap()), ..SalesSettings::default() }
}

/// A request of somebody with a role.
pub(crate) fn as_role<T>(role: Role, subject: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(subject, &[role]));
    request
}

/// A request of a customer.
pub(crate) fn as_customer<T>(name: &str, message: T) -> Request<T> {
    as_role(Role::Customer, name, message)
}

/// The value of an `authorization` header.
pub(crate) fn bearer(subject: &str, roles: &[Role]) -> MetadataValue<Ascii> {
    let token = Mint { subject, roles, ttl: Duration::from_secs(600) }.sign(&trust(), JWT_SECRET).unwrap();
    format!("Bearer {token}").parse().unwrap()
}

fn trust() -> Trust {
    Trust { issuer: "tests".into(), audience: "ticketengine".into() }
}
