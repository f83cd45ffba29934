//! Calls as customers make them, and what an error says.

use std::time::Duration;

use ticketengine::v1::{
    Booking, CancelRequest, ConfirmRequest, ExtendRequest, ExtendResponse, GetBookingRequest,
    GetReservationRequest, GetSeatMapRequest, OpenSalesRequest, ReleaseRequest, Reservation, ReserveRequest,
    ReserveResponse, SalesSettings, booking_service_client::BookingServiceClient,
    event_service_client::EventServiceClient,
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use crate::{
    STORE_LIMIT,
    house::new_event,
    token::{as_customer, as_role},
};

/// Calls one replica of the service.
#[derive(Clone)]
pub struct Caller {
    /// Its host and port.
    pub address: String,
    /// The connection that all calls use.
    pub channel: Channel,
}

/// A reservation and the proof of it.
#[derive(Clone, Debug)]
pub struct Held {
    /// As the service answered.
    pub reservation: Reservation,
    /// Its reservation token.
    pub token: String,
}

impl Held {
    /// The reservation's id.
    pub fn id(&self) -> String {
        self.reservation.reservation_id.clone()
    }
}

impl Caller {
    /// Of the replica at `address` (host:port), which need not run yet.
    pub fn new(address: &str) -> Self {
        Self { channel: connect(address), address: address.to_owned() }
    }

    /// A connection of its own.
    pub fn connect(&self) -> Channel {
        connect(&self.address)
    }

    /// The calls of customers.
    pub fn bookings(&self) -> BookingServiceClient<Channel> {
        BookingServiceClient::new(self.channel.clone())
    }

    /// The calls of organisers.
    pub fn events(&self) -> EventServiceClient<Channel> {
        EventServiceClient::new(self.channel.clone()).max_encoding_message_size(usize::MAX)
    }

    /// What it says of its own health.
    pub async fn healthy(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Creates an event of one section with rows of 50, opens its sale.
    pub async fn open_event(&self, id: &str, seats: u32, settings: SalesSettings) {
        let create = || as_role("admin", "boss", new_event(id, seats, settings));
        until_definite(async || self.events().create_event(create()).await).await.unwrap();
        let open = || as_role("admin", "boss", OpenSalesRequest { event_id: id.into() });
        until_definite(async || self.events().open_sales(open()).await).await.unwrap();
    }

    /// Holds seats.
    pub async fn reserve(
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

    /// Books a hold.
    pub async fn confirm(&self, held: &Held, payment: &str) -> Result<Booking, Status> {
        let message = ConfirmRequest {
            reservation_id: held.id(),
            payment_reference: payment.into(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let answer = self.bookings().confirm(as_customer(&held.reservation.customer_id, message)).await?;
        Ok(answer.into_inner().booking.unwrap())
    }

    /// Extends a hold.
    pub async fn extend(&self, held: &Held) -> Result<Held, Status> {
        let message = ExtendRequest {
            reservation_id: held.id(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let ExtendResponse { reservation, reservation_token } =
            self.bookings().extend(as_customer(&held.reservation.customer_id, message)).await?.into_inner();
        Ok(Held { reservation: reservation.unwrap(), token: reservation_token })
    }

    /// Gives a hold back.
    pub async fn release(&self, held: &Held) -> Result<Reservation, Status> {
        let message = ReleaseRequest {
            reservation_id: held.id(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let answer = self.bookings().release(as_customer(&held.reservation.customer_id, message)).await?;
        Ok(answer.into_inner().reservation.unwrap())
    }

    /// What became of a hold.
    pub async fn reservation(&self, held: &Held) -> Result<Reservation, Status> {
        let message = GetReservationRequest {
            reservation_id: held.id(),
            reservation_token: held.token.clone(),
            customer_id: String::new(),
        };
        let answer =
            self.bookings().get_reservation(as_customer(&held.reservation.customer_id, message)).await?;
        Ok(answer.into_inner().reservation.unwrap())
    }

    /// Cancels a booking.
    pub async fn cancel(&self, booking: &Booking) -> Result<Booking, Status> {
        let message = CancelRequest { booking_id: booking.booking_id.clone(), customer_id: String::new() };
        let answer = self.bookings().cancel(as_customer(&booking.customer_id, message)).await?;
        Ok(answer.into_inner().booking.unwrap())
    }

    /// Two bits a seat as numbers: 0 free, 1 held, 2 sold, 3 blocked.
    pub async fn seat_states(&self, event: &str, seats: u32) -> Result<Vec<u8>, Status> {
        let message = GetSeatMapRequest { event_id: event.into(), states_only: true };
        let packed = self.bookings().get_seat_map(message).await?.into_inner().states.unwrap().packed;
        Ok((0..seats as usize).map(|seat| packed[seat / 4] >> (6 - 2 * (seat % 4)) & 3).collect())
    }

    /// A staff member's view of one booking.
    pub async fn booking(&self, id: &str) -> Result<Booking, Status> {
        let message = GetBookingRequest { booking_id: id.into(), customer_id: String::new() };
        let answer = self.bookings().get_booking(as_role("admin", "boss", message)).await?;
        Ok(answer.into_inner().booking.unwrap())
    }
}

fn connect(address: &str) -> Channel {
    Endpoint::new(format!("http://{address}")).unwrap().connect_lazy()
}

/// The reason of an error, as `google.rpc.ErrorInfo` carries it.
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "ticketengine");
    info.reason
}

/// The error of a call that was refused with this code and reason.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, expected: &str) -> Status {
    let status = answer.expect_err("the call is refused");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
    status
}

/// When the error says to try again.
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// Repeats a call, as clients do, while the answer is UNAVAILABLE or ABORTED for a moment.
pub async fn until_definite<T, F>(call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let started = std::time::Instant::now();
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable && started.elapsed() < STORE_LIMIT => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer,
        }
    }
}
