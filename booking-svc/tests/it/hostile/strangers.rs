//! A stranger with somebody's ids hears what he would hear of ids that are not there, to the last byte.

use ticketengine::v1::{
    Booking, CancelRequest, ConfirmRequest, ExtendRequest, GetBookingRequest, GetReservationRequest,
    ListBookingsRequest, ReleaseRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    bad_input::{everything, quiet},
    support::{
        STORE_LIMIT,
        calls::{Held, reason, refused},
        wait_until,
        world::{Replica, World, as_customer},
    },
};

/// All that a refusal says: code, sentence, details, headers. The id that was asked for reads `<id>`; a wait, which
/// shrinks with time, is left out, and so is the name of the call in the log, which is made up for each.
fn said(answer: Result<(), Status>, id: &str) -> String {
    let Err(status) = answer else { return "OK".into() };
    let mut details = status.get_error_details();
    if details.retry_info().is_some() {
        details.set_retry_info(None);
    }
    if let Some(request) = details.request_info() {
        assert_eq!((request.request_id.len(), &*request.serving_data), (32, ""));
        details.set_request_info("", "");
    }
    let mut headers: Vec<_> = status.metadata().keys().map(|key| format!("{key:?}")).collect();
    headers.sort_unstable();
    format!("{:?} {} {details:?} {headers:?}", status.code(), status.message()).replace(id, "<id>")
}

/// What bob hears of a reservation, call by call, with `token`.
async fn bob_hears(replica: &Replica, id: &str, token: &str) -> Vec<String> {
    let (reservation_id, reservation_token) = (|| id.to_owned(), || token.to_owned());
    let mut bookings = replica.bookings();
    macro_rules! send {
        ($method:ident($message:ident { $($field:ident: $value:expr),* })) => {{
            let message = $message { $($field: $value,)* customer_id: String::new() };
            let answer = bookings.$method(as_customer("bob", message)).await.map(drop);
            format!("{}: {}", stringify!($method), said(answer, id))
        }};
    }
    vec![
        send!(extend(ExtendRequest {
            reservation_id: reservation_id(),
            reservation_token: reservation_token()
        })),
        send!(release(ReleaseRequest {
            reservation_id: reservation_id(),
            reservation_token: reservation_token()
        })),
        send!(confirm(ConfirmRequest {
            reservation_id: reservation_id(),
            reservation_token: reservation_token(),
            payment_reference: "pay".into()
        })),
        send!(get_reservation(GetReservationRequest {
            reservation_id: reservation_id(),
            reservation_token: reservation_token()
        })),
        send!(cancel(CancelRequest { booking_id: reservation_id() })),
        send!(get_booking(GetBookingRequest { booking_id: reservation_id() })),
    ]
}

/// Ann's reservations in each state that lasts, and bob's own.
struct House {
    world: World,
    replica: Replica,
    anns: Vec<(&'static str, Held)>,
    bobs: Held,
}

async fn house() -> House {
    let (world, replica) = quiet().await;
    let reserve = |n: u32| {
        let replica = &replica;
        async move { replica.reserve("rock", "ann", &format!("r{n}"), &[n]).await.unwrap() }
    };
    let (held, released) = (reserve(1).await, reserve(2).await);
    let (booked, cancelled) = (reserve(3).await, reserve(4).await);
    replica.release(&released).await.unwrap();
    replica.confirm(&booked, "pay").await.unwrap();
    let booking = replica.confirm(&cancelled, "pay").await.unwrap();
    replica.cancel(&booking).await.unwrap();
    let bobs = replica.reserve("rock", "bob", "own", &[5]).await.unwrap();
    let anns = vec![("held", held), ("released", released), ("booked", booked), ("cancelled", cancelled)];
    House { world, replica, anns, bobs }
}

#[tokio::test]
async fn a_strangers_answer_is_that_of_an_id_that_is_not_there() {
    let House { world, replica, anns, bobs } = house().await;
    let before = everything(&world).await;
    let epoch = bobs.id().split('.').nth(1).unwrap().to_owned();
    let nobodys = format!("rock.{epoch}.9");
    for token in ["", "nonsense", &bobs.token] {
        let absent = bob_hears(&replica, &nobodys, token).await;
        assert!(absent.iter().all(|heard| !heard.ends_with(": OK")), "{absent:#?}");
        for (state, held) in &anns {
            assert_eq!(held.id().len(), nobodys.len());
            assert_eq!(bob_hears(&replica, &held.id(), token).await, absent, "{state}, with {token:?}");
        }
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn who_shows_the_owners_token_hears_whose_it_is_not() {
    let House { world, replica, anns, .. } = house().await;
    let before = everything(&world).await;
    for (state, held) in &anns {
        let heard = bob_hears(&replica, &held.id(), &held.token).await;
        for call in &heard[..4] {
            // A booking of another is not there, whatever he shows.
            assert!(call.contains("NOT_OWNER") || call.contains("RESERVATION_NOT_FOUND"), "{state}: {call}");
            assert!(!call.contains("ann"), "{state}: {call}");
        }
        assert!(heard[4..].iter().all(|call| call.contains("BOOKING_NOT_FOUND")), "{state}: {heard:#?}");
    }
    assert!(bob_hears(&replica, &anns[0].1.id(), &anns[0].1.token).await[0].contains("NOT_OWNER"));
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn lists_and_refusals_name_nobody_else() {
    let House { world, replica, anns, bobs } = house().await;
    let before = everything(&world).await;
    let list = |customer: &str| {
        let (event_id, customer_id) = ("rock".into(), customer.into());
        let message = ListBookingsRequest { event_id, customer_id, ..ListBookingsRequest::default() };
        let mut bookings = replica.bookings();
        async move { bookings.list_bookings(as_customer("bob", message)).await }
    };
    let [anns_list, nobodys] = [list("ann").await.map(drop), list("nobody").await.map(drop)];
    assert_eq!(reason(anns_list.as_ref().unwrap_err()), "NOT_OWNER");
    assert_eq!(said(anns_list, "ann"), said(nobodys, "nobody"));
    assert_eq!(list("").await.unwrap().into_inner().bookings, Vec::<Booking>::new());

    // Who wants her seats hears that they are taken, and not by whom.
    let taken = replica.reserve("rock", "bob", "hers", &[1, 3]).await;
    let taken = refused(taken, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
    let all = format!("{taken:?} {}", String::from_utf8_lossy(taken.details()));
    for (_, held) in &anns {
        assert!(!all.contains("ann") && !all.contains(&held.id()), "{all}");
    }
    // Her request ids are hers alone: the same one is another request of bob's.
    let own = replica.reserve("rock", "bob", "r1", &[7]).await.unwrap();
    assert_ne!(own.id(), bobs.id());
    replica.release(&own).await.unwrap();
    assert_ne!(everything(&world).await, before);
}

#[tokio::test]
async fn nor_after_a_loss_of_the_gate() {
    let House { world, replica, anns, bobs } = house().await;
    let epoch = bobs.id().split('.').nth(1).unwrap().to_owned();
    world.redis.flush().await;
    wait_until("the gate is rebuilt", STORE_LIMIT, async || {
        replica.seat_states("rock", 10).await.is_ok_and(|states| states[3] == 2)
    })
    .await;
    // Nobody can tell in the quarantine what was lost; a stranger not even what was not.
    let nobodys = format!("rock.{epoch}.9");
    let absent = bob_hears(&replica, &nobodys, "").await;
    assert!(absent[0].contains("GATE_REBUILDING"), "{absent:#?}");
    for (state, held) in &anns {
        assert_eq!(bob_hears(&replica, &held.id(), "").await, absent, "{state}");
    }
    // The owner hears of hers.
    let booked = &anns[2].1;
    assert!(replica.reservation(&Held { token: String::new(), ..booked.clone() }).await.is_ok());
}
