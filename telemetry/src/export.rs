//! Where spans go: a collector that speaks OTLP over gRPC.

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanExporter as Exporter},
};
use tracing::warn;

use crate::{Exporting, Service, Tracer, trace::Heed};

/// Spans that wait to be sent; more are dropped.
const SPANS_WAITING_MAX: usize = 4_096;
/// Between two sendings.
const EXPORT_EVERY: Duration = Duration::from_secs(1);
/// How long the collector may take for one.
const EXPORT_WAIT: Duration = Duration::from_secs(5);
/// How long a stop waits for the last.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// The traces of one process. Sends them, where they are on.
pub struct Traces {
    pub(crate) provider: Option<SdkTracerProvider>,
    tracer: Tracer,
}

impl Traces {
    /// Sends spans to a collector, if there is one. To be called within the runtime that sends them.
    pub fn start(
        service: Service,
        exporting: Option<&Exporting>,
        heed: Heed,
    ) -> Result<Self, ExporterBuildError> {
        let Some(Exporting { endpoint, ratio }) = exporting else {
            return Ok(Self { provider: None, tracer: Tracer::default() });
        };
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_WAIT);
        Ok(Self::by(exporter.build()?, service, *ratio, heed))
    }

    pub(crate) fn by(exporter: impl Exporter + 'static, service: Service, ratio: f64, heed: Heed) -> Self {
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(SPANS_WAITING_MAX)
            .with_scheduled_delay(EXPORT_EVERY)
            .build();
        let resource = Resource::builder()
            .with_service_name(service.name)
            .with_attribute(KeyValue::new("service.version", service.version));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            // What is not to be written never becomes a span: Tracer decides.
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        let tracer = Tracer::new(provider.tracer(service.name), ratio, heed);
        Self { provider: Some(provider), tracer }
    }

    /// Who begins traces.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what waits.
    pub async fn stop(self) {
        let Some(provider) = self.provider else { return };
        // It blocks: a collector that hangs must not hold a worker of the runtime.
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(STOP_WAIT)).await;
        if let Ok(Err(error)) = stopped {
            warn!(%error, "the last traces were not sent");
        }
    }
}
