//! Metrics, and the port where Prometheus finds them.

use std::{io, net::SocketAddr};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkError,
    metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream},
};
use prometheus::{Registry, TextEncoder, process_collector::ProcessCollector};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::Service;

/// The commit of the sources, where the build was told.
const REVISION: &str = match option_env!("TE_BUILD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Bounds of every histogram of seconds. OpenTelemetry's own begin at 5 s of a seconds metric.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of one service.
pub struct Metrics {
    /// Owns the instruments: they stop counting when it goes.
    provider: SdkMeterProvider,
    registry: Registry,
    service: Service,
}

impl Metrics {
    /// What every process tells: which build it is, and what it uses of the machine.
    pub fn new(service: Service) -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let process = registry.register(Box::new(ProcessCollector::for_self()));
        process.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_view(in_seconds).build();
        let metrics = Self { provider, registry, service };
        metrics.tell_build();
        Ok(metrics)
    }

    /// Makes instruments. A histogram with the unit "s" gets bounds that fit.
    pub fn meter(&self) -> Meter {
        self.provider.meter(self.service.name)
    }

    fn tell_build(&self) {
        let Service { name, version } = self.service;
        let build = [
            KeyValue::new("service", name),
            KeyValue::new("version", version),
            KeyValue::new("revision", REVISION),
        ];
        self.meter()
            .u64_observable_gauge("ticketengine.build_info")
            .with_description("Which build this is; always 1")
            .with_callback(move |gauge| gauge.observe(1, &build))
            .build();
    }

    /// Takes the address; what it returns serves /metrics until told to stop.
    pub async fn serve(
        &self,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let listener = TcpListener::bind(address).await?;
        info!(address = %listener.local_addr()?, "serving /metrics");
        let router = Router::new().route("/metrics", get(scrape)).with_state(self.registry.clone());
        let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        Ok(async move {
            if let Err(error) = server.await {
                error!(%error, "/metrics is not served any more");
            }
        })
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
    // A panic is how a test reports.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn seconds_have_fine_buckets_and_no_scope_and_the_process_is_told_of() {
        let metrics = Metrics::new(Service { name: "tester", version: "1.2.3" }).unwrap();
        metrics.meter().f64_histogram("rpc.server.call.duration").with_unit("s").build().record(0.0004, &[]);
        let text = TextEncoder::new().encode_to_string(&metrics.registry.gather()).unwrap();
        let build = "ticketengine_build_info{revision=\"unknown\",service=\"tester\",version=\"1.2.3\"} 1";
        for line in [
            "rpc_server_call_duration_seconds_bucket{le=\"0.0005\"} 1",
            build,
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("otel_scope"), "{text}");
    }
}
