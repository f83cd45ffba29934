//! Calls as customers make them, and what an error says.

use std::time::Duration;

use booking_svc::identity::Role;
use ticketengine::v1::{
    Booking, CancelRequest, ConfirmRequest, ExtendRequest, ExtendResponse, GetReservationRequest,
    GetSeatMapRequest, ReleaseRequest, Reservation, ReserveRequest, ReserveResponse,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::world::{Replica, as_customer, as_role};

/// A reservation and the proof of it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) reservation: Reservation,
    pub(crate) token: String,
}

impl Held {
    pub(crate) fn id(&self) -> String {
        self.reservation.reservation_id.clone()
    }
}

impl Replica {
    pub(crate) async fn reserve(
        &self,
        event: &str,
        customer: &str,
        request: &str,
        seats: &[u32],
    ) -> Result<Held, Status> {
        let message = ReserveRequest {
            event_id: event.into(),
            seat_ids: seats.to_vec(),
            request_id: request.into(),
            customer_id: String::new(),
        };
        let ReserveResponse { reservation, reservation_token } =
            self.bookings().reserve(as_customer(customer, message)).await?.into_inner();
        Ok(Held { reservation: reservation.unwrap(), token: reservation_token })
    }

    pub(crate) async fn confirm(&self, held: &Held, payment: &str) -> Result<Booking, Status> {
        let message = ConfirmRequest {
            reservation_id: held.id(),
            payment_reference: payment.into(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let answer = self.bookings().confirm(as_customer(&held.reservation.customer_id, message)).await?;
        Ok(answer.into_inner().booking.unwrap())
    }

    pub(crate) async fn extend(&self, held: &Held) -> Result<Held, Status> {
        let message = ExtendRequest {
            reservation_id: held.id(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let ExtendResponse { reservation, reservation_token } =
            self.bookings().extend(as_customer(&held.reservation.customer_id, message)).await?.into_inner();
        Ok(Held { reservation: reservation.unwrap(), token: reservation_token })
    }

    pub(crate) async fn release(&self, held: &Held) -> Result<Reservation, Status> {
        let message = ReleaseRequest {
            reservation_id: held.id(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let answer = self.bookings().release(as_customer(&held.reservation.customer_id, message)).await?;
        Ok(answer.into_inner().reservation.unwrap())
    }

    pub(crate) async fn reservation(&self, held: &Held) -> Result<Reservation, Status> {
        let message = GetReservationRequest {
            reservation_id: held.id(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let answer =
            self.bookings().get_reservation(as_customer(&held.reservation.customer_id, message)).await?;
        Ok(answer.into_inner().reservation.unwrap())
    }

    pub(crate) async fn cancel(&self, booking: &Booking) -> Result<Booking, Status> {
        let message = CancelRequest { booking_id: booking.booking_id.clone(), customer_id: String::new() };
        let answer = self.bookings().cancel(as_customer(&booking.customer_id, message)).await?;
        Ok(answer.into_inner().booking.unwrap())
    }

    /// Two bits a seat as numbers: 0 free, 1 held, 2 sold, 3 blocked.
    pub(crate) async fn seat_states(&self, event: &str, seats: u32) -> Result<Vec<u8>, Status> {
        let message = GetSeatMapRequest { event_id: event.into(), states_only: true };
        let packed = self.bookings().get_seat_map(message).await?.into_inner().states.unwrap().packed;
        Ok((0..seats as usize).map(|seat| packed[seat / 4] >> (6 - 2 * (seat % 4)) & 3).collect())
    }

    /// A staff member's view of one booking.
    pub(crate) async fn booking(&self, id: &str) -> Result<Booking, Status> {
        let message =
            ticketengine::v1::GetBookingRequest { booking_id: id.into(), customer_id: String::new() };
        let answer = self.bookings().get_booking(as_role(Role::Admin, "boss", message)).await?;
        Ok(answer.into_inner().booking.unwrap())
    }
}

/// The reason of an error, as `google.rpc.ErrorInfo` carries it.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "ticketengine");
    info.reason
}

/// The error of a call that was refused with this code and reason.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, expected: &str) -> Status {
    let status = answer.expect_err("the call is refused");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
    status
}

/// When the error says to try again.
pub(crate) fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// Repeats a call, as clients do, while the answer is UNAVAILABLE or ABORTED for a moment.
pub(crate) async fn until_definite<T, F>(call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let started = std::time::Instant::now();
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable && started.elapsed() < super::STORE_LIMIT => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer,
        }
    }
}
