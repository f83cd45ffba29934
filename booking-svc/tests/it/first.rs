//! The whole way once: reserve, confirm, repeat, cancel.

use ticketengine::v1::{BookingState, SalesSettings};

use crate::support::{calls::reason, world::World};

#[tokio::test]
async fn a_seat_is_reserved_confirmed_and_cancelled_through_two_replicas() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 100, SalesSettings::default()).await;

    let held = a.reserve("rock", "ann", "r1", &[3, 1]).await.unwrap();
    assert_eq!(held.reservation.seat_ids, [1, 3]);
    assert_eq!(held.reservation.total_minor, 2_000);
    let refused = b.reserve("rock", "bob", "r1", &[3, 4]).await.unwrap_err();
    assert_eq!(reason(&refused), "SEAT_UNAVAILABLE");

    let booking = b.confirm(&held, "pay-1").await.unwrap();
    assert_eq!(booking.state(), BookingState::Confirmed);
    assert_eq!(a.confirm(&held, "pay-1").await.unwrap(), booking, "a repeat answers the same");
    assert_eq!(reason(&a.confirm(&held, "pay-2").await.unwrap_err()), "PAYMENT_MISMATCH");
    assert_eq!(a.seat_states("rock", 5).await.unwrap(), [0, 2, 0, 2, 0]);

    let cancelled = a.cancel(&booking).await.unwrap();
    assert_eq!(cancelled.state(), BookingState::Cancelled);
    assert_eq!(b.seat_states("rock", 5).await.unwrap(), [0; 5]);
    b.reserve("rock", "bob", "r2", &[3]).await.unwrap();
    a.stop().await;
    b.stop().await;
}
