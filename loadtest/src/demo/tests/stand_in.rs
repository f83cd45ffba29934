//! A service in memory that the customers can be tried on, honest or not.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ticketengine::v1::{booking_service_server::BookingService, event_service_server::EventService, *};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub(super) const HOLD_TTL: Duration = Duration::from_millis(400);
/// Six rows of a hundred seats: most get some, and all want the same.
const ROWS: i32 = 6;
const ROW_SEATS: i32 = 100;

/// How the service misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// A repeated Reserve makes a second reservation.
    SecondReservation,
    /// A repeated Confirm answers another payment.
    OtherPayment,
    /// Every seventh answer is lost after the call had its effect: that nobody's ten tries all get lost is then certain enough.
    LostAnswers,
}

pub(super) struct StandIn {
    fault: Fault,
    calls: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seats: HashMap<u32, String>,
    reservations: HashMap<String, Reservation>,
    requests: HashMap<String, String>,
    confirms: HashMap<String, Booking>,
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn timestamp(ms: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: ms / 1000, nanos: (ms % 1000) as i32 * 1_000_000 }
}

fn refuse(code: Code, reason: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, "ticketengine", HashMap::new());
    details.set_retry_info(Some(Duration::from_millis(10)));
    Status::with_error_details(code, reason, details)
}

impl State {
    /// The reservation, if its hold has not ended.
    fn live(&self, id: &str) -> Result<Reservation, Status> {
        let reservation = &self.reservations[id];
        let end = reservation.expire_time.unwrap();
        let ended = end.seconds * 1000 + i64::from(end.nanos) / 1_000_000 <= now_ms();
        let held = reservation.state() == ReservationState::Held;
        if ended && held {
            Err(refuse(Code::FailedPrecondition, "HOLD_EXPIRED"))
        } else {
            Ok(reservation.clone())
        }
    }

    fn is_free(&self, seat: u32) -> bool {
        self.seats.get(&seat).is_none_or(|id| {
            self.confirms
                .get(id)
                .map_or_else(|| self.live(id).is_err(), |booking| booking.cancel_time.is_some())
        })
    }

    fn end(&mut self, id: &str) {
        self.seats.retain(|_, owner| owner != id);
    }
}

impl StandIn {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, calls: AtomicU64::new(0), state: Mutex::default() }
    }

    fn answer<T>(&self, answer: T) -> Result<Response<T>, Status> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.fault == Fault::LostAnswers && number.is_multiple_of(7) {
            return Err(refuse(Code::Unavailable, "BACKEND_UNAVAILABLE"));
        }
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl BookingService for StandIn {
    type WatchSeatsStream = tonic::Streaming<WatchSeatsResponse>;

    async fn watch_seats(
        &self,
        _: Request<WatchSeatsRequest>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        Err(Status::unimplemented("the demo does not watch"))
    }

    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<ReserveResponse>, Status> {
        assert!(
            request.metadata().contains_key("authorization")
                && request.metadata().contains_key("grpc-timeout")
        );
        let request = request.into_inner();
        let customer_id = request.request_id.rsplit_once('-').unwrap().0.to_owned();
        let mut state = self.state.lock().unwrap();
        let known = state.requests.get(&request.request_id).cloned();
        if let Some(id) = known.filter(|_| self.fault != Fault::SecondReservation) {
            let reservation = Some(state.reservations[&id].clone());
            return self.answer(ReserveResponse { reservation, reservation_token: "token".into() });
        }
        let again = state.requests.contains_key(&request.request_id);
        if !again && !request.seat_ids.iter().all(|seat| state.is_free(*seat)) {
            return Err(refuse(Code::FailedPrecondition, "SEAT_UNAVAILABLE"));
        }
        let id = format!("{}.1.{}", request.event_id, state.reservations.len());
        let reservation = Reservation {
            reservation_id: id.clone(),
            event_id: request.event_id,
            customer_id,
            seat_ids: request.seat_ids.clone(),
            state: ReservationState::Held.into(),
            expire_time: Some(timestamp(now_ms() + HOLD_TTL.as_millis() as i64)),
            ..Reservation::default()
        };
        state.seats.extend(request.seat_ids.into_iter().map(|seat| (seat, id.clone())));
        state.reservations.insert(id.clone(), reservation.clone());
        state.requests.insert(request.request_id, id);
        self.answer(ReserveResponse { reservation: Some(reservation), reservation_token: "token".into() })
    }

    async fn extend(&self, request: Request<ExtendRequest>) -> Result<Response<ExtendResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        let mut reservation = state.live(&request.into_inner().reservation_id)?;
        reservation.expire_time = Some(timestamp(now_ms() + HOLD_TTL.as_millis() as i64));
        state.reservations.insert(reservation.reservation_id.clone(), reservation.clone());
        self.answer(ExtendResponse { reservation: Some(reservation), reservation_token: "token".into() })
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let id = request.into_inner().reservation_id;
        let mut state = self.state.lock().unwrap();
        let mut reservation = state.live(&id)?;
        reservation.state = ReservationState::Released.into();
        state.reservations.insert(id.clone(), reservation.clone());
        state.end(&id);
        self.answer(ReleaseResponse { reservation: Some(reservation) })
    }

    async fn confirm(&self, request: Request<ConfirmRequest>) -> Result<Response<ConfirmResponse>, Status> {
        let ConfirmRequest { reservation_id: id, mut payment_reference, .. } = request.into_inner();
        let mut state = self.state.lock().unwrap();
        if let Some(booking) = state.confirms.get(&id).filter(|_| self.fault != Fault::OtherPayment) {
            return self.answer(ConfirmResponse { booking: Some(booking.clone()) });
        }
        let reservation = state.live(&id)?;
        if state.confirms.contains_key(&id) {
            payment_reference.push('x');
        }
        let booking = Booking {
            booking_id: id.clone(),
            customer_id: reservation.customer_id,
            seat_ids: reservation.seat_ids,
            payment_reference,
            ..Booking::default()
        };
        state.reservations.get_mut(&id).unwrap().state = ReservationState::Booked.into();
        state.confirms.insert(id, booking.clone());
        self.answer(ConfirmResponse { booking: Some(booking) })
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        let booking = state.confirms.get_mut(&request.into_inner().booking_id).unwrap();
        booking.cancel_time = Some(timestamp(now_ms()));
        let booking = Some(booking.clone());
        self.answer(CancelResponse { booking })
    }

    async fn get_seat_map(
        &self,
        request: Request<GetSeatMapRequest>,
    ) -> Result<Response<GetSeatMapResponse>, Status> {
        let row = |y: i32| Row {
            label: y.to_string(),
            seats: (0..ROW_SEATS).map(|x| Seat { x_cm: x * 50, y_cm: y * 100, ..Seat::default() }).collect(),
        };
        let sections = vec![Section { name: "Floor".into(), rows: (0..ROWS).map(row).collect() }];
        let layout = (!request.into_inner().states_only).then_some(Layout { sections });
        let state = self.state.lock().unwrap();
        let mut packed = vec![0; (ROWS * ROW_SEATS) as usize / 4];
        for seat in state.seats.keys().filter(|seat| !state.is_free(**seat)) {
            packed[*seat as usize / 4] |= 1 << (6 - seat % 4 * 2);
        }
        Ok(Response::new(GetSeatMapResponse {
            layout,
            states: Some(SeatStates { packed, ..SeatStates::default() }),
        }))
    }

    async fn get_reservation(
        &self,
        _: Request<GetReservationRequest>,
    ) -> Result<Response<GetReservationResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn get_booking(
        &self,
        _: Request<GetBookingRequest>,
    ) -> Result<Response<GetBookingResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn list_bookings(
        &self,
        _: Request<ListBookingsRequest>,
    ) -> Result<Response<ListBookingsResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }
}

#[tonic::async_trait]
impl EventService for StandIn {
    async fn get_event(
        &self,
        request: Request<GetEventRequest>,
    ) -> Result<Response<GetEventResponse>, Status> {
        let hold_ttl = prost_types::Duration { seconds: 0, nanos: HOLD_TTL.subsec_nanos() as i32 };
        let settings =
            SalesSettings { hold_ttl: Some(hold_ttl), seats_per_customer: 8, ..SalesSettings::default() };
        let event_id = request.into_inner().event_id;
        let event = Event { event_id, sales_settings: Some(settings), ..Event::default() };
        Ok(Response::new(GetEventResponse { event: Some(event) }))
    }

    async fn create_event(
        &self,
        _: Request<CreateEventRequest>,
    ) -> Result<Response<CreateEventResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn list_events(
        &self,
        _: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn update_event(
        &self,
        _: Request<UpdateEventRequest>,
    ) -> Result<Response<UpdateEventResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn open_sales(&self, _: Request<OpenSalesRequest>) -> Result<Response<OpenSalesResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn close_sales(
        &self,
        _: Request<CloseSalesRequest>,
    ) -> Result<Response<CloseSalesResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn block_seats(
        &self,
        _: Request<BlockSeatsRequest>,
    ) -> Result<Response<BlockSeatsResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }

    async fn unblock_seats(
        &self,
        _: Request<UnblockSeatsRequest>,
    ) -> Result<Response<UnblockSeatsResponse>, Status> {
        Err(Status::unimplemented("no customer calls it"))
    }
}
