//! The gRPC server: wire types in, use cases, wire types out.

mod answer;
mod booking;
mod calls;
mod connection;
mod convert;
mod deadline;
mod event;
mod front;
mod health;
mod status;
mod watch;

pub use front::{FrontLayer, FrontService};
pub use status::DOMAIN;

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::Meter;
use telemetry::Tracer;
use ticketengine::v1::{
    booking_service_server::BookingServiceServer, event_service_server::EventServiceServer,
};
use tokio::net::TcpListener;
use tonic::{
    Request, Status,
    transport::{Server, ServerTlsConfig},
};

use self::{
    booking::{Booking, Layouts},
    event::Events,
    health::Health,
};
use crate::{
    booking::Engine,
    identity::{self, Auth, Caller},
    limits,
    tasks::Tasks,
};

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Certificate, key and client CA; plain text where absent.
    pub tls: Option<ServerTlsConfig>,
    /// Connections of clients at once.
    pub connections_max: usize,
    /// Calls under way at once.
    pub calls_max: usize,
    /// Closes connections of this age, so that clients behind a plain load balancer spread again.
    pub connection_age_max: Option<Duration>,
    /// At a stop, how long calls under way may take.
    pub grace: Duration,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its certificates do not work, or its listener failed.
    #[error("gRPC server: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The embedded schema is broken.
    #[error("server reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves until `shutdown`, then lets calls under way finish, for at most the grace time.
pub async fn serve(
    options: Options,
    engine: Engine,
    auth: Arc<Auth>,
    meter: &Meter,
    tracer: Tracer,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health::new(reporter).await;
    let watchdog = Tasks::default();
    let (ready, stopping) = (engine.clone(), watchdog.stopping());
    let ready = move || {
        let engine = ready.clone();
        async move { engine.ready().await }
    };
    watchdog.spawn("health", health.clone().follow(ready, stopping));

    let front = FrontLayer::new(auth, options.calls_max, meter, tracer);
    let booking = BookingServiceServer::new(Booking {
        engine: engine.clone(),
        stream_age_max: options.connection_age_max,
        layouts: Layouts::default(),
    })
    .max_decoding_message_size(limits::BOOKING_REQUEST_BYTES_MAX);
    let events = EventServiceServer::new(Events { engine: engine.clone() })
        .max_decoding_message_size(limits::EVENT_REQUEST_BYTES_MAX);
    let router = server(&options)?
        .layer(front)
        .add_service(booking)
        .add_service(events)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);

    // Fires when the server has been told to stop: from then on the grace time runs.
    let draining = tokio_util::sync::CancellationToken::new();
    let stop = async {
        shutdown.await;
        // First of all: balancers learn that new calls belong elsewhere.
        watchdog.stop(limits::READY_WAIT).await;
        health.end_watches().await;
        engine.end_watches();
        draining.cancel();
    };
    let incoming = connection::accept(listener, options.connections_max);
    let serving = router.serve_with_incoming_shutdown(incoming, stop);
    let overdue = async {
        draining.cancelled().await;
        tokio::time::sleep(options.grace).await;
    };
    tokio::select! {
        result = serving => Ok(result?),
        () = overdue => {
            tracing::warn!(grace = ?options.grace, "some calls took longer than the grace time and were cut off");
            Ok(())
        }
    }
}

fn server(options: &Options) -> Result<Server, tonic::transport::Error> {
    let mut server = Server::builder()
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
        .http2_max_header_list_size(limits::HEADER_BYTES_MAX)
        // tonic 0.14 takes hyper's limit away where none is given.
        .http2_max_local_error_reset_streams(Some(limits::ERROR_RESETS_MAX))
        .http2_keepalive_interval(Some(limits::HTTP2_PING_EVERY))
        .http2_keepalive_timeout(Some(limits::HTTP2_PING_WAIT));
    if let Some(age) = options.connection_age_max {
        // Not with `max_connection_age_grace`: tonic 0.14 then skips the GOAWAY and cuts calls off.
        server = server.max_connection_age(age);
    }
    match &options.tls {
        Some(tls) => server.tls_config(tls.clone().timeout(limits::TLS_HANDSHAKE_WAIT)),
        None => Ok(server),
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(ticketengine::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that grpcurl can show the details of an error.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

/// Takes a request apart: who calls, as the front layer found, and what for.
fn caller<T>(mut request: Request<T>) -> Result<(Caller, T), Status> {
    let caller = request.extensions_mut().remove().ok_or(identity::Error::TokenMissing)?;
    Ok((caller, request.into_inner()))
}
