//! The record of calls: one metric, one span where it is traced, and one log line where something is wrong.

use std::time::Duration;

use http::{Request, Response};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};
use telemetry::{Throttle, Trace, Tracer, trace};
use ticketengine::code_name;
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tracing::{Level, debug, enabled, error, warn};

use super::status;
use crate::identity::{Rpc, access};

/// Where calls are recorded.
pub(super) struct Calls {
    durations: Histogram<f64>,
    outages: Throttle,
    tracer: Tracer,
}

impl Calls {
    /// Records to `rpc.server.call.duration`, as the semantic conventions of OpenTelemetry name it.
    pub(super) fn new(meter: &Meter, tracer: Tracer) -> Self {
        let durations = meter
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .with_description("How long calls took, up to the headers of the answer.")
            .build();
        Self { durations, outages: Throttle::default(), tracer }
    }

    fn record(&self, rpc: Option<Rpc>, code: Code, took: Duration) {
        // A path that nobody has must not become a label.
        let method = rpc.map_or("_OTHER", Rpc::name);
        self.durations.record(
            took.as_secs_f64(),
            &[
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method),
                KeyValue::new("rpc.response.status_code", code_name(code)),
            ],
        );
    }

    fn log(&self, rpc: Option<Rpc>, status: &Status, trace_id: &str) {
        let (rpc, why, code) = (rpc.map_or("_OTHER", Rpc::name), status.message(), code_name(status.code()));
        match status.code() {
            Code::Ok => {}
            Code::Internal | Code::Unknown | Code::DataLoss => {
                error!(rpc, code, why, trace_id, "call failed");
            }
            Code::Unavailable | Code::DeadlineExceeded => {
                if let Some(silenced) = self.outages.pass(Instant::now()) {
                    warn!(rpc, code, why, silenced, trace_id, "call not served");
                }
            }
            Code::Cancelled
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => debug!(rpc, code, why, trace_id, "call refused"),
        }
    }
}

/// Whether it is logged in a service that logs no refusals.
fn is_outage(code: Code) -> bool {
    matches!(
        code,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable | Code::DeadlineExceeded
    )
}

/// A call under way. Dropped before its end, it counts as cancelled: the client went away.
pub(super) struct Call<'a> {
    calls: &'a Calls,
    rpc: Option<Rpc>,
    started: Instant,
    code: Code,
    pub(super) trace: Trace,
}

impl<'a> Call<'a> {
    pub(super) fn begin<B>(
        calls: &'a Calls,
        rpc: Option<Rpc>,
        request: &Request<B>,
        started: Instant,
    ) -> Self {
        let (caller, name) = (trace::caller(request.headers()), rpc.map_or("_OTHER", Rpc::name));
        // Who needs no token does not have us write down what he likes.
        let trace = match rpc.and_then(access::roles) {
            Some(_) => calls.tracer.accept(name, caller.as_ref()),
            None => calls.tracer.accept_stranger(name, caller.as_ref()),
        };
        Self { calls, rpc, started, code: Code::Cancelled, trace }
    }

    pub(super) fn end(mut self, answer: Response<Body>) -> Response<Body> {
        // Answers that went well carry their status in the trailers.
        self.code = answer
            .headers()
            .get(Status::GRPC_STATUS)
            .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        // To read a whole status again costs as much as to refuse a seat: only for those who log refusals.
        let (logged, traced) = (is_outage(self.code) || enabled!(Level::DEBUG), self.trace.is_on());
        if !(logged || traced) || self.code == Code::Ok {
            return answer;
        }
        let Some(status) = Status::from_header_map(answer.headers()) else { return answer };
        let trace_id = self.trace.id().to_string();
        if logged {
            self.calls.log(self.rpc, &status, &trace_id);
        }
        status::traced(&status, &trace_id)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.record(self.rpc, self.code, self.started.elapsed());
        let code = code_name(self.code);
        self.trace.set("rpc.response.status_code", code);
        self.trace.end(is_outage(self.code).then_some(code));
    }
}
