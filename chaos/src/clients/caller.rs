//! One attempt of a call, and what was heard.

use std::time::Duration;

use testkit::token::{as_customer, as_role};
use ticketengine::{
    REPEAT_METADATA,
    v1::{
        self, CancelRequest, ConfirmRequest, ExtendRequest, GetReservationRequest, ReleaseRequest,
        ReserveRequest, booking_service_client::BookingServiceClient,
    },
};
use tokio::time::timeout;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};
use tonic_types::StatusExt;

use super::Round;
use crate::history::{Answer, Asked, Booking, Call, Refusal, Reservation, State};

/// Who calls, how it reaches each replica, and what it writes down.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) round: Round,
    pub(crate) client: u32,
    pub(crate) customer: String,
    pub(crate) replicas: Vec<Channel>,
}

/// How an attempt is made.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) replica: usize,
    /// The reservation token, where there is one.
    pub(crate) token: &'a str,
    /// It was sent before.
    pub(crate) is_repeat: bool,
    /// How long the client waits for the answer before it hangs up.
    pub(crate) patience: Duration,
}

/// An answer, its token, and when to come back.
pub(crate) struct Heard {
    pub(crate) answer: Answer,
    pub(crate) token: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// What an answer carries beside the reservation or booking.
type Told = (Answer, Option<String>);

impl Caller {
    /// Makes one attempt and writes it down.
    pub(crate) async fn attempt(&self, asked: &Asked, way: Way<'_>) -> Heard {
        let began_us = self.round.clock.us();
        let (told, retry_after) = match timeout(way.patience, self.send(asked, way)).await {
            Ok(Ok(told)) => (told, None),
            Ok(Err(status)) => {
                let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
                ((refused(&status), None), retry_after)
            }
            Err(_) => ((Answer::Unknown("hung up".into()), None), None),
        };
        let (answer, token) = told;
        let call = Call {
            client: self.client,
            replica: way.replica as u8,
            asked: asked.clone(),
            began_us,
            ended_us: self.round.clock.us(),
            answer: answer.clone(),
        };
        self.round.calls.lock().unwrap().push(call);
        Heard { answer, token, retry_after }
    }

    async fn send(&self, asked: &Asked, way: Way<'_>) -> Result<Told, Status> {
        let mut service = BookingServiceClient::new(self.replicas[way.replica].clone());
        let token = way.token.to_owned();
        let customer_id = String::new();
        match asked.clone() {
            Asked::Reserve { request: request_id, seats: seat_ids, .. } => {
                let event_id = self.round.event.clone();
                let message = ReserveRequest { event_id, seat_ids, request_id, customer_id };
                let mut request = self.signed(message);
                if way.is_repeat {
                    request.metadata_mut().insert(REPEAT_METADATA, MetadataValue::from_static("1"));
                }
                let answer = service.reserve(request).await?.into_inner();
                Ok((reservation(answer.reservation), Some(answer.reservation_token)))
            }
            Asked::Extend { reservation: id } => {
                let message = ExtendRequest { reservation_id: id, reservation_token: token, customer_id };
                let answer = service.extend(self.signed(message)).await?.into_inner();
                Ok((reservation(answer.reservation), Some(answer.reservation_token)))
            }
            Asked::Release { reservation: id } => {
                let message = ReleaseRequest { reservation_id: id, reservation_token: token, customer_id };
                let answer = service.release(self.signed(message)).await?.into_inner();
                Ok((reservation(answer.reservation), None))
            }
            Asked::Look { reservation: id } => {
                let message =
                    GetReservationRequest { reservation_id: id, reservation_token: token, customer_id };
                let answer = service.get_reservation(self.signed(message)).await?.into_inner();
                Ok((reservation(answer.reservation), None))
            }
            Asked::Confirm { reservation: id, payment } => {
                let message = ConfirmRequest {
                    reservation_id: id,
                    payment_reference: payment,
                    reservation_token: token,
                    customer_id,
                };
                Ok((booking(service.confirm(self.signed(message)).await?.into_inner().booking), None))
            }
            Asked::Cancel { reservation: id } => {
                let message = CancelRequest { booking_id: id, customer_id };
                Ok((booking(service.cancel(self.signed(message)).await?.into_inner().booking), None))
            }
        }
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        as_customer(&self.customer, message)
    }
}

/// A request of the organiser.
pub(crate) fn as_admin<T>(message: T) -> Request<T> {
    as_role("admin", "boss", message)
}

fn reservation(told: Option<v1::Reservation>) -> Answer {
    let told = told.unwrap_or_default();
    let ms = |time: Option<prost_types::Timestamp>| {
        time.map_or(0, |time| time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000)
    };
    let state = match told.state() {
        v1::ReservationState::Held => State::Held,
        v1::ReservationState::Confirming => State::Confirming,
        v1::ReservationState::Booked => State::Booked,
        v1::ReservationState::Released => State::Released,
        v1::ReservationState::Expired => State::Expired,
        v1::ReservationState::Cancelled => State::Cancelled,
        v1::ReservationState::Lost => State::Lost,
        v1::ReservationState::Unspecified => return Answer::Unknown("a reservation without a state".into()),
    };
    Answer::Reservation(Reservation {
        state,
        deadline_ms: ms(told.expire_time),
        limit_ms: ms(told.extend_limit_time),
        id: told.reservation_id,
        customer: told.customer_id,
        seats: told.seat_ids,
    })
}

fn booking(told: Option<v1::Booking>) -> Answer {
    Answer::Booking(as_booking(told.unwrap_or_default()))
}

pub(crate) fn as_booking(told: v1::Booking) -> Booking {
    Booking {
        cancelled: told.state() == v1::BookingState::Cancelled,
        id: told.booking_id,
        customer: told.customer_id,
        seats: told.seat_ids,
        payment: told.payment_reference,
    }
}

/// An error is definite where it carries a reason of the service and its code does not say "try again".
fn refused(status: &Status) -> Answer {
    let info = status.get_details_error_info().filter(|info| info.domain == "ticketengine");
    let open = matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal
    );
    let Some(info) = info else {
        return Answer::Unknown(format!("{:?}: {}", status.code(), status.message()));
    };
    if open {
        return Answer::Unknown(info.reason);
    }
    let violations =
        status.get_details_precondition_failure().map(|failure| failure.violations).unwrap_or_default();
    let seats = violations.iter().filter_map(|violation| {
        let state = match violation.r#type.as_str() {
            "SEAT_UNAVAILABLE/HELD" => 1,
            "SEAT_UNAVAILABLE/SOLD" => 2,
            "SEAT_UNAVAILABLE/BLOCKED" => 3,
            _ => return None,
        };
        Some((violation.subject.parse().ok()?, state))
    });
    Answer::Refused(Refusal {
        reason: info.reason,
        level: info.metadata.get("level").cloned().unwrap_or_default(),
        seats: seats.collect(),
    })
}
