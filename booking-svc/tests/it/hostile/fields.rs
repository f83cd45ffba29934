//! Each field that is an id, of each call that has it.

use std::pin::Pin;

use booking_svc::identity::Role;
use ticketengine::v1::{
    BlockSeatsRequest, CancelRequest, CloseSalesRequest, ConfirmRequest, ExtendRequest, GetBookingRequest,
    GetEventRequest, GetReservationRequest, GetSeatMapRequest, ListBookingsRequest, ListEventsRequest,
    OpenSalesRequest, ReleaseRequest, ReserveRequest, UnblockSeatsRequest, UpdateEventRequest,
    WatchSeatsRequest,
};
use tonic::Status;

use crate::support::world::{Replica, as_role, new_event};

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Status>> + 'a>>;
pub(super) type Send = for<'a> fn(&'a Replica, String) -> Answer<'a>;

/// Its name, what it takes, and the call.
pub(super) type Field = (&'static str, Kind, Send);

/// What a field takes, as far as the bad values differ.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Any text but control characters.
    Name,
    /// Any printable ASCII.
    Key,
    /// An id with a form.
    Id,
}
use Kind::{Id, Key, Name};

/// An event that is there.
fn rock() -> String {
    "rock".into()
}

/// An id that nothing has.
fn gone() -> String {
    "rock.1.999".into()
}

/// A call as somebody who may make it, with one field from the caller.
macro_rules! field {
    ($role:ident, $kind:ident, $client:ident.$method:ident($message:ident { $field:ident $(, $name:ident: $value:expr)* })) => {
        (
            concat!(stringify!($method), ".", stringify!($field)),
            $kind,
            (|replica, $field| {
                Box::pin(async move {
                    #[allow(clippy::needless_update)] // Some have no other field.
                    let message = $message { $field, $($name: $value,)* ..$message::default() };
                    replica.$client().$method(as_role(Role::$role, "boss", message)).await.map(drop)
                })
            }) as Send,
        )
    };
}

pub(super) fn all() -> Vec<Field> {
    [reserve_and_extend(), release_and_confirm(), reads_and_cancel(), events()].concat()
}

fn reserve_and_extend() -> Vec<Field> {
    vec![
        field!(
            Customer,
            Id,
            bookings.reserve(ReserveRequest { event_id, seat_ids: vec![1], request_id: "r".into() })
        ),
        field!(
            Customer,
            Key,
            bookings.reserve(ReserveRequest { request_id, event_id: rock(), seat_ids: vec![1] })
        ),
        field!(
            Service,
            Name,
            bookings.reserve(ReserveRequest {
                customer_id,
                event_id: rock(),
                seat_ids: vec![1],
                request_id: "r".into()
            })
        ),
        field!(Customer, Id, bookings.extend(ExtendRequest { reservation_id })),
        field!(Customer, Id, bookings.extend(ExtendRequest { reservation_token, reservation_id: gone() })),
        field!(Service, Name, bookings.extend(ExtendRequest { customer_id, reservation_id: gone() })),
    ]
}

fn release_and_confirm() -> Vec<Field> {
    vec![
        field!(Customer, Id, bookings.release(ReleaseRequest { reservation_id })),
        field!(Customer, Id, bookings.release(ReleaseRequest { reservation_token, reservation_id: gone() })),
        field!(Service, Name, bookings.release(ReleaseRequest { customer_id, reservation_id: gone() })),
        field!(
            Customer,
            Id,
            bookings.confirm(ConfirmRequest { reservation_id, payment_reference: "pay".into() })
        ),
        field!(Customer, Key, bookings.confirm(ConfirmRequest { payment_reference, reservation_id: gone() })),
        field!(
            Customer,
            Id,
            bookings.confirm(ConfirmRequest {
                reservation_token,
                reservation_id: gone(),
                payment_reference: "pay".into()
            })
        ),
        field!(
            Service,
            Name,
            bookings.confirm(ConfirmRequest {
                customer_id,
                reservation_id: gone(),
                payment_reference: "pay".into()
            })
        ),
    ]
}

fn reads_and_cancel() -> Vec<Field> {
    vec![
        field!(Customer, Id, bookings.get_reservation(GetReservationRequest { reservation_id })),
        field!(
            Customer,
            Id,
            bookings.get_reservation(GetReservationRequest { reservation_token, reservation_id: gone() })
        ),
        field!(
            Service,
            Name,
            bookings.get_reservation(GetReservationRequest { customer_id, reservation_id: gone() })
        ),
        field!(Customer, Id, bookings.cancel(CancelRequest { booking_id })),
        field!(Service, Name, bookings.cancel(CancelRequest { customer_id, booking_id: gone() })),
        field!(Customer, Id, bookings.get_booking(GetBookingRequest { booking_id })),
        field!(Service, Name, bookings.get_booking(GetBookingRequest { customer_id, booking_id: gone() })),
        field!(
            Admin,
            Id,
            bookings.list_bookings(ListBookingsRequest { event_id, customer_id: "ann".into() })
        ),
        field!(Admin, Name, bookings.list_bookings(ListBookingsRequest { customer_id, event_id: rock() })),
        field!(Admin, Id, bookings.list_bookings(ListBookingsRequest { page_token, event_id: rock() })),
        field!(Customer, Id, bookings.get_seat_map(GetSeatMapRequest { event_id, states_only: true })),
        field!(Customer, Id, bookings.get_seat_map(GetSeatMapRequest { event_id })),
        field!(Customer, Id, bookings.watch_seats(WatchSeatsRequest { event_id })),
    ]
}

fn events() -> Vec<Field> {
    vec![
        (
            "create_event.event_id",
            Id,
            (|replica, event_id| {
                Box::pin(async move {
                    let message = new_event(&event_id, 10, Default::default());
                    replica.events().create_event(as_role(Role::Admin, "boss", message)).await.map(drop)
                })
            }) as Send,
        ),
        field!(Admin, Id, events.get_event(GetEventRequest { event_id })),
        field!(Admin, Id, events.list_events(ListEventsRequest { page_token })),
        field!(Admin, Id, events.update_event(UpdateEventRequest { event_id, name: Some("New".into()) })),
        field!(Admin, Id, events.open_sales(OpenSalesRequest { event_id })),
        field!(Admin, Id, events.close_sales(CloseSalesRequest { event_id })),
        field!(Admin, Id, events.block_seats(BlockSeatsRequest { event_id, seat_ids: vec![1] })),
        field!(Admin, Id, events.unblock_seats(UnblockSeatsRequest { event_id, seat_ids: vec![1] })),
    ]
}
