use booking_svc::{
    domain::{Booking, Epoch, Outcome, SeatId, VoidReason},
    vault::{Blocked, Error},
};

use crate::support::{book, event_id, reservation, void, with_db};

fn booking(outcome: Outcome) -> Booking {
    match outcome {
        Outcome::Booked(booking) => booking,
        Outcome::Void(reason) => panic!("void: {reason:?}"),
    }
}

#[test]
fn a_cancelled_booking_frees_its_seats_once() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let sold = booking(vault.decide(book(1, &[1, 2])).await.unwrap());
        assert_eq!(vault.decide(book(2, &[2, 3])).await, Ok(Outcome::Void(VoidReason::SeatLost)));

        let cancelled = booking(vault.cancel(&sold.id, Epoch(0)).await.unwrap().unwrap());
        assert!(cancelled.cancelled_at >= Some(sold.booked_at));
        assert_eq!(Booking { cancelled_at: None, ..cancelled.clone() }, sold);
        let resold = booking(vault.decide(book(3, &[2, 3])).await.unwrap());
        let again = vault.cancel(&sold.id, Epoch(0)).await.unwrap().unwrap();
        assert_eq!(booking(again), cancelled, "a repeat finds the same, and leaves the new owner alone");
        assert_eq!(vault.taken(&event_id("e")).await.unwrap().sold.len(), 2);
        assert_eq!(booking(vault.decide(book(1, &[1, 2])).await.unwrap()), cancelled);
        assert_eq!(resold.cancelled_at, None);

        assert_eq!(
            vault.cancel(&reservation(2), Epoch(0)).await,
            Ok(Some(Outcome::Void(VoidReason::SeatLost)))
        );
        assert_eq!(vault.cancel(&reservation(99), Epoch(0)).await, Ok(None));
    });
}

#[test]
fn a_blocked_seat_is_not_sold_and_a_sold_seat_is_not_blocked() {
    with_db(async |db| {
        let (vault, event, epoch) = (db.vault_with_event().await, event_id("e"), Epoch(0));
        vault.decide(book(1, &[1, 2])).await.unwrap();
        let seats = |ids: &[u32]| ids.iter().copied().map(SeatId).collect::<Vec<_>>();

        let refused = vault.block(&event, epoch, &seats(&[0, 1, 2, 3])).await;
        assert_eq!(refused, Ok(Blocked::Sold(seats(&[1, 2]))));
        let done = vault.block(&event, epoch, &seats(&[4, 3])).await;
        assert_eq!(done, Ok(Blocked::Done(seats(&[3, 4]))));
        let again = vault.block(&event, epoch, &seats(&[3, 4, 5])).await;
        assert_eq!(again, Ok(Blocked::Done(seats(&[5]))));
        let nowhere = vault.block(&event, epoch, &seats(&[6, 1_000])).await;
        assert_eq!(nowhere, Err(Error::SeatNotFound { event: event.clone(), seat: SeatId(1_000) }));

        let lost = Outcome::Void(VoidReason::SeatLost);
        assert_eq!(vault.decide(book(2, &[4, 9])).await, Ok(lost));
        assert_eq!(vault.unblock(&event, epoch, &seats(&[4, 6])).await, Ok(seats(&[4])));
        booking(vault.decide(book(3, &[4, 9])).await.unwrap());
        assert_eq!(vault.taken(&event).await.unwrap().blocked, seats(&[3, 5]));
    });
}

#[test]
fn bookings_are_listed_page_by_page() {
    with_db(async |db| {
        let (vault, event) = (db.vault_with_event().await, event_id("e"));
        // At once: many are decided in one transaction, at the same time.
        let decisions = (0..25).map(|n| {
            let vault = vault.clone();
            db.tasks.spawn("decide", async move { vault.decide(book(n, &[n as u32])).await })
        });
        for decision in decisions.collect::<Vec<_>>() {
            booking(decision.await.unwrap().unwrap());
        }
        vault.decide(void(50, &[50])).await.unwrap();
        vault.cancel(&reservation(7), Epoch(0)).await.unwrap();

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = vault.bookings(&event, None, after.as_ref(), 10).await.unwrap();
            seen.extend(page.iter().map(|booking| booking.id.version.0));
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..25).collect::<Vec<_>>(), "each once, the cancelled one too");

        let customer = "customer-1".parse().unwrap();
        let first = vault.bookings(&event, Some(&customer), None, 5).await.unwrap();
        let rest = vault.bookings(&event, Some(&customer), Some(&first[4].id), 50).await.unwrap();
        assert_eq!((first.len(), rest.len()), (5, 3));
        assert!(first.iter().chain(&rest).all(|booking| booking.customer == customer));
        let unknown = vault.bookings(&event, None, Some(&reservation(999)), 5).await.unwrap();
        assert_eq!(unknown, []);
    });
}
