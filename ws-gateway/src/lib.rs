//! The gateway: WatchSeats streams in, WebSocket broadcasts to browsers out.

pub mod cli;
pub mod config;
pub mod document;
pub mod healthcheck;
pub mod http;
pub mod limits;
pub mod metrics;
#[cfg(feature = "mutants")]
mod mutants;
pub mod rooms;
pub mod session;
pub mod upstream;

#[cfg(feature = "conformance")]
pub use session::echo::echo;

use std::{io, net::SocketAddr, sync::Arc};

use telemetry::{ExporterBuildError, OTelSdkError, Service, Tracer, Traces, trace::Heed};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use config::Config;
use http::{Listener, admission::Admission, page::Files};
use limits::{CONNECTION_TIME_MAX, GRACE_HTTP, GRACE_SESSIONS};
use metrics::Metrics;
use rooms::Rooms;
use upstream::{Catalog, Targets};

/// As what it reports.
const SERVICE: Service = Service { name: "ws-gateway", version: env!("CARGO_PKG_VERSION") };

/// Why the gateway does not start.
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
}

/// Serves until `shutdown`, then stops: not ready, no new sockets, goodbye to those that are open, HTTP, loops.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let drain = config.drain;
    let reports = telemetry::Metrics::new(SERVICE)?;
    // Strangers come here: they may not have the gateway write down what they like.
    let traces = Traces::start(SERVICE, config.report.exporting.as_ref(), Heed::Nobody)?;
    if config.http.demo.is_some() {
        warn!(
            "TE_DEMO_JWT_SECRET is set: EVERYBODY MAY BE ANY CUSTOMER; never run this where others can reach it"
        );
    }
    if let Ok(address) = listener.local_addr() {
        info!(%address, targets = config.targets.urls.len(), "listening for HTTP and WebSocket");
    }
    let (sessions, others) = (TaskTracker::new(), TaskTracker::new());
    // Sessions say goodbye with the first; all that is left ends with the second.
    let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
    if let Some(address) = config.report.metrics_listen {
        let served = reports.serve(address, stop.clone()).await;
        others.spawn(served.map_err(|error| StartError::Listen(address, error))?);
    }
    let (metrics, tracer) = (Metrics::new(reports.meter()), traces.tracer());
    let listening = listen(config, metrics, tracer, &sessions, &others, &draining, &stop);
    others.spawn(listening.serve(listener, stop.clone()));

    shutdown.await;
    draining.cancel();
    sessions.close();
    if timeout(drain + GRACE_SESSIONS, sessions.wait()).await.is_err() {
        warn!(sockets = sessions.len(), "some sockets were cut off");
    }
    stop.cancel();
    others.close();
    if timeout(GRACE_HTTP, others.wait()).await.is_err() {
        warn!(tasks = others.len(), "some tasks did not stop in time");
    }
    traces.stop().await;
    info!("stopped");
    Ok(())
}

/// The one place where the parts meet.
fn listen(
    config: Config,
    metrics: Metrics,
    tracer: Tracer,
    sessions: &TaskTracker,
    others: &TaskTracker,
    draining: &CancellationToken,
    stop: &CancellationToken,
) -> Listener {
    let Config { tick, heartbeat, stall_max, drain, .. } = config;
    let targets = Targets::new(config.targets, metrics.clone(), others, stop);
    let pace = rooms::Settings { tick, heartbeat };
    let admission = Admission::new(config.http.bounds);
    let (open, most) = (admission.clone(), config.http.bounds.sockets_max);
    metrics.gauge("active_connections", "WebSockets that are open", move || open.sockets());
    metrics.gauge("ticketengine.gateway.connections.max", "How many there may be", move || most);
    let reports = session::Reports { tracer, ..session::Reports::default() };
    let session = session::Settings { heartbeat, stall_max, drain, metrics: metrics.clone(), reports };
    let parts = http::Parts {
        metrics: metrics.clone(),
        catalog: Catalog::new(targets.clone()),
        files: Files::new(),
        rooms: Rooms::new(targets.clone(), metrics.clone(), pace, others.clone(), draining.clone()),
        targets,
        options: config.http,
        session: Arc::new(session),
        sessions: sessions.clone(),
        draining: draining.clone(),
        stop: stop.clone(),
    };
    let (router, connections) = (http::router(parts), others.clone());
    Listener { router, admission, metrics, connections, time_max: CONNECTION_TIME_MAX }
}
