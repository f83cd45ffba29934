//! Each row of the error table: code, reason, and the details that help.

use std::time::Duration;

use booking_svc::identity::Role;
use ticketengine::v1::{
    BlockSeatsRequest, ConfirmRequest, GetBookingRequest, GetReservationRequest, ReleaseRequest,
    ReservationState, ReserveRequest,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, refused, retry_after},
    halt::Halt,
    wait_until,
    world::{Replica, World, as_customer, as_role},
};

async fn one_replica() -> (World, Replica) {
    let world = World::new().await;
    let replica = world.replica().await;
    replica.open_event("rock", 10, Default::default()).await;
    (world, replica)
}

async fn block(replica: &Replica, seats: &[u32]) {
    let message = BlockSeatsRequest { event_id: "rock".into(), seat_ids: seats.to_vec() };
    replica.events().block_seats(as_role(Role::Admin, "boss", message)).await.unwrap();
}

#[tokio::test]
async fn a_loser_learns_which_seats_are_taken_how_and_until_when() {
    let (_world, a) = one_replica().await;
    let held = a.reserve("rock", "ann", "r1", &[1]).await.unwrap();
    let sold = a.reserve("rock", "ann", "r2", &[2]).await.unwrap();
    a.confirm(&sold, "pay").await.unwrap();
    block(&a, &[3]).await;

    let lost = a.reserve("rock", "bob", "r", &[0, 1, 2, 3]).await;
    let lost = refused(lost, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
    let seats: Vec<_> = lost.get_details_precondition_failure().unwrap().violations;
    let said: Vec<_> = seats.iter().map(|seat| (seat.r#type.as_str(), seat.subject.as_str())).collect();
    assert_eq!(
        said,
        [("SEAT_UNAVAILABLE/HELD", "1"), ("SEAT_UNAVAILABLE/SOLD", "2"), ("SEAT_UNAVAILABLE/BLOCKED", "3")]
    );
    let until = held.reservation.expire_time.unwrap().to_string();
    assert_eq!(seats[0].description, format!("held until {until}"));
    assert_eq!(lost.get_details_error_info().unwrap().metadata["seat_ids"], "1,2,3");
    assert_eq!(retry_after(&lost), None, "waiting does not help: one is sold");

    // Waiting for a hold does.
    let lost =
        refused(a.reserve("rock", "bob", "r", &[0, 1]).await, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
    let wait = retry_after(&lost).unwrap();
    assert!(wait > Duration::from_secs(30) && wait <= Duration::from_secs(60), "{wait:?}");
    assert_eq!(a.seat_states("rock", 4).await.unwrap(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_confirm_under_way_stands_in_the_way_of_release_and_extend() {
    let world = World::new().await;
    let (slow, halt) = Halt::replica(world.settings()).await;
    let other = world.replica().await;
    other.open_event("rock", 10, Default::default()).await;
    let held = other.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let meanwhile = async {
        halt.begun().await;
        for replica in [&slow, &other] {
            let release = refused(replica.release(&held).await, Code::Aborted, "CONFIRM_IN_PROGRESS");
            let extend = refused(replica.extend(&held).await, Code::Aborted, "CONFIRM_IN_PROGRESS");
            assert!(retry_after(&release).is_some() && retry_after(&extend).is_some());
        }
        assert_eq!(other.reservation(&held).await.unwrap().state(), ReservationState::Confirming);
        assert_eq!(other.seat_states("rock", 2).await.unwrap(), [0, 1], "shown as held");
        halt.go();
    };
    let (confirmed, ()) = tokio::join!(slow.confirm(&held, "pay"), meanwhile);
    assert_eq!(confirmed.unwrap().seat_ids, [1]);
    refused(other.release(&held).await, Code::FailedPrecondition, "ALREADY_BOOKED");
    refused(other.extend(&held).await, Code::FailedPrecondition, "ALREADY_BOOKED");
}

#[tokio::test]
async fn a_full_service_sheds_calls_at_once() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.calls_max = 1;
    let (full, halt) = Halt::replica(settings).await;
    let other = world.replica().await;
    other.open_event("rock", 10, Default::default()).await;
    let held = other.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let meanwhile = async {
        halt.begun().await;
        let shed = refused(full.reserve("rock", "bob", "r", &[2]).await, Code::Unavailable, "OVERLOADED");
        assert!(retry_after(&shed).is_some_and(|wait| !wait.is_zero()));
        assert_eq!(other.seat_states("rock", 3).await.unwrap(), [0, 1, 0], "nothing was done");
        halt.go();
    };
    let (confirmed, ()) = tokio::join!(full.confirm(&held, "pay"), meanwhile);
    confirmed.unwrap();
    full.reserve("rock", "bob", "r", &[2]).await.unwrap();
}

#[tokio::test]
async fn a_seat_that_was_sold_to_another_at_the_vault_is_lost_and_all_with_it() {
    let (world, a) = one_replica().await;
    let held = a.reserve("rock", "ann", "r", &[1, 2]).await.unwrap();
    let vault = world.database.client().await;
    let sold = "INSERT INTO bookings (reservation_id, event_id, customer_id, request_id, seat_ids, outcome,
                    payment_reference, epoch, decided_at)
                VALUES ('rock.0.1', 'rock', 'eve', 'r', '{2}', 'booked', 'pay', 0, now());
                INSERT INTO booked_seats VALUES ('rock', 2, 'rock.0.1', true)";
    vault.batch_execute(sold).await.unwrap();
    for _ in 0..2 {
        refused(a.confirm(&held, "pay").await, Code::Aborted, "SEAT_LOST");
    }
    assert_eq!(a.reservation(&held).await.unwrap().state(), ReservationState::Lost);
    refused(a.extend(&held).await, Code::Aborted, "SEAT_LOST");
    let ann = "SELECT count(*) FROM booked_seats WHERE reservation_id <> 'rock.0.1'";
    assert_eq!(vault.query_one(ann, &[]).await.unwrap().get::<_, i64>(0), 0, "none of hers was sold");
    // The gate learns whose it is, and that the other seat is free.
    wait_until("the gate knows what the vault knows", STORE_LIMIT, async || {
        a.seat_states("rock", 3).await.is_ok_and(|states| states == [0, 0, 2])
    })
    .await;
}

#[tokio::test]
async fn another_payment_is_refused_by_name() {
    let (_world, a) = one_replica().await;
    let held = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let booking = a.confirm(&held, "pay-1").await.unwrap();
    let refusal = refused(a.confirm(&held, "pay-2").await, Code::FailedPrecondition, "PAYMENT_MISMATCH");
    assert_eq!(refusal.get_details_error_info().unwrap().metadata["booking_id"], booking.booking_id);
    assert_eq!(a.booking(&booking.booking_id).await.unwrap().payment_reference, "pay-1");
}

#[tokio::test]
async fn a_request_id_is_for_one_content() {
    let (_world, a) = one_replica().await;
    a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let refusal =
        refused(a.reserve("rock", "ann", "r", &[2]).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(refusal.get_details_bad_request().unwrap().field_violations[0].field, "request_id");
    assert_eq!(a.seat_states("rock", 3).await.unwrap(), [0, 1, 0]);
}

/// What `customer` hears who uses the ids of somebody else's hold, with or without its token.
async fn stranger(replica: &Replica, held: &Held, token: bool, expected: (Code, &str)) {
    let (code, reason) = expected;
    let token = || if token { held.token.clone() } else { String::new() };
    let get = GetReservationRequest {
        reservation_id: held.id(),
        reservation_token: token(),
        customer_id: String::new(),
    };
    refused(replica.bookings().get_reservation(as_customer("bob", get)).await, code, reason);
    let release =
        ReleaseRequest { reservation_id: held.id(), reservation_token: token(), customer_id: String::new() };
    refused(replica.bookings().release(as_customer("bob", release)).await, code, reason);
    let confirm = ConfirmRequest {
        reservation_id: held.id(),
        payment_reference: "pay".into(),
        reservation_token: token(),
        customer_id: String::new(),
    };
    refused(replica.bookings().confirm(as_customer("bob", confirm)).await, code, reason);
}

#[tokio::test]
async fn what_is_not_yours_is_not_there_unless_you_prove_that_you_know_it() {
    let (_world, a) = one_replica().await;
    let held = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    stranger(&a, &held, false, (Code::NotFound, "RESERVATION_NOT_FOUND")).await;
    stranger(&a, &held, true, (Code::PermissionDenied, "NOT_OWNER")).await;
    assert_eq!(a.reservation(&held).await.unwrap().state(), ReservationState::Held);

    let booking = a.confirm(&held, "pay").await.unwrap();
    stranger(&a, &held, false, (Code::NotFound, "RESERVATION_NOT_FOUND")).await;
    let get = || GetBookingRequest { booking_id: booking.booking_id.clone(), customer_id: String::new() };
    let seen = a.bookings().get_booking(as_customer("bob", get())).await;
    refused(seen, Code::NotFound, "BOOKING_NOT_FOUND");
    let bobs = ticketengine::v1::Booking { customer_id: "bob".into(), ..booking.clone() };
    refused(a.cancel(&bobs).await, Code::NotFound, "BOOKING_NOT_FOUND");
    let own = a.bookings().get_booking(as_customer("ann", get())).await.unwrap().into_inner();
    assert_eq!(own.booking, Some(booking));

    // A customer that names another is told so.
    let message = ReserveRequest {
        event_id: "rock".into(),
        seat_ids: vec![5],
        request_id: "r".into(),
        customer_id: "ann".into(),
    };
    let named = a.bookings().reserve(as_customer("bob", message)).await;
    refused(named, Code::PermissionDenied, "NOT_OWNER");
    assert_eq!(a.seat_states("rock", 6).await.unwrap(), [0, 2, 0, 0, 0, 0]);
}
