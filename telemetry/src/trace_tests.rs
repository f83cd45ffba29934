// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use tokio_util::task::TaskTracker;

use super::*;

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const SERVICE: Service = Service { name: "tester", version: "1" };

fn traces(ratio: f64, heed: Heed) -> (Traces, InMemorySpanExporter) {
    let exporter = InMemorySpanExporter::default();
    (Traces::by(exporter.clone(), SERVICE, ratio, heed), exporter)
}

fn sent(traces: &Traces, exporter: &InMemorySpanExporter) -> Vec<SpanData> {
    traces.provider.as_ref().unwrap().force_flush().unwrap();
    exporter.get_finished_spans().unwrap()
}

#[tokio::test]
async fn spans_of_one_call_belong_together_across_tasks() {
    let (traces, exporter) = traces(0.0, Heed::Callers);
    let call = traces.tracer().accept("Reserve", parse(SAMPLED).as_ref());
    let work =
        async { TaskTracker::new().spawn(Trace::current().child("redis grant").run_to_end()).await.unwrap() };
    call.within(work).await;
    assert!(Trace::current().0.is_none(), "the span is left behind");
    call.end(Some("taken"));
    let spans = sent(&traces, &exporter);
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["redis grant", "Reserve"]);
    let (inner, outer) = (&spans[0], &spans[1]);
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(outer.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(inner.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(outer.status, Status::error("taken"));
}

impl Trace {
    async fn run_to_end(self) {
        self.within(async {}).await;
        self.end(None);
    }
}

#[test]
fn who_decides_on_sampling() {
    let written = |ratio, heed, caller: Option<&str>| {
        let (traces, exporter) = traces(ratio, heed);
        traces.tracer().accept("Reserve", caller.and_then(parse).as_ref()).end(None);
        sent(&traces, &exporter).len() == 1
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    assert!(written(0.0, Heed::Callers, Some(SAMPLED)));
    assert!(!written(1.0, Heed::Callers, Some(UNSAMPLED)));
    assert!(written(1.0, Heed::Callers, None));
    assert!(!written(0.0, Heed::Callers, None));
    assert!(!written(0.0, Heed::Nobody, Some(SAMPLED)), "a stranger's wish");
    assert!(written(1.0, Heed::Nobody, Some(UNSAMPLED)));
}

#[test]
fn a_call_is_found_by_its_trace_or_its_callers_or_a_new_one() {
    let caller = parse(SAMPLED);
    let off = Tracer::default().accept("Reserve", caller.as_ref());
    assert_eq!(off.id(caller.as_ref()).to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_ne!(off.id(None), off.id(None));
    assert_eq!(off.traceparent(), None);
    let (traces, _) = traces(1.0, Heed::Callers);
    let call = traces.tracer().accept("Reserve", caller.as_ref());
    let told = parse(&call.child("rpc").traceparent().unwrap()).unwrap();
    assert_eq!((told.trace_id(), told.is_sampled()), (caller.unwrap().trace_id(), true));
}

#[test]
fn nonsense_is_no_trace() {
    for nonsense in
        ["", "00", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "\u{fc}"]
    {
        assert!(parse(nonsense).is_none(), "{nonsense}");
    }
}
