//! One call to booking-svc: how long it took, whose it is, and at which replica it is tried.

use std::time::Duration;

use telemetry::{Trace, trace::TRACEPARENT};
use tokio::time::{Instant, timeout};
use tonic::{
    Code, Request, Response, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_types::StatusExt;
use tracing::debug;

use super::{Error, Targets};
use crate::limits::CALL_ATTEMPTS_MAX;

/// A channel whose calls say to which trace they belong.
pub type Service = InterceptedService<Channel, Traced>;

/// See [`Service`].
#[derive(Clone, Copy, Debug)]
pub struct Traced;

impl Interceptor for Traced {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let traceparent = Trace::current().traceparent().and_then(|text| text.parse().ok());
        if let Some(traceparent) = traceparent {
            request.metadata_mut().insert(TRACEPARENT, traceparent);
        }
        Ok(request)
    }
}

impl Targets {
    /// Makes a call once. No answer within `wait` is a status without details, as that of a broken connection is.
    pub(crate) async fn attempt<T>(
        &self,
        rpc: &'static str,
        wait: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        let (began, trace) = (Instant::now(), Trace::current().child(rpc));
        let answer = match timeout(wait, trace.within(call)).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        };
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        self.metrics().called(rpc, code, began.elapsed());
        trace.end(answer.as_ref().err().map(Status::message));
        answer
    }
}

/// Asks one replica after the other until one answers; each has `wait`. Only for questions: they may be repeated.
pub(super) async fn ask<T, Answer>(
    targets: &Targets,
    rpc: &'static str,
    wait: Duration,
    question: impl Fn(Service) -> Answer,
) -> Result<T, Error>
where
    Answer: Future<Output = Result<Response<T>, Status>>,
{
    let mut error = Error::Unreachable;
    for _ in 0..CALL_ATTEMPTS_MAX {
        let target = targets.pick();
        match targets.attempt(rpc, wait, question(target.channel.clone())).await {
            Ok(answer) => return Ok(answer),
            // All of booking-svc's own answers name a reason; without one, nobody answered.
            Err(status) if status.get_details_error_info().is_some() => {
                let elsewhere = status.code() == Code::Unavailable;
                error = Error::Refused(status);
                if !elsewhere {
                    break;
                }
            }
            Err(status) => {
                debug!(address = target.address, %status, "no answer");
                targets.failed(&target);
            }
        }
    }
    Err(error)
}
