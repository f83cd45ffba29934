//! Each role against each call, over the wire.

use booking_svc::identity::{Role, Rpc};
use ticketengine::v1::{
    BlockSeatsRequest, CancelRequest, CloseSalesRequest, ConfirmRequest, CreateEventRequest, ExtendRequest,
    GetBookingRequest, GetEventRequest, GetReservationRequest, GetSeatMapRequest, ListBookingsRequest,
    ListEventsRequest, OpenSalesRequest, ReleaseRequest, ReserveRequest, UnblockSeatsRequest,
    UpdateEventRequest, WatchSeatsRequest,
};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
};

use crate::support::{
    calls::{reason, refused},
    world::{Replica, World, as_role, bearer},
};

type Authorization = Option<MetadataValue<Ascii>>;

fn request<T>(authorization: &Authorization, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(authorization) = authorization {
        request.metadata_mut().insert("authorization", authorization.clone());
    }
    request
}

/// A call that is well formed, of an event that is not there: it has no effect.
async fn call(replica: &Replica, rpc: Rpc, who: &Authorization, customer: &str) -> Result<(), Status> {
    let (mut bookings, mut events) = (replica.bookings(), replica.events());
    let (event_id, customer_id) = (String::from("none"), String::from(customer));
    let (reservation_id, reservation_token) = (String::from("none.1.1"), String::new());
    let (booking_id, request_id) = (String::from("none.1.1"), String::from("r"));
    let (seat_ids, payment_reference) = (vec![1], String::from("pay"));
    macro_rules! send {
        ($client:ident.$method:ident($message:expr)) => {
            $client.$method(request(who, $message)).await.map(drop)
        };
    }
    match rpc {
        Rpc::Reserve => {
            send!(bookings.reserve(ReserveRequest { event_id, seat_ids, request_id, customer_id }))
        }
        Rpc::Extend => {
            send!(bookings.extend(ExtendRequest { reservation_id, reservation_token, customer_id }))
        }
        Rpc::Release => {
            send!(bookings.release(ReleaseRequest { reservation_id, reservation_token, customer_id }))
        }
        Rpc::Confirm => send!(bookings.confirm(ConfirmRequest {
            reservation_id,
            payment_reference,
            reservation_token,
            customer_id
        })),
        Rpc::Cancel => send!(bookings.cancel(CancelRequest { booking_id, customer_id })),
        Rpc::GetReservation => send!(bookings.get_reservation(GetReservationRequest {
            reservation_id,
            reservation_token,
            customer_id
        })),
        Rpc::GetBooking => send!(bookings.get_booking(GetBookingRequest { booking_id, customer_id })),
        Rpc::ListBookings => send!(bookings.list_bookings(ListBookingsRequest {
            event_id,
            customer_id,
            ..ListBookingsRequest::default()
        })),
        Rpc::GetSeatMap => {
            send!(bookings.get_seat_map(GetSeatMapRequest { event_id, states_only: true }))
        }
        Rpc::WatchSeats => send!(bookings.watch_seats(WatchSeatsRequest { event_id, known: None })),
        // Without a layout: refused, by whoever may create events.
        Rpc::CreateEvent => {
            send!(events.create_event(CreateEventRequest { event_id, ..CreateEventRequest::default() }))
        }
        Rpc::GetEvent => send!(events.get_event(GetEventRequest { event_id })),
        Rpc::ListEvents => send!(events.list_events(ListEventsRequest::default())),
        Rpc::UpdateEvent => {
            let name = Some("New".into());
            send!(events.update_event(UpdateEventRequest { event_id, name, sales_settings: None }))
        }
        Rpc::OpenSales => send!(events.open_sales(OpenSalesRequest { event_id })),
        Rpc::CloseSales => send!(events.close_sales(CloseSalesRequest { event_id })),
        Rpc::BlockSeats => send!(events.block_seats(BlockSeatsRequest { event_id, seat_ids })),
        Rpc::UnblockSeats => send!(events.unblock_seats(UnblockSeatsRequest { event_id, seat_ids })),
        Rpc::HealthCheck | Rpc::HealthWatch | Rpc::Reflect | Rpc::ReflectAlpha => {
            unreachable!("not of our services")
        }
    }
}

/// What whoever may make the call hears, and whether anonymous, customer, service and admin may.
fn expected(rpc: Rpc) -> Option<(&'static str, [bool; 4])> {
    const ALL: [bool; 4] = [true; 4];
    const KNOWN: [bool; 4] = [false, true, true, true];
    const ADMIN: [bool; 4] = [false, false, false, true];
    Some(match rpc {
        Rpc::Reserve | Rpc::ListBookings => ("EVENT_NOT_FOUND", KNOWN),
        Rpc::Extend | Rpc::Release | Rpc::Confirm | Rpc::GetReservation => ("RESERVATION_NOT_FOUND", KNOWN),
        Rpc::Cancel | Rpc::GetBooking => ("BOOKING_NOT_FOUND", KNOWN),
        Rpc::GetSeatMap | Rpc::WatchSeats | Rpc::GetEvent => ("EVENT_NOT_FOUND", ALL),
        Rpc::ListEvents => ("OK", ALL),
        Rpc::CreateEvent => ("INVALID_ARGUMENT", ADMIN),
        Rpc::UpdateEvent | Rpc::OpenSales | Rpc::CloseSales => ("EVENT_NOT_FOUND", ADMIN),
        Rpc::BlockSeats | Rpc::UnblockSeats => ("EVENT_NOT_FOUND", ADMIN),
        Rpc::HealthCheck | Rpc::HealthWatch | Rpc::Reflect | Rpc::ReflectAlpha => return None,
    })
}

fn heard(answer: Result<(), Status>) -> String {
    answer.map_or_else(|status| reason(&status), |()| "OK".into())
}

#[tokio::test]
async fn each_role_against_each_rpc() {
    let world = World::new().await;
    let replica = world.replica().await;
    let as_one = |role| Some(bearer("ann", &[role]));
    let callers = [
        ("anonymous", None, ""),
        ("customer", as_one(Role::Customer), ""),
        ("service", as_one(Role::Service), "bob"),
        ("admin", as_one(Role::Admin), ""),
    ];
    let mut wrong = Vec::new();
    for rpc in Rpc::ALL.iter().copied() {
        let Some((reached, may)) = expected(rpc) else { continue };
        for ((name, who, customer), may) in callers.iter().zip(may) {
            let expected = match (may, who) {
                (true, _) => reached,
                (false, None) => "UNAUTHENTICATED",
                (false, Some(_)) => "ROLE_REQUIRED",
            };
            let heard = heard(call(&replica, rpc, who, customer).await);
            if heard != expected {
                wrong.push(format!("{rpc} as {name}: {heard}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_bad_token_is_refused_wherever_one_is_needed() {
    let world = World::new().await;
    let replica = world.replica().await;
    let good = bearer("ann", &[Role::Customer]).to_str().unwrap().to_owned();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (unsigned, swapped): (_, String) = (format!("{head}."), signature.chars().rev().collect());
    let bad = [
        "Bearer nonsense".to_owned(),
        "Bearer ".to_owned(),
        unsigned,
        format!("{head}.{swapped}"),
        good.replace("Bearer", "Basic"),
        format!("Bearer {}", "x".repeat(9_000)),
    ];
    for text in bad {
        let who = Some(text.parse().unwrap());
        for rpc in [Rpc::Reserve, Rpc::GetBooking, Rpc::CreateEvent] {
            refused(call(&replica, rpc, &who, "").await, Code::Unauthenticated, "UNAUTHENTICATED");
        }
        // Calls that are open to all do not look at it.
        assert_eq!(heard(call(&replica, Rpc::ListEvents, &who, "").await), "OK");
    }
    let nobody = Some(bearer("ann", &[]));
    refused(call(&replica, Rpc::Reserve, &nobody, "").await, Code::PermissionDenied, "ROLE_REQUIRED");
}

#[tokio::test]
async fn a_service_acts_for_the_customer_that_it_names() {
    let world = World::new().await;
    let replica = world.replica().await;
    replica.open_event("rock", 10, Default::default()).await;
    let reserve = |customer: &str| {
        let (event_id, request_id) = ("rock".into(), "r".into());
        let message =
            ReserveRequest { event_id, seat_ids: vec![1], request_id, customer_id: customer.into() };
        as_role(Role::Service, "shop", message)
    };
    let unnamed = replica.bookings().reserve(reserve("")).await;
    refused(unnamed, Code::InvalidArgument, "INVALID_ARGUMENT");
    let held = replica.bookings().reserve(reserve("ann")).await.unwrap().into_inner();
    let (reservation, reservation_token) = (held.reservation.unwrap(), held.reservation_token);
    assert_eq!(reservation.customer_id, "ann");
    let confirm = |customer: &str| {
        let message = ConfirmRequest {
            reservation_id: reservation.reservation_id.clone(),
            payment_reference: "pay".into(),
            reservation_token: reservation_token.clone(),
            customer_id: customer.into(),
        };
        as_role(Role::Service, "shop", message)
    };
    // For one customer it can not touch another's.
    assert!(replica.bookings().confirm(confirm("bob")).await.is_err());
    let booking = replica.bookings().confirm(confirm("ann")).await.unwrap().into_inner().booking.unwrap();
    assert_eq!((booking.customer_id.as_str(), booking.seat_ids.as_slice()), ("ann", [1].as_slice()));
    // It is ann's: she cancels it herself.
    replica.cancel(&booking).await.unwrap();
}
