//! Logs and metrics.

use std::io::{IsTerminal, stderr};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::{
    error::OTelSdkError,
    metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream},
};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Bounds of every histogram of seconds. OpenTelemetry's own begin at 5 s of a seconds metric.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Logs to standard error. Only the program calls this, once: it is the process's own.
pub fn log(Log { filter, format }: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    match format {
        LogFormat::Human => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

/// The metrics of one service.
pub struct Metrics {
    /// Owns the instruments: they stop counting when it goes.
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Metrics {
    /// An empty set of metrics.
    pub fn new() -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_view(in_seconds).build();
        Ok(Self { provider, registry })
    }

    /// Makes instruments. A histogram with the unit "s" gets bounds that fit.
    pub fn meter(&self) -> Meter {
        self.provider.meter("booking-svc")
    }

    /// Serves /metrics until told to stop.
    pub fn serve(
        &self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> impl Future<Output = std::io::Result<()>> + use<> {
        let router = Router::new().route("/metrics", get(scrape)).with_state(self.registry.clone());
        let server = axum::serve(listener, router);
        async move { server.with_graceful_shutdown(stop.cancelled_owned()).await }
    }
}

fn in_seconds(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || instrument.unit() != "s" {
        return None;
    }
    let buckets =
        Aggregation::ExplicitBucketHistogram { boundaries: SECONDS.to_vec(), record_min_max: false };
    Stream::builder().with_aggregation(buckets).build().ok()
}

async fn scrape(State(registry): State<Registry>) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => (StatusCode::OK, [("content-type", prometheus::TEXT_FORMAT)], text),
        Err(error) => {
            let text = error.to_string();
            (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain")], text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_fine_buckets_and_no_scope() {
        let metrics = Metrics::new().unwrap();
        metrics.meter().f64_histogram("rpc.server.call.duration").with_unit("s").build().record(0.0004, &[]);
        let text = TextEncoder::new().encode_to_string(&metrics.registry.gather()).unwrap();
        assert!(text.contains("rpc_server_call_duration_seconds_bucket{le=\"0.0005\"} 1"), "{text}");
        assert!(!text.contains("otel_scope"), "{text}");
    }
}
