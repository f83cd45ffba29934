//! A critical section goes on: whoever hangs up, whatever deadline passes, and when the replica is told to stop.

use std::time::Duration;

use ticketengine::v1::{BookingState, ConfirmRequest};
use tokio::time::timeout;
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    calls::Held,
    halt::Halt,
    wait_until,
    world::{Replica, World, as_customer},
};

fn confirm(held: &Held) -> ConfirmRequest {
    ConfirmRequest {
        reservation_id: held.id(),
        payment_reference: "pay".into(),
        reservation_token: held.token.clone(),
        customer_id: String::new(),
    }
}

async fn booked(replica: &Replica, held: &Held) {
    wait_until("the booking is there", STORE_LIMIT, async || {
        replica.booking(&held.id()).await.is_ok_and(|booking| booking.state() == BookingState::Confirmed)
    })
    .await;
    // The gate learns it a moment after the vault.
    wait_until("the gate shows it sold", STORE_LIMIT, async || {
        replica.seat_states("rock", 2).await.is_ok_and(|states| states == [0, 2])
    })
    .await;
}

#[tokio::test]
async fn a_confirm_under_way_at_a_stop_is_answered_and_durable() {
    let world = World::new().await;
    let (stopping, halt) = Halt::replica(world.settings()).await;
    let other = world.replica().await;
    other.open_event("rock", 10, Default::default()).await;
    let held = other.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let (mut bookings, new_call) = (stopping.bookings(), stopping.connect());
    let under_way = bookings.confirm(as_customer("ann", confirm(&held)));
    let stop = async {
        halt.begun().await;
        let stopped = stopping.stop();
        let release = async {
            // It takes no new connections any more: from then on it only finishes what it has.
            wait_until("the replica is stopping", STORE_LIMIT, async || {
                let mut events =
                    ticketengine::v1::event_service_client::EventServiceClient::new(new_call.clone());
                events.list_events(ticketengine::v1::ListEventsRequest::default()).await.is_err()
            })
            .await;
            assert!(other.booking(&held.id()).await.is_err(), "not decided yet");
            halt.go();
        };
        tokio::join!(stopped, release)
    };
    let (answer, _) = timeout(STORE_LIMIT, async { tokio::join!(under_way, stop) }).await.unwrap();
    let booking = answer.unwrap().into_inner().booking.unwrap();
    assert_eq!(other.booking(&held.id()).await.unwrap(), booking);
    booked(&other, &held).await;
}

#[tokio::test]
async fn a_confirm_whose_client_hangs_up_goes_on() {
    let world = World::new().await;
    let (a, halt) = Halt::replica(world.settings()).await;
    a.open_event("rock", 10, Default::default()).await;
    let held = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let mut bookings = a.bookings();
    tokio::select! {
        answer = bookings.confirm(as_customer("ann", confirm(&held))) => panic!("answered: {answer:?}"),
        () = halt.begun() => {} // Drops the call.
    }
    halt.go();
    booked(&a, &held).await;
}

#[tokio::test]
async fn a_deadline_is_honoured_and_the_confirm_goes_on() {
    let world = World::new().await;
    let (a, halt) = Halt::replica(world.settings()).await;
    a.open_event("rock", 10, Default::default()).await;
    let held = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let mut request = as_customer("ann", confirm(&held));
    request.set_timeout(Duration::from_millis(300));
    let answer = timeout(STORE_LIMIT, a.bookings().confirm(request)).await.unwrap();
    // The client's own timer may be first, and calls it cancelled.
    let status = answer.unwrap_err();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()), "{status:?}");
    halt.begun().await;
    halt.go();
    booked(&a, &held).await;
}
