use std::{sync::Arc, time::Duration};

use seat_board::Position;
use ticketengine::v1::{self, booking_service_server::BookingService};
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Request, Response, Status};

use super::{answer::Place, caller, convert, watch};
use crate::{
    booking::{Claim, Engine, Error, Owner},
    domain::{EventId, Layout, ReservationId, SeatSet},
    identity::{Caller, access},
    limits,
};

/// Say that a call was sent before: gRPC libraries that retry by themselves set the first, callers the second.
const REPEATED: [&str; 2] = ["grpc-previous-rpc-attempts", ticketengine::REPEAT_METADATA];

/// `BookingService`: each method converts, calls its use case, and converts back.
pub(super) struct Booking {
    pub(super) engine: Engine,
    /// Streams end at this age, as connections do.
    pub(super) stream_age_max: Option<Duration>,
    pub(super) layouts: Layouts,
}

/// Places of layouts, which are large. Who finds none within [`limits::LAYOUT_PLACE_WAIT`] is told to come back.
pub(super) struct Layouts {
    under_way: Arc<Semaphore>,
    made: Semaphore,
}

impl Default for Layouts {
    fn default() -> Self {
        Self {
            under_way: Arc::new(Semaphore::new(limits::LAYOUTS_UNDER_WAY_MAX)),
            made: Semaphore::new(limits::LAYOUTS_MADE_MAX),
        }
    }
}

impl Layouts {
    /// The layout as it goes over the wire, and the place to keep until it is there.
    async fn make(&self, layout: &Layout) -> Result<(v1::Layout, Place), Error> {
        let place = timeout(limits::LAYOUT_PLACE_WAIT, Arc::clone(&self.under_way).acquire_owned()).await;
        // They are never closed.
        let place = place.map_err(|_| Error::Overloaded("layouts"))?.map_err(|_| Error::Internal)?;
        let _made = self.made.acquire().await.map_err(|_| Error::Internal)?;
        Ok((convert::layout(layout), Place::new(place)))
    }
}

/// A claim on a reservation that the caller holds and pays for himself, or for the customer that it names.
fn claim(caller: &Caller, id: &str, token: String, customer: &str) -> Result<Claim, Status> {
    let owner = Owner::Customer(access::customer(caller, customer)?);
    Ok(Claim { id: convert::id("reservation_id", id)?, owner, token: convert::token(token) })
}

#[tonic::async_trait]
impl BookingService for Booking {
    async fn reserve(
        &self,
        request: Request<v1::ReserveRequest>,
    ) -> Result<Response<v1::ReserveResponse>, Status> {
        let repeated = REPEATED.iter().any(|name| request.metadata().contains_key(*name));
        let (caller, wire) = caller(request)?;
        let customer = access::customer(&caller, &wire.customer_id)?;
        let event = convert::id("event_id", &wire.event_id)?;
        let request = convert::id("request_id", &wire.request_id)?;
        let seats = SeatSet::new(wire.seat_ids).map_err(Error::from)?;
        let hold = self.engine.reserve(event, seats, request, customer, repeated).await?;
        Ok(Response::new(v1::ReserveResponse {
            reservation: Some(convert::reservation(hold.reservation)),
            reservation_token: hold.token,
        }))
    }

    async fn extend(
        &self,
        request: Request<v1::ExtendRequest>,
    ) -> Result<Response<v1::ExtendResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let claim = claim(&caller, &wire.reservation_id, wire.reservation_token, &wire.customer_id)?;
        let hold = self.engine.extend(claim).await?;
        Ok(Response::new(v1::ExtendResponse {
            reservation: Some(convert::reservation(hold.reservation)),
            reservation_token: hold.token,
        }))
    }

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<v1::ReleaseResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let claim = claim(&caller, &wire.reservation_id, wire.reservation_token, &wire.customer_id)?;
        let reservation = convert::reservation(self.engine.release(claim).await?);
        Ok(Response::new(v1::ReleaseResponse { reservation: Some(reservation) }))
    }

    async fn confirm(
        &self,
        request: Request<v1::ConfirmRequest>,
    ) -> Result<Response<v1::ConfirmResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let claim = claim(&caller, &wire.reservation_id, wire.reservation_token, &wire.customer_id)?;
        let payment = convert::id("payment_reference", &wire.payment_reference)?;
        let booking = self.engine.confirm(claim, payment).await?.into();
        Ok(Response::new(v1::ConfirmResponse { booking: Some(booking) }))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let owner = access::owner(&caller, &wire.customer_id)?;
        let id = convert::id("booking_id", &wire.booking_id)?;
        let booking = self.engine.cancel(id, owner).await?.into();
        Ok(Response::new(v1::CancelResponse { booking: Some(booking) }))
    }

    async fn get_reservation(
        &self,
        request: Request<v1::GetReservationRequest>,
    ) -> Result<Response<v1::GetReservationResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let owner = access::owner(&caller, &wire.customer_id)?;
        let id = convert::id("reservation_id", &wire.reservation_id)?;
        let claim = Claim { id, owner, token: convert::token(wire.reservation_token) };
        let reservation = convert::reservation(self.engine.reservation(claim).await?);
        Ok(Response::new(v1::GetReservationResponse { reservation: Some(reservation) }))
    }

    async fn get_booking(
        &self,
        request: Request<v1::GetBookingRequest>,
    ) -> Result<Response<v1::GetBookingResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let owner = access::owner(&caller, &wire.customer_id)?;
        let id = convert::id("booking_id", &wire.booking_id)?;
        let booking = self.engine.booking(id, owner).await?.into();
        Ok(Response::new(v1::GetBookingResponse { booking: Some(booking) }))
    }

    async fn list_bookings(
        &self,
        request: Request<v1::ListBookingsRequest>,
    ) -> Result<Response<v1::ListBookingsResponse>, Status> {
        let (caller, wire) = caller(request)?;
        let owner = access::owner(&caller, &wire.customer_id)?;
        let event = convert::id("event_id", &wire.event_id)?;
        let (limit, after) = convert::page::<ReservationId>(wire.page_size, &wire.page_token)?;
        convert::same_event(&event, after.as_ref().map(|id| &id.event))?;
        let page = self.engine.bookings(event, owner, after, limit).await?;
        let next = convert::next_page(page.more, page.items.last(), |last| last.item.id.to_string());
        Ok(Response::new(v1::ListBookingsResponse {
            bookings: page.items.into_iter().map(Into::into).collect(),
            next_page_token: next,
        }))
    }

    async fn get_seat_map(
        &self,
        request: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::GetSeatMapResponse>, Status> {
        let wire = request.into_inner();
        let event: EventId = convert::id("event_id", &wire.event_id)?;
        let layout = async {
            if wire.states_only {
                return Ok(None);
            }
            self.engine.layout(&event).await.map(Some)
        };
        let (layout, states) = tokio::try_join!(layout, self.engine.seat_states(&event))?;
        let states = Some(convert::seat_states(&states));
        let Some(layout) = layout else {
            return Ok(Response::new(v1::GetSeatMapResponse { layout: None, states }));
        };
        let (layout, place) = self.layouts.make(&layout).await?;
        let mut answer = Response::new(v1::GetSeatMapResponse { layout: Some(layout), states });
        answer.extensions_mut().insert(place);
        Ok(answer)
    }

    type WatchSeatsStream = watch::Messages;

    async fn watch_seats(
        &self,
        request: Request<v1::WatchSeatsRequest>,
    ) -> Result<Response<watch::Messages>, Status> {
        let wire = request.into_inner();
        let event: EventId = convert::id("event_id", &wire.event_id)?;
        let watch = self.engine.watch_seats(&event, wire.known.map(Position::from)).await?;
        Ok(Response::new(watch::messages(watch.lasting(self.stream_age_max))))
    }
}
