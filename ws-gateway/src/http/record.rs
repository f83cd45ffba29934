//! What every HTTP request passes: its time and its reason in metrics, its span where it is traced, a line where it failed.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Method, StatusCode};
use telemetry::{Trace, trace};
use tokio::time::Instant;
use tracing::warn;

use crate::{metrics::Metrics, session::Reports};

/// As metrics name the status of a request whose client went away before its answer.
const GONE: u16 = 499;

/// Where requests are recorded.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) metrics: Metrics,
    pub(super) reports: Reports,
}

/// Why a request was refused: an extension of its answer.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) reason: String,
    /// Where it is nothing that the client has done.
    pub(super) trace_id: Option<String>,
}

pub(super) async fn record(State(record): State<Record>, request: Request, next: Next) -> Response {
    let under_way = UnderWay::begin(&record, &request);
    let answer = under_way.trace.within(next.run(request)).await;
    under_way.end(answer.status(), answer.extensions().get());
    answer
}

/// A request under way. Dropped before its end, its client has gone.
struct UnderWay<'a> {
    record: &'a Record,
    began: Instant,
    method: &'static str,
    route: String,
    trace: Trace,
    status: u16,
}

impl<'a> UnderWay<'a> {
    fn begin(record: &'a Record, request: &Request) -> Self {
        // A path or method that nobody has must not become a label.
        let route =
            request.extensions().get::<MatchedPath>().map_or("_OTHER", MatchedPath::as_str).to_owned();
        let method = match *request.method() {
            Method::GET => "GET",
            Method::POST => "POST",
            _ => "_OTHER",
        };
        let caller = trace::caller(request.headers());
        let trace = record.reports.tracer.accept(method, caller.as_ref());
        trace.rename(|| format!("{method} {route}"));
        Self { record, began: Instant::now(), method, route, trace, status: GONE }
    }

    fn end(mut self, status: StatusCode, refused: Option<&Refused>) {
        self.status = status.as_u16();
        let Some(Refused { reason, trace_id }) = refused else { return };
        self.record.metrics.refused(reason.clone());
        if trace_id.is_some()
            && let Some(silenced) = self.record.reports.outages.pass(Instant::now())
        {
            warn!(route = self.route, reason, trace_id, silenced, "a request was not served");
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let (route, took) = (std::mem::take(&mut self.route), self.began.elapsed());
        self.record.metrics.requested(self.method, route, self.status, took);
        self.trace.set("http.response.status_code", i64::from(self.status));
        self.trace.end((self.status >= 500).then_some("not served"));
    }
}
