//! A booking-svc under a test's control.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use prost_types::Timestamp;
use ticketengine::v1::{
    self,
    booking_service_server::{BookingService, BookingServiceServer},
};
use tokio::{io::AsyncReadExt, net::TcpListener, time::sleep};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, transport::Server};
use tonic_types::{ErrorDetails, StatusExt};

use super::reply::now_ms;
use crate::metrics::Metrics;
use crate::upstream::{Settings, Targets};

/// A call that a stub has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) rpc: &'static str,
    /// What names the work: the request_id of Reserve, the reservation_id of the others.
    pub(super) id: String,
    /// The reservation token.
    pub(super) token: String,
    pub(super) authorization: String,
    pub(super) has_deadline: bool,
}

/// What a stub does and has seen.
#[derive(Default)]
pub(super) struct Script {
    pub(super) seen: Vec<Seen>,
    /// What the next calls fail with, one each.
    pub(super) failures: VecDeque<Status>,
    /// How long calls take, by their [`Seen::id`].
    pub(super) delays: HashMap<String, Duration>,
    /// As GetReservation, Extend and Release find them, by id.
    pub(super) reservations: HashMap<String, v1::Reservation>,
}

#[derive(Clone)]
pub(super) struct Stub {
    script: Arc<Mutex<Script>>,
    address: SocketAddr,
}

/// Everything that a test has started; stops with it.
pub(super) struct Bench {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    pub(super) async fn stub(&self) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Stub { script: Arc::default(), address: listener.local_addr().unwrap() };
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::Serving).await;
        let server = Server::builder()
            .add_service(BookingServiceServer::new(stub.clone()))
            .add_service(health_service)
            .serve_with_incoming_shutdown(
                TcpListenerStream::new(listener),
                self.stop.clone().cancelled_owned(),
            );
        self.tracker.spawn(server);
        stub
    }

    /// An address where connections break as soon as something was sent.
    pub(super) async fn breaking(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = self.stop.clone();
        self.tracker.spawn(stop.run_until_cancelled_owned(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _ = connection.read(&mut [0; 1024]).await;
            }
        }));
        address
    }

    pub(super) fn targets(&self, addresses: &[SocketAddr]) -> Targets {
        let urls = addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect();
        Targets::new(Settings { urls, ca: None }, Metrics::unseen(), &self.tracker, &self.stop)
    }
}

impl Stub {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// The ids of the calls of one kind so far.
    pub(super) fn seen(&self, rpc: &str) -> Vec<String> {
        self.script().seen.iter().filter(|seen| seen.rpc == rpc).map(|seen| seen.id.clone()).collect()
    }

    /// Changes a reservation behind the socket's back.
    pub(super) fn set_state(&self, id: &str, state: v1::ReservationState) {
        self.script().reservations.get_mut(id).unwrap().set_state(state);
    }

    async fn see<T>(
        &self,
        rpc: &'static str,
        request: &Request<T>,
        id: &str,
        token: &str,
    ) -> Result<(), Status> {
        let (id, token) = (id.to_owned(), token.to_owned());
        let header = |name| request.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
        let authorization = header("authorization").unwrap_or_default();
        let has_deadline = header("grpc-timeout").is_some();
        let (delay, failure) = {
            let mut script = self.script();
            let delay = script.delays.get(&id).copied().unwrap_or_default();
            script.seen.push(Seen { rpc, id, token, authorization, has_deadline });
            (delay, script.failures.pop_front())
        };
        sleep(delay).await;
        failure.map_or(Ok(()), Err)
    }

    fn find(&self, id: &str) -> Result<v1::Reservation, Status> {
        let found = self.script().reservations.get(id).cloned();
        found.ok_or_else(|| refusal(tonic::Code::NotFound, "RESERVATION_NOT_FOUND", None))
    }
}

/// A status as booking-svc makes them.
pub(super) fn refusal(code: tonic::Code, reason: &str, retry: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, "ticketengine", HashMap::new());
    details.set_retry_info(retry);
    Status::with_error_details(code, format!("because of {reason}"), details)
}

pub(super) fn time(unix_ms: i64) -> Timestamp {
    let nanos = i32::try_from(unix_ms.rem_euclid(1_000)).unwrap() * 1_000_000;
    Timestamp { seconds: unix_ms.div_euclid(1_000), nanos }
}

/// A hold of seats 4 and 5 of the theatre, for so long from now.
pub(super) fn held(id: &str, ttl: Duration) -> v1::Reservation {
    let now = now_ms();
    v1::Reservation {
        reservation_id: id.into(),
        event_id: "theatre".into(),
        customer_id: "ann".into(),
        seat_ids: vec![4, 5],
        state: v1::ReservationState::Held.into(),
        expire_time: Some(time(now + i64::try_from(ttl.as_millis()).unwrap())),
        extend_limit_time: Some(time(now + 300_000)),
        total_minor: 9_900,
        currency: "EUR".into(),
    }
}

#[tonic::async_trait]
impl BookingService for Stub {
    type WatchSeatsStream = ReceiverStream<Result<v1::WatchSeatsResponse, Status>>;

    /// Request `r1` makes reservation `theatre.1.1` unless the test has made it before.
    async fn reserve(
        &self,
        request: Request<v1::ReserveRequest>,
    ) -> Result<Response<v1::ReserveResponse>, Status> {
        let wire = request.get_ref();
        assert_eq!((wire.event_id.as_str(), wire.customer_id.as_str()), ("theatre", ""));
        self.see("Reserve", &request, &wire.request_id, "").await?;
        let id = format!("theatre.1.{}", wire.request_id.trim_start_matches('r'));
        let mut script = self.script();
        let made =
            script.reservations.entry(id.clone()).or_insert_with(|| held(&id, Duration::from_secs(60)));
        made.seat_ids.clone_from(&wire.seat_ids);
        let (reservation, reservation_token) = (Some(made.clone()), format!("token-of-{}", wire.request_id));
        Ok(Response::new(v1::ReserveResponse { reservation, reservation_token }))
    }

    async fn extend(
        &self,
        request: Request<v1::ExtendRequest>,
    ) -> Result<Response<v1::ExtendResponse>, Status> {
        let wire = request.get_ref();
        self.see("Extend", &request, &wire.reservation_id, &wire.reservation_token).await?;
        let (reservation, reservation_token) = (Some(self.find(&wire.reservation_id)?), "extended".into());
        Ok(Response::new(v1::ExtendResponse { reservation, reservation_token }))
    }

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<v1::ReleaseResponse>, Status> {
        let wire = request.get_ref();
        self.see("Release", &request, &wire.reservation_id, &wire.reservation_token).await?;
        self.find(&wire.reservation_id)?;
        self.set_state(&wire.reservation_id, v1::ReservationState::Released);
        Ok(Response::new(v1::ReleaseResponse { reservation: Some(self.find(&wire.reservation_id)?) }))
    }

    async fn confirm(
        &self,
        request: Request<v1::ConfirmRequest>,
    ) -> Result<Response<v1::ConfirmResponse>, Status> {
        let wire = request.get_ref();
        self.see("Confirm", &request, &wire.reservation_id, &wire.reservation_token).await?;
        let held = self.find(&wire.reservation_id)?;
        self.set_state(&wire.reservation_id, v1::ReservationState::Booked);
        let booking = v1::Booking {
            booking_id: held.reservation_id,
            event_id: held.event_id,
            customer_id: held.customer_id,
            seat_ids: held.seat_ids,
            state: v1::BookingState::Confirmed.into(),
            payment_reference: wire.payment_reference.clone(),
            total_minor: held.total_minor,
            currency: held.currency,
            create_time: Some(time(1_764_000_000_123)),
            cancel_time: None,
        };
        Ok(Response::new(v1::ConfirmResponse { booking: Some(booking) }))
    }

    async fn get_reservation(
        &self,
        request: Request<v1::GetReservationRequest>,
    ) -> Result<Response<v1::GetReservationResponse>, Status> {
        let wire = request.get_ref();
        self.see("GetReservation", &request, &wire.reservation_id, &wire.reservation_token).await?;
        let reservation = Some(self.find(&wire.reservation_id)?);
        Ok(Response::new(v1::GetReservationResponse { reservation }))
    }

    async fn cancel(&self, _: Request<v1::CancelRequest>) -> Result<Response<v1::CancelResponse>, Status> {
        Err(Status::unimplemented("Cancel"))
    }

    async fn get_booking(
        &self,
        _: Request<v1::GetBookingRequest>,
    ) -> Result<Response<v1::GetBookingResponse>, Status> {
        Err(Status::unimplemented("GetBooking"))
    }

    async fn list_bookings(
        &self,
        _: Request<v1::ListBookingsRequest>,
    ) -> Result<Response<v1::ListBookingsResponse>, Status> {
        Err(Status::unimplemented("ListBookings"))
    }

    async fn get_seat_map(
        &self,
        _: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::GetSeatMapResponse>, Status> {
        Err(Status::unimplemented("GetSeatMap"))
    }

    async fn watch_seats(
        &self,
        _: Request<v1::WatchSeatsRequest>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        Err(Status::unimplemented("WatchSeats"))
    }
}
