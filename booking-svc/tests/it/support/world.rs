//! A system under test: private stores, and replicas of the service in this process.

use std::{net::SocketAddr, ops::Deref, sync::Arc, time::Duration};

use booking_svc::{
    booking::{Step, Steps},
    config::{Config, EngineSettings, Kafka, Secret, Stores},
    gate::Wait,
    grpc,
    identity::{Auth, Role, Trust, Verifier},
    limits, serve,
    vault::Pooler,
};
use telemetry::{Log, LogFormat};
use testkit::{
    calls::Caller,
    token::{self, JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET, TOKEN_SECRET},
};
pub(crate) use testkit::{
    house::{hold_ttl, new_event},
    token::{as_customer, as_role},
};
use ticketengine::v1::ListEventsRequest;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::ServerTlsConfig,
};

use super::{database::Database, redis::Redis, wait_until, witness::Witness};

/// Settings that tests change; the rest is as in production.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) engine: EngineSettings,
    pub(crate) kafka: Option<Kafka>,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) redis_url: String,
    pub(crate) redis_wait: Wait,
    pub(crate) redis_failover_lag: Duration,
    pub(crate) database_url: String,
    pub(crate) database_read_url: Option<String>,
    pub(crate) database_pooler: Pooler,
    pub(crate) connections_max: usize,
    pub(crate) calls_max: usize,
    pub(crate) tls: Option<ServerTlsConfig>,
    pub(crate) auth: Arc<Auth>,
}

/// Private stores, with no replica yet.
pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) database: Database,
}

/// A replica in this process, stopped gracefully by [`Self::stop`], and by force when dropped.
pub(crate) struct Replica {
    caller: Caller,
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
        Settings::new(&self.redis.url(), &self.database.url())
    }

    /// Who looks into both stores.
    pub(crate) fn witness(&self) -> Witness {
        Witness { redis_url: self.redis.admin_url(), database_url: self.database.admin_url() }
    }

    /// A replica with the default settings.
    pub(crate) async fn replica(&self) -> Replica {
        Replica::start(self.settings()).await
    }
}

impl Settings {
    /// Production's defaults but for loops that are quick enough for tests.
    pub(crate) fn new(redis_url: &str, database_url: &str) -> Self {
        Self {
            engine: EngineSettings {
                token_secrets: vec![TOKEN_SECRET.parse().unwrap()],
                sweep_every: Some(Duration::from_millis(100)),
                reconcile_every: Some(Duration::from_millis(500)),
                ..EngineSettings::for_command()
            },
            kafka: None,
            metrics_listen: None,
            redis_url: redis_url.to_owned(),
            redis_wait: Wait::default(),
            redis_failover_lag: Duration::ZERO,
            database_url: database_url.to_owned(),
            database_read_url: None,
            database_pooler: Pooler::None,
            connections_max: limits::CLIENT_CONNECTIONS_MAX_DEFAULT,
            calls_max: limits::CALLS_MAX_DEFAULT,
            tls: None,
            auth: by_secret(),
        }
    }

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
        // Over TLS it answers none of our clients.
        let tls = settings.tls.is_some();
        let secret = |text: &str| text.parse::<Secret>().unwrap();
        let config = Config {
            listen: address,
            stores: Stores {
                redis_url: settings.redis_url.parse().unwrap(),
                database_url: secret(&settings.database_url),
                key_prefix: "te".into(),
                redis_connections: 2,
                redis_wait: settings.redis_wait,
                redis_failover_lag: settings.redis_failover_lag,
                database_connections: 8,
                database_read_url: settings.database_read_url.as_deref().map(secret),
                database_pooler: settings.database_pooler,
                allow_unsafe_durability: false,
            },
            engine: settings.engine,
            kafka: settings.kafka,
            auth: settings.auth,
            grpc: grpc::Options {
                tls: settings.tls,
                connections_max: settings.connections_max,
                calls_max: settings.calls_max,
                connection_age_max: None,
                grace: Duration::from_secs(5),
            },
            report: telemetry::Settings {
                metrics_listen: settings.metrics_listen,
                exporting: None,
                log: Log { filter: "info".into(), format: LogFormat::Human },
            },
        };
        let (stop, stopped) = oneshot::channel();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let shutdown = async move {
                let _ = stopped.await;
            };
            serve(config, listener, shutdown).await.unwrap();
        });
        let caller = Caller::new(&address.to_string());
        let replica = Self { caller, stop: Some(stop), served };
        if tls {
            return replica;
        }
        wait_until("a replica answers", super::STORE_LIMIT, async || {
            replica.events().list_events(ListEventsRequest::default()).await.is_ok()
        })
        .await;
        replica
    }

    /// The client of a replica that runs elsewhere.
    pub(super) fn elsewhere(address: SocketAddr) -> Self {
        Self { caller: Caller::new(&address.to_string()), stop: None, served: JoinSet::new() }
    }

    /// Stops it as SIGTERM would, and waits.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.served.join_next().await.unwrap().unwrap();
    }
}

impl Deref for Replica {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// The tests' own tokens are good.
fn by_secret() -> Arc<Auth> {
    let trust = Trust { issuer: JWT_ISSUER.into(), audience: JWT_AUDIENCE.into() };
    Arc::new(Auth::Jwt(Box::new(Verifier::new(&trust, Some(JWT_SECRET.as_bytes()), None))))
}

/// The value of an `authorization` header.
pub(crate) fn bearer(subject: &str, roles: &[Role]) -> MetadataValue<Ascii> {
    token::bearer(subject, roles)
}
