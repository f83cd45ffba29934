//! Calls that come twice: one after the other, at once, on two replicas, and late.

use std::time::Duration;

use ticketengine::v1::{BookingState, ReservationState, SalesSettings};
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    calls::refused,
    wait_until,
    world::{Replica, World, hold_ttl},
};

const ROUNDS: u32 = 50;

async fn two_replicas(settings: SalesSettings) -> (World, Replica, Replica) {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 2 * ROUNDS, settings).await;
    (world, a, b)
}

async fn rows(world: &World, outcome: &str) -> i64 {
    let count = "SELECT count(*) FROM bookings WHERE outcome = $1";
    world.database.client().await.query_one(count, &[&outcome]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reserve_that_comes_twice_at_once_makes_one_reservation() {
    let (_world, a, b) =
        two_replicas(SalesSettings { seats_per_customer: 2, ..SalesSettings::default() }).await;
    for round in 0..ROUNDS {
        let (customer, seats) = (format!("c{round}"), [2 * round, 2 * round + 1]);
        let (one, two) = tokio::join!(
            a.reserve("rock", &customer, "r", &seats),
            b.reserve("rock", &customer, "r", &seats)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.reservation, two.reservation, "round {round}");
        // Both seats count once: they are the customer's limit.
        let confirmed = b.confirm(&one, "pay").await.unwrap();
        assert_eq!(confirmed.seat_ids, seats);
    }
    assert_eq!(a.seat_states("rock", 2 * ROUNDS).await.unwrap(), [2; 2 * ROUNDS as usize]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_id_with_two_contents_holds_only_one_of_them() {
    let (_world, a, b) = two_replicas(SalesSettings::default()).await;
    for round in 0..ROUNDS {
        let (customer, seats) = (format!("c{round}"), [2 * round, 2 * round + 1]);
        let (one, two) = tokio::join!(
            a.reserve("rock", &customer, "r", &seats[..1]),
            b.reserve("rock", &customer, "r", &seats[1..])
        );
        // All customers use the same name: it is theirs alone.
        let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
        let won = won.unwrap();
        let refusal = refused(lost, Code::InvalidArgument, "REQUEST_ID_REUSED");
        assert!(refusal.message().contains("other seats"), "{refusal:?}");
        let held: u8 = a.seat_states("rock", 2 * ROUNDS).await.unwrap().iter().sum();
        assert_eq!(u32::from(held), round + 1);
        assert_eq!(
            b.reserve("rock", &customer, "r", &won.reservation.seat_ids).await.unwrap().id(),
            won.id()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_that_comes_twice_at_once_makes_one_booking() {
    let (world, a, b) = two_replicas(SalesSettings::default()).await;
    for round in 0..ROUNDS {
        let held = a.reserve("rock", &format!("c{round}"), "r", &[round]).await.unwrap();
        let (one, two) = tokio::join!(a.confirm(&held, "pay"), b.confirm(&held, "pay"));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one, two, "round {round}");
        assert_eq!(b.booking(&one.booking_id).await.unwrap(), one);
    }
    assert_eq!(rows(&world, "booked").await, i64::from(ROUNDS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_payments_at_once_one_is_taken() {
    let (world, a, b) = two_replicas(SalesSettings::default()).await;
    for round in 0..ROUNDS {
        let held = b.reserve("rock", &format!("c{round}"), "r", &[round]).await.unwrap();
        let (one, two) = tokio::join!(a.confirm(&held, "pay-a"), b.confirm(&held, "pay-b"));
        let (taken, refusal, reference) = if one.is_ok() { (one, two, "pay-a") } else { (two, one, "pay-b") };
        let taken = taken.unwrap();
        refused(refusal, Code::FailedPrecondition, "PAYMENT_MISMATCH");
        assert_eq!(taken.payment_reference, reference);
        assert_eq!(a.confirm(&held, reference).await.unwrap(), taken, "a repeat answers the same");
    }
    assert_eq!(rows(&world, "booked").await, i64::from(ROUNDS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_comes_twice_cancels_once_and_is_told_to_late_confirms() {
    let (_world, a, b) = two_replicas(SalesSettings::default()).await;
    let held = a.reserve("rock", "ann", "r1", &[4, 5]).await.unwrap();
    let booking = a.confirm(&held, "pay").await.unwrap();
    let (one, two) = tokio::join!(a.cancel(&booking), b.cancel(&booking));
    let cancelled = one.unwrap();
    assert_eq!(two.unwrap(), cancelled);
    assert_eq!(cancelled.state(), BookingState::Cancelled);
    assert!(cancelled.cancel_time.is_some());

    // The seats are another's now: a repeat must not touch them.
    let bob = b.reserve("rock", "bob", "r1", &[4, 5]).await.unwrap();
    assert_eq!(b.cancel(&booking).await.unwrap(), cancelled);
    assert_eq!(a.confirm(&held, "pay").await.unwrap(), cancelled);
    refused(a.confirm(&held, "pay-2").await, Code::FailedPrecondition, "PAYMENT_MISMATCH");
    refused(a.reserve("rock", "ann", "r1", &[4, 5]).await, Code::FailedPrecondition, "HOLD_RELEASED");
    assert_eq!(b.confirm(&bob, "pay").await.unwrap().customer_id, "bob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_comes_twice_answers_the_same_and_a_late_reserve_hears_of_it() {
    let (world, a, b) = two_replicas(SalesSettings::default()).await;
    let held = a.reserve("rock", "ann", "r1", &[7]).await.unwrap();
    let (one, two) = tokio::join!(a.release(&held), b.release(&held));
    let released = one.unwrap();
    assert_eq!(two.unwrap(), released);
    assert_eq!(released.state(), ReservationState::Released);

    let bob = b.reserve("rock", "bob", "r1", &[7]).await.unwrap();
    assert_eq!(b.release(&held).await.unwrap(), released);
    assert_eq!(b.reservation(&bob).await.unwrap().state(), ReservationState::Held);
    refused(b.reserve("rock", "ann", "r1", &[7]).await, Code::FailedPrecondition, "HOLD_RELEASED");
    refused(b.confirm(&held, "pay").await, Code::FailedPrecondition, "HOLD_RELEASED");
    refused(b.extend(&held).await, Code::FailedPrecondition, "HOLD_RELEASED");
    assert_eq!(rows(&world, "void").await, 1);
}

#[tokio::test]
async fn a_late_reserve_hears_that_its_hold_expired_or_is_booked() {
    let (_world, a, b) = two_replicas(hold_ttl(Duration::from_secs(1))).await;
    let booked = a.reserve("rock", "ann", "r1", &[1]).await.unwrap();
    a.confirm(&booked, "pay").await.unwrap();
    let held = a.reserve("rock", "ann", "r2", &[2]).await.unwrap();
    wait_until("the hold has expired", STORE_LIMIT, async || {
        a.reservation(&held).await.unwrap().state() == ReservationState::Expired
    })
    .await;
    let repeat = b.reserve("rock", "ann", "r1", &[1]).await.unwrap();
    assert_eq!((repeat.id(), repeat.reservation.state()), (booked.id(), ReservationState::Booked));
    refused(b.reserve("rock", "ann", "r2", &[2]).await, Code::FailedPrecondition, "HOLD_EXPIRED");
    refused(b.confirm(&held, "pay").await, Code::FailedPrecondition, "HOLD_EXPIRED");
    refused(b.release(&held).await, Code::FailedPrecondition, "HOLD_EXPIRED");
    // With a new id the seat is there to be had.
    b.reserve("rock", "ann", "r3", &[2]).await.unwrap();
}
