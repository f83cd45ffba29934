//! What a command makes booking-svc do, and what comes of it.

use std::sync::Arc;

use ticketengine::v1;
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    calls::Calls,
    command::{Call, Claim},
    own::{Question, Said},
    refusal::{Refusal, is_answer},
    reply::{Booking, Reservation},
};

/// A call that did what it should.
#[derive(Debug)]
pub(super) enum Done {
    /// A hold begins or lasts longer; the token proves it.
    Hold(Reservation, String),
    /// So the reservation stands. The token is what the client has proved it with.
    Reservation(Reservation, Option<String>),
    Booking(Booking),
}

type Outcome = Result<Done, Refusal>;

/// Makes the call for a command.
pub(super) async fn run(calls: Calls, event_id: Arc<str>, call: Call) -> Outcome {
    match call {
        Call::Reserve { request_id, seat_ids } => {
            let event_id = event_id.to_string();
            let request = v1::ReserveRequest { event_id, seat_ids, request_id, customer_id: String::new() };
            let answer = calls.reserve(request).await.map_err(Refusal::from)?;
            hold(answer.reservation, answer.reservation_token)
        }
        Call::Extend(Claim { reservation_id, token }) => {
            let reservation_token = token.unwrap_or_default();
            let request = v1::ExtendRequest { reservation_id, reservation_token, customer_id: String::new() };
            let answer = calls.extend(request).await.map_err(Refusal::from)?;
            hold(answer.reservation, answer.reservation_token)
        }
        Call::Release(Claim { reservation_id, token }) => {
            let reservation_token = token.unwrap_or_default();
            let request =
                v1::ReleaseRequest { reservation_id, reservation_token, customer_id: String::new() };
            let answer = calls.release(request).await.map_err(Refusal::from)?;
            read(answer.reservation).map(|reservation| Done::Reservation(reservation, None))
        }
        Call::Confirm { claim: Claim { reservation_id, token }, payment_reference } => {
            let reservation_token = token.unwrap_or_default();
            let customer_id = String::new();
            let request =
                v1::ConfirmRequest { reservation_id, payment_reference, reservation_token, customer_id };
            let answer = calls.confirm(request).await.map_err(Refusal::from)?;
            answer.booking.and_then(Booking::read).map(Done::Booking).ok_or_else(Refusal::unreadable)
        }
        Call::Follow(Claim { reservation_id, token }) => {
            let answer =
                calls.get_reservation(get(reservation_id, token.clone())).await.map_err(Refusal::from)?;
            read(answer.reservation).map(|reservation| Done::Reservation(reservation, token))
        }
    }
}

/// Asks how a reservation stands.
pub(super) async fn ask(calls: Calls, question: &Question) -> Said {
    let request = get(question.reservation_id.clone(), question.token.clone());
    match calls.get_reservation(request).await {
        Ok(answer) => read(answer.reservation).map_or(Said::Nothing, Said::Is),
        Err(status) if !is_answer(&status.get_error_details()) => Said::Nothing,
        Err(status) => match status.code() {
            Code::NotFound => Said::Unknown,
            Code::Unauthenticated | Code::PermissionDenied => Said::NotAllowed,
            _ => Said::Nothing,
        },
    }
}

fn get(reservation_id: String, token: Option<String>) -> v1::GetReservationRequest {
    let reservation_token = token.unwrap_or_default();
    v1::GetReservationRequest { reservation_id, reservation_token, customer_id: String::new() }
}

fn hold(reservation: Option<v1::Reservation>, token: String) -> Outcome {
    read(reservation).map(|reservation| Done::Hold(reservation, token))
}

fn read(reservation: Option<v1::Reservation>) -> Result<Reservation, Refusal> {
    reservation.and_then(Reservation::read).ok_or_else(Refusal::unreadable)
}
