//! Calls to booking-svc for one command: with the customer's token, a deadline, and retries at other replicas.

use std::{future::Future, time::Duration};

use rand::Rng;
use ticketengine::v1::{self, booking_service_client::BookingServiceClient};
use tokio::time::{Instant, sleep};
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
};
use tonic_types::StatusExt;

use super::refusal::{is_answer, retry_info};
use crate::upstream::{Service, Targets};

/// How often a call is tried. All are idempotent: the ids in them make a repeat find the first one's work.
const ATTEMPTS_MAX: u32 = 4;
/// One attempt. The service tells of an outage of its stores in under a second.
const ATTEMPT_WAIT_MAX: Duration = Duration::from_secs(3);
/// All attempts and the pauses between them: the longest that a client waits for its reply.
const CALL_WAIT_MAX: Duration = Duration::from_secs(8);
/// The longest RetryInfo that is waited out here; a longer one is the client's to wait.
const RETRY_INFO_MAX: Duration = Duration::from_secs(1);
/// The least pause before the second retry where nobody says; doubles. The first retry is at once.
const PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(ATTEMPT_WAIT_MAX.as_millis() * 2 < CALL_WAIT_MAX.as_millis());

/// Makes calls for one customer.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) targets: Targets,
    pub(super) authorization: MetadataValue<Ascii>,
}

type Client = BookingServiceClient<Service>;
type Answer<R> = Result<Response<R>, Status>;

impl Calls {
    pub(super) async fn reserve(&self, request: v1::ReserveRequest) -> Result<v1::ReserveResponse, Status> {
        self.call(
            "ticketengine.booking.v1.BookingService/Reserve",
            request,
            |mut client, request| async move { client.reserve(request).await },
        )
        .await
    }

    pub(super) async fn extend(&self, request: v1::ExtendRequest) -> Result<v1::ExtendResponse, Status> {
        self.call(
            "ticketengine.booking.v1.BookingService/Extend",
            request,
            |mut client, request| async move { client.extend(request).await },
        )
        .await
    }

    pub(super) async fn release(&self, request: v1::ReleaseRequest) -> Result<v1::ReleaseResponse, Status> {
        self.call(
            "ticketengine.booking.v1.BookingService/Release",
            request,
            |mut client, request| async move { client.release(request).await },
        )
        .await
    }

    pub(super) async fn confirm(&self, request: v1::ConfirmRequest) -> Result<v1::ConfirmResponse, Status> {
        self.call(
            "ticketengine.booking.v1.BookingService/Confirm",
            request,
            |mut client, request| async move { client.confirm(request).await },
        )
        .await
    }

    pub(super) async fn get_reservation(
        &self,
        request: v1::GetReservationRequest,
    ) -> Result<v1::GetReservationResponse, Status> {
        self.call(
            "ticketengine.booking.v1.BookingService/GetReservation",
            request,
            |mut client, request| async move { client.get_reservation(request).await },
        )
        .await
    }

    /// Tries until the service answers for good, or attempts or time are used up.
    async fn call<Q, R, M, F>(&self, rpc: &'static str, request: Q, method: M) -> Result<R, Status>
    where
        Q: Clone,
        M: Fn(Client, Request<Q>) -> F,
        F: Future<Output = Answer<R>>,
    {
        let end = Instant::now() + CALL_WAIT_MAX;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let target = self.targets.pick();
            let wait = ATTEMPT_WAIT_MAX.min(end.saturating_duration_since(Instant::now()));
            let mut wire = Request::new(request.clone());
            wire.set_timeout(wait);
            wire.metadata_mut().insert("authorization", self.authorization.clone());
            if attempt > 1 {
                wire.metadata_mut().insert(ticketengine::REPEAT_METADATA, MetadataValue::from_static("1"));
            }
            let call = method(Client::new(target.channel.clone()), wire);
            let status = match self.targets.attempt(rpc, wait, call).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let pause = match next_step(&status, attempt) {
                Next::Elsewhere(pause) => {
                    tracing::debug!(address = %target.address, %status, attempt, "a call was not answered");
                    self.targets.failed(&target);
                    pause
                }
                Next::Again(pause) => pause,
                Next::Give => return Err(status),
            };
            if attempt == ATTEMPTS_MAX || Instant::now() + pause >= end {
                return Err(status);
            }
            sleep(pause).await;
        }
    }
}

/// What to do about a failed attempt.
#[derive(Debug, PartialEq)]
enum Next {
    /// The target did not answer: try another, after the pause.
    Elsewhere(Duration),
    /// The service has asked for patience.
    Again(Duration),
    /// The answer is for the client.
    Give,
}

fn next_step(status: &Status, attempt: u32) -> Next {
    let details = status.get_error_details();
    let pause = match attempt {
        1 => Duration::ZERO,
        // Spread, so that those whom one replica's end has sent away do not come to the next in step.
        _ => (PAUSE * (1 << (attempt - 2))).mul_f64(rand::rng().random_range(1.0..2.0)),
    };
    if !is_answer(&details) {
        return Next::Elsewhere(pause);
    }
    match status.code() {
        Code::Unavailable => match retry_info(&details) {
            Some(wait) if wait > RETRY_INFO_MAX => Next::Give,
            wait => Next::Again(wait.unwrap_or(pause)),
        },
        Code::DeadlineExceeded => Next::Again(pause),
        _ => Next::Give,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::booking_stub::refusal;

    #[test]
    fn what_to_do_about_a_failure() {
        let ms = Duration::from_millis;
        let ours = |code, retry| refusal(code, "REASON", retry);
        let table = [
            (Status::unknown("transport error"), Next::Elsewhere(ms(0))),
            (Status::cancelled("connection reset"), Next::Elsewhere(ms(0))),
            (Status::internal("h2 protocol error"), Next::Elsewhere(ms(0))),
            (Status::unavailable("connection refused"), Next::Elsewhere(ms(0))),
            (ours(Code::Unavailable, None), Next::Again(ms(0))),
            (ours(Code::Unavailable, Some(ms(1_000))), Next::Again(ms(1_000))),
            (ours(Code::Unavailable, Some(ms(1_001))), Next::Give),
            (ours(Code::DeadlineExceeded, None), Next::Again(ms(0))),
            (ours(Code::Aborted, Some(ms(250))), Next::Give),
            (ours(Code::FailedPrecondition, Some(ms(1))), Next::Give),
            (ours(Code::Internal, None), Next::Give),
            (ours(Code::Unauthenticated, None), Next::Give),
        ];
        for (status, next) in table {
            assert_eq!(next_step(&status, 1), next, "{status}");
        }
    }

    #[test]
    fn pauses_grow_and_are_spread() {
        for (attempt, ms) in [(2, 100..=200), (3, 200..=400)] {
            let Next::Elsewhere(pause) = next_step(&Status::unknown(""), attempt) else { panic!() };
            assert!(ms.contains(&pause.as_millis()), "{attempt}: {pause:?}");
        }
    }
}
