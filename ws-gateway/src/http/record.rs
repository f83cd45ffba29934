//! What every HTTP request passes: its time and its reason in metrics, its span where it is traced.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::Method;
use telemetry::{Tracer, trace};
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Where requests are recorded.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) metrics: Metrics,
    pub(super) tracer: Tracer,
}

/// Why a request was refused: an extension of its answer.
#[derive(Clone)]
pub(super) struct Reason(pub(super) String);

pub(super) async fn record(State(record): State<Record>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // A path or method that nobody has must not become a label.
    let route = request.extensions().get::<MatchedPath>().map_or("_OTHER", MatchedPath::as_str).to_owned();
    let method = if request.method() == Method::GET {
        "GET"
    } else if request.method() == Method::POST {
        "POST"
    } else {
        "_OTHER"
    };
    let caller = trace::caller(request.headers());
    let span = record.tracer.accept(method, caller.as_ref());
    span.rename(|| format!("{method} {route}"));
    let answer = span.within(next.run(request)).await;
    let status = answer.status();
    if let Some(Reason(reason)) = answer.extensions().get() {
        record.metrics.refused(reason.clone());
    }
    record.metrics.requested(method, route, status.as_u16(), began.elapsed());
    span.end(status.is_server_error().then(|| status.as_str()));
    answer
}
