//! Traces: spans of the calls that are sampled, and next to no work for the others.
//!
//! A call that is traced, or that came with a trace, is in OpenTelemetry's context of its task; work that goes on in another
//! task takes its [`Trace`] along.

use std::{borrow::Cow, future::poll_fn, pin::pin, sync::Arc, time::SystemTime};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, TextMapPropagator},
    trace::{
        SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    },
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracer};

/// The header, and the metadata key, of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";

/// Whose word counts on whether a call is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// Who calls has decided, where the call comes with a trace.
    Callers,
    /// Strangers call: they may say to which trace a call belongs, and not that it is written down. What they call in turn
    /// is told what was decided.
    Nobody,
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

impl Tracer {
    pub(crate) fn new(tracer: SdkTracer, ratio: f64, heed: Heed) -> Self {
        Self(Some(Arc::new(Sampling { tracer, ratio, heed })))
    }

    /// Begins the span of a call that comes in, where it is to be traced.
    pub fn accept(&self, name: &'static str, caller: Option<&SpanContext>) -> Trace {
        self.begin(name, caller, caller.filter(|_| self.heeds()))
    }

    /// The same for a call that everybody may make: the ratio alone decides.
    pub fn accept_stranger(&self, name: &'static str, caller: Option<&SpanContext>) -> Trace {
        self.begin(name, caller, None)
    }

    fn heeds(&self) -> bool {
        self.0.as_ref().is_some_and(|sampling| sampling.heed == Heed::Callers)
    }

    fn begin(
        &self,
        name: &'static str,
        caller: Option<&SpanContext>,
        decided: Option<&SpanContext>,
    ) -> Trace {
        let within = |caller: &SpanContext| Context::new().with_remote_span_context(caller.clone());
        let Some(sampling) = &self.0 else { return Trace(caller.map(within)) };
        if !decided.map_or_else(|| rand::random_bool(sampling.ratio), SpanContext::is_sampled) {
            return match caller {
                Some(caller) => Trace(Some(within(&untraced(caller.trace_id(), caller.span_id())))),
                // So that who is called in turn does not decide otherwise.
                None if sampling.heed == Heed::Nobody => Trace(Some(within(&untraced_anew()))),
                None => Trace::default(),
            };
        }
        let parent = caller.map_or_else(Context::new, within);
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server);
        let span = span.start_with_context(&sampling.tracer, &parent);
        Trace(Some(parent.with_span(span).with_value(sampling.tracer.clone())))
    }
}

fn untraced(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(trace, span, TraceFlags::default(), true, TraceState::default())
}

fn untraced_anew() -> SpanContext {
    untraced(TraceId::from(rand::random::<u128>()), SpanId::from(rand::random::<u64>()))
}

/// A call under way: traced, or only known by the trace that it came with, or neither. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Context>);

impl Trace {
    /// The one of this task.
    pub fn current() -> Self {
        Self(Context::map_current(|context| context.has_active_span().then(|| context.clone())))
    }

    /// Whether spans are made of it.
    pub fn is_on(&self) -> bool {
        self.tracer().is_some()
    }

    fn tracer(&self) -> Option<&SdkTracer> {
        self.0.as_ref()?.get::<SdkTracer>()
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

    /// Begins a span below this one, for a call to somebody else. Where there are no spans, it is this one.
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.begin(name.into(), SystemTime::now(), Vec::new()).unwrap_or_else(|| self.clone())
    }

    /// A span below this one, of a call to somebody else that has come to its end.
    pub(crate) fn record(
        &self,
        name: Cow<'static, str>,
        began: SystemTime,
        attributes: Vec<KeyValue>,
        error: Option<&str>,
    ) {
        if let Some(span) = self.begin(name, began, attributes) {
            span.end(error);
        }
    }

    fn begin(&self, name: Cow<'static, str>, began: SystemTime, attributes: Vec<KeyValue>) -> Option<Self> {
        let (context, tracer) = (self.0.as_ref()?, self.tracer()?);
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_start_time(began);
        let span = span.with_attributes(attributes).start_with_context(tracer, context);
        Some(Self(Some(context.with_span(span))))
    }

    /// Gives the span a name that is known late. `name` is asked only where there is one.
    pub fn rename(&self, name: impl FnOnce() -> String) {
        if let Some(context) = self.0.as_ref().filter(|_| self.is_on()) {
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
        let Some(context) = self.0.as_ref().filter(|_| self.is_on()) else { return };
        if let Some(error) = error {
            context.span().set_status(Status::error(error.to_owned()));
        }
        context.span().end();
    }

    /// What a call to somebody else has to carry, so that it belongs here.
    pub fn traceparent(&self) -> Option<String> {
        let span = self.0.as_ref()?.span().span_context().clone();
        Some(format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
    }

    /// By what a call is found in logs, errors and traces: its trace, or a new name where it has none.
    pub fn id(&self) -> TraceId {
        let own = self.0.as_ref().map(|context| context.span().span_context().trace_id());
        own.unwrap_or_else(|| TraceId::from(rand::random::<u128>()))
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
