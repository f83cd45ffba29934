// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use tokio_util::task::TaskTracker;

use super::*;
use crate::{Service, Traces};

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
fn a_call_is_found_by_its_callers_trace_whether_it_is_traced_or_not() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    let caller = parse(SAMPLED).unwrap();
    let [(some, _), (none, _)] = [traces(1.0, Heed::Nobody), traces(0.0, Heed::Nobody)];
    for (tracer, goes_on) in [(Tracer::default(), "01"), (some.tracer(), "01"), (none.tracer(), "00")] {
        let call = tracer.accept("Reserve", Some(&caller));
        assert_eq!(call.id(), caller.trace_id());
        let told = call.child("rpc").traceparent().unwrap();
        assert!(told.contains(&caller.trace_id().to_string()) && told.ends_with(goes_on), "{told}");
    }
    // Who is called in turn hears what was decided, also where nobody has named a trace.
    let call = none.tracer().accept("Reserve", None);
    assert!(call.traceparent().unwrap().ends_with("-00") && !call.is_on());
    assert_eq!(call.id(), call.id());
    let off = Tracer::default().accept("Reserve", None);
    assert!(off.traceparent().is_none() && off.id() != off.id());
}

#[test]
fn a_strangers_wish_is_not_heard() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    let (traces, exporter) = traces(0.0, Heed::Callers);
    traces.tracer().accept_stranger("GetEvent", parse(SAMPLED).as_ref()).end(None);
    assert_eq!(sent(&traces, &exporter).len(), 0);
}

#[test]
fn nonsense_is_no_trace() {
    for nonsense in
        ["", "00", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "\u{fc}"]
    {
        assert!(parse(nonsense).is_none(), "{nonsense}");
    }
}
