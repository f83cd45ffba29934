//! The gateway: WatchSeats streams in, WebSocket broadcasts to browsers out.

pub mod cli;
pub mod config;
pub mod document;
pub mod http;
pub mod limits;
#[cfg(feature = "mutants")]
mod mutants;
pub mod rooms;
pub mod session;
pub mod telemetry;
pub mod upstream;

#[cfg(feature = "conformance")]
pub use session::echo::echo;

use std::sync::Arc;

use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use config::Config;
use http::{Listener, admission::Admission, page::Files};
use limits::{CONNECTION_TIME_MAX, GRACE_HTTP, GRACE_SESSIONS};
use rooms::Rooms;
use upstream::{Catalog, Targets};

/// Serves until `shutdown`, then stops: not ready, no new sockets, goodbye to those that are open, HTTP, loops.
pub async fn serve(config: Config, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let drain = config.drain;
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
    let listening = listen(config, &sessions, &others, &draining, &stop);
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
    info!("stopped");
}

/// The one place where the parts meet.
fn listen(
    config: Config,
    sessions: &TaskTracker,
    others: &TaskTracker,
    draining: &CancellationToken,
    stop: &CancellationToken,
) -> Listener {
    let Config { tick, heartbeat, stall_max, drain, .. } = config;
    let targets = Targets::new(config.targets, others, stop);
    let pace = rooms::Settings { tick, heartbeat };
    let admission = Admission::new(config.http.bounds);
    let parts = http::Parts {
        catalog: Catalog::new(targets.clone()),
        files: Files::new(),
        rooms: Rooms::new(targets.clone(), pace, others.clone(), draining.clone()),
        targets,
        options: config.http,
        session: Arc::new(session::Settings { heartbeat, stall_max, drain }),
        sessions: sessions.clone(),
        draining: draining.clone(),
        stop: stop.clone(),
    };
    let (router, connections) = (http::router(parts), others.clone());
    Listener { router, admission, connections, time_max: CONNECTION_TIME_MAX }
}
