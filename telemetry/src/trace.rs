//! Traces: spans of the calls that are sampled, and next to no work for the others.
//!
//! A span that is open is in OpenTelemetry's context of the task; work that goes on in another task takes its [`Trace`] along.

use std::{
    borrow::Cow,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, TextMapPropagator},
    trace::{
        SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TracerProvider,
    },
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanExporter as Exporter},
};
use tracing::warn;

use crate::{Exporting, Service};

/// The header, and the metadata key, of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";

/// Spans that wait to be sent; more are dropped.
const SPANS_WAITING_MAX: usize = 4_096;
/// Between two sendings.
const EXPORT_EVERY: Duration = Duration::from_secs(1);
/// How long the collector may take for one.
const EXPORT_WAIT: Duration = Duration::from_secs(5);
/// How long a stop waits for the last.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Whose word counts on whether a call is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// Who calls has decided, where the call comes with a trace.
    Callers,
    /// Strangers call: they may say to which trace a call belongs, and not that it is written down.
    Nobody,
}

/// The traces of one process. Sends them, where they are on.
pub struct Traces {
    provider: Option<SdkTracerProvider>,
    tracer: Tracer,
}

/// Begins traces, or none where they are off. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Sampling>>);

#[derive(Debug)]
struct Sampling {
    tracer: SdkTracer,
    ratio: f64,
    heed: Heed,
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

    fn by(exporter: impl Exporter + 'static, service: Service, ratio: f64, heed: Heed) -> Self {
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(SPANS_WAITING_MAX)
            .with_scheduled_delay(EXPORT_EVERY)
            .build();
        let resource = Resource::builder()
            .with_service_name(service.name)
            .with_attribute(KeyValue::new("service.version", service.version));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        let tracer = provider.tracer(service.name);
        let tracer = Tracer(Some(Arc::new(Sampling { tracer, ratio, heed })));
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

impl Tracer {
    /// Begins the span of a call that comes in, where it is to be traced.
    pub fn accept(&self, name: &'static str, caller: Option<&SpanContext>) -> Trace {
        let Some(sampling) = &self.0 else { return Trace::default() };
        let decided = caller.filter(|_| sampling.heed == Heed::Callers);
        if !decided.map_or_else(|| rand::random_bool(sampling.ratio), SpanContext::is_sampled) {
            return Trace::default();
        }
        let parent = match caller {
            Some(caller) => Context::new().with_remote_span_context(sampled(caller)),
            None => Context::new(),
        };
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server);
        let span = span.start_with_context(&sampling.tracer, &parent);
        Trace(Some(parent.with_span(span).with_value(sampling.tracer.clone())))
    }
}

/// The SDK does not write what belongs to an unsampled span.
fn sampled(caller: &SpanContext) -> SpanContext {
    let (flags, state) = (TraceFlags::SAMPLED, caller.trace_state().clone());
    SpanContext::new(caller.trace_id(), caller.span_id(), flags, true, state)
}

/// A call under way, as far as it is traced. Cheap to clone; the default is one that is not.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Context>);

impl Trace {
    /// The one of this task.
    pub fn current() -> Self {
        Self(Context::map_current(|context| context.has_active_span().then(|| context.clone())))
    }

    /// Whether it is traced.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Does `work` as a part of it.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|task| {
            let _open = self.0.clone().map(Context::attach);
            work.as_mut().poll(task)
        })
        .await
    }

    /// Begins a span below this one, for a call to somebody else.
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.begin(name.into(), SystemTime::now(), Vec::new())
    }

    /// A span below this one, of a call to somebody else that has come to its end.
    pub(crate) fn record(
        &self,
        name: Cow<'static, str>,
        began: SystemTime,
        attributes: Vec<KeyValue>,
        error: Option<&str>,
    ) {
        self.begin(name, began, attributes).end(error);
    }

    fn begin(&self, name: Cow<'static, str>, began: SystemTime, attributes: Vec<KeyValue>) -> Self {
        let tracer = |context: &Context| context.get::<SdkTracer>().cloned();
        let Some((context, tracer)) = self.0.as_ref().and_then(|context| Some((context, tracer(context)?)))
        else {
            return Self::default();
        };
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_start_time(began);
        let span = span.with_attributes(attributes).start_with_context(&tracer, context);
        Self(Some(context.with_span(span)))
    }

    /// Gives the span a name that is known late. `name` is asked only where there is one.
    pub fn rename(&self, name: impl FnOnce() -> String) {
        if let Some(context) = &self.0 {
            context.span().update_name(name());
        }
    }

    /// Says more about the span.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Ends the span, well or by an error. A clone that still lives changes nothing any more.
    pub fn end(&self, error: Option<&str>) {
        let Some(context) = &self.0 else { return };
        if let Some(error) = error {
            context.span().set_status(Status::error(error.to_owned()));
        }
        context.span().end();
    }

    /// What a call to somebody else has to carry, so that its spans belong here.
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        let span = context.span().span_context().clone();
        Some(format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
    }

    /// By what a call is found in logs, errors and traces: its trace, its caller's, or a new one.
    pub fn id(&self, caller: Option<&SpanContext>) -> TraceId {
        let own = self.0.as_ref().map(|context| context.span().span_context().trace_id());
        own.or(caller.map(SpanContext::trace_id)).unwrap_or_else(|| TraceId::from(rand::random::<u128>()))
    }
}

/// The trace that a call comes with.
pub fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    parse(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// Reads a `traceparent`. None where it is none.
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Parent(traceparent));
    let caller = context.span().span_context().clone();
    caller.is_valid().then_some(caller)
}

struct Parent<'a>(&'a str);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
