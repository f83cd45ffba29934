//! The booking service: gRPC in front of a Redis gate (level 1) and a PostgreSQL vault (level 2).

pub mod board;
pub mod booking;
pub mod cli;
pub mod config;
pub mod domain;
pub mod gate;
pub mod grpc;
pub mod healthcheck;
pub mod identity;
pub mod limits;
#[cfg(feature = "mutants")]
mod mutants;
#[cfg(feature = "kafka")]
pub mod relay;
pub mod tasks;
pub mod vault;
pub mod venue;

use std::{io, net::SocketAddr, pin::pin, sync::Arc};

use opentelemetry::metrics::Meter;
use opentelemetry_sdk::error::OTelSdkError;
use tokio::net::TcpListener;
use tracing::{info, warn};

use booking::Engine;
use config::{Config, EngineSettings, Secret, Stores};
use gate::Gate;
use identity::Auth;
use tasks::Tasks;
use telemetry::{ExporterBuildError, Metrics, Service, Traces, trace::Heed};
use vault::{Migrated, Vault};

/// As what it reports.
const SERVICE: Service = Service { name: "booking-svc", version: env!("CARGO_PKG_VERSION") };

/// Why the service does not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or not ours.
    #[error("can not listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The metrics can not be set up.
    #[error("metrics: {0}")]
    Metrics(#[from] OTelSdkError),
    /// Traces can not be sent.
    #[error("traces: {0}")]
    Traces(#[from] ExporterBuildError),
    /// Redis can not be reached, or must not be used.
    #[error("Redis: {0}")]
    Gate(#[from] gate::Error),
    /// PostgreSQL can not be reached, or must not be used.
    #[error("PostgreSQL: {0}")]
    Vault(#[from] vault::Error),
    /// Kafka's library refuses what it is told.
    #[cfg(feature = "kafka")]
    #[error("Kafka: {0}")]
    Kafka(#[from] relay::Error),
    /// The gRPC server can not be set up.
    #[error(transparent)]
    Grpc(#[from] grpc::Error),
}

/// The tasks of one service, in the order in which they end.
#[derive(Clone, Default)]
pub struct Crew {
    /// Critical sections between the stores: they are waited for.
    pub work: Tasks,
    /// Loops: they are told to stop.
    pub daemons: Tasks,
}

impl Crew {
    /// Ends the tasks when nothing asks for new ones any more: work first, because it needs the loops.
    pub async fn stop(&self) {
        if !self.work.stop(limits::GRACE_WORK).await {
            warn!("some decisions were still open; the other replicas' sweepers settle them");
        }
        if !self.daemons.stop(limits::GRACE_DAEMONS).await {
            warn!("a background task did not stop in time");
        }
    }
}

/// Serves until `shutdown`, then stops: not serving, no new calls, calls under way, critical sections, loops.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let (crew, metrics) = (Crew::default(), Metrics::new(SERVICE)?);
    let meter = metrics.meter();
    let traces = Traces::start(SERVICE, config.report.exporting.as_ref(), Heed::Callers)?;
    if let Some(address) = config.report.metrics_listen {
        serve_metrics(&metrics, address, &crew.daemons).await?;
    }
    match &*config.auth {
        Auth::Off => {
            warn!("TE_AUTH=off: EVERYBODY MAY DO EVERYTHING; never run this where others can reach it");
        }
        Auth::Jwt(_) => follow_jwks(Arc::clone(&config.auth), &crew.daemons),
    }
    let mut shutdown = pin!(shutdown);
    let vault = vault_options(&config.stores);
    // Stores may take their time; a stop must not have to wait for them.
    let engine = tokio::select! {
        engine = build(vault.clone(), &config.stores, &config.engine, &crew, &meter) => engine,
        () = &mut shutdown => {
            crew.stop().await;
            return Ok(());
        }
    };
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => {
            crew.stop().await;
            return Err(error);
        }
    };
    #[cfg(feature = "kafka")]
    if let Some(kafka) = &config.kafka
        && let Err(error) = start_relay(kafka, &vault, &engine, &crew.daemons, &meter)
    {
        crew.stop().await;
        return Err(error);
    }
    if let Ok(address) = listener.local_addr() {
        info!(%address, tls = config.grpc.tls.is_some(), "listening for gRPC");
    }
    let served =
        grpc::serve(config.grpc, engine, config.auth, &meter, traces.tracer(), listener, shutdown).await;
    crew.stop().await;
    traces.stop().await;
    info!("stopped");
    Ok(served?)
}

/// Connects the stores and starts the use cases: the one place where the parts meet. `vault` is from [`vault_options`].
pub async fn build(
    vault: vault::Options,
    stores: &Stores,
    settings: &EngineSettings,
    crew: &Crew,
    meter: &Meter,
) -> Result<Engine, StartError> {
    let gate = gate::Options {
        url: stores.redis_url.clone(),
        prefix: stores.key_prefix.clone(),
        connections: stores.redis_connections,
        pool_wait: limits::POOL_WAIT,
        tombstone_ttl: settings.tombstone_ttl,
        wait: stores.redis_wait,
    };
    let (gate, vault) = (
        Gate::connect(&gate, &crew.daemons, meter).await?,
        Vault::connect(vault, &crew.daemons, meter).await?,
    );
    let options = booking::Options {
        token_secrets: settings.token_secrets.iter().map(|secret| secret.expose().into()).collect(),
        confirm_window: settings.confirm_window,
        decision_wait: settings.decision_wait,
        quarantine: settings.quarantine,
        failover_lag: stores.redis_failover_lag,
        board_refusals: settings.board_refusals,
        sweep_every: settings.sweep_every,
        reconcile_every: settings.reconcile_every,
        watchers_max: settings.watchers_max,
        steps: settings.steps.clone(),
    };
    Ok(Engine::start(gate, vault, meter, crew.work.clone(), crew.daemons.clone(), options))
}

/// The vault's settings. What one learns of the hosts, those who have a clone know, too.
pub fn vault_options(stores: &Stores) -> vault::Options {
    vault::Options {
        connections: stores.database_connections,
        read_url: stores.database_read_url.as_ref().map(|url| url.expose().into()),
        pooler: stores.database_pooler,
        allow_unsafe_durability: stores.allow_unsafe_durability,
        ..vault::Options::new(stores.database_url.expose())
    }
}

#[cfg(feature = "kafka")]
fn start_relay(
    kafka: &config::Kafka,
    vault: &vault::Options,
    engine: &Engine,
    daemons: &Tasks,
    meter: &Meter,
) -> Result<(), StartError> {
    let outbox = vault::Outbox::new(vault)?;
    let options = relay::Options::from(kafka);
    let relay = relay::Relay::new(&options, outbox, engine.clone(), meter)?;
    let election = vault::Election::new(vault)?;
    let seats = relay::SeatsRelay::new(&options, election, engine.clone(), meter)?;
    daemons.spawn("relay", relay.run(daemons.stopping()));
    if let Some(seats) = seats {
        daemons.spawn("seats relay", seats.run(daemons.stopping()));
    }
    Ok(())
}

/// Brings the database up to date, `service_role` to its rights, and the outbox to what is wanted.
pub async fn migrate(
    database_url: &Secret,
    service_role: Option<&str>,
    outbox: Option<bool>,
) -> Result<Migrated, StartError> {
    Ok(vault::migrate(database_url.expose(), service_role, outbox).await?)
}

async fn serve_metrics(metrics: &Metrics, address: SocketAddr, daemons: &Tasks) -> Result<(), StartError> {
    let served = metrics.serve(address, daemons.stopping()).await;
    daemons.spawn("metrics", served.map_err(|error| StartError::Listen(address, error))?);
    Ok(())
}

fn follow_jwks(auth: Arc<Auth>, daemons: &Tasks) {
    let stop = daemons.stopping();
    daemons.spawn("jwks", async move {
        if let Auth::Jwt(verifier) = &*auth
            && let Some(jwks) = verifier.jwks()
        {
            jwks.follow(stop).await;
        }
    });
}
