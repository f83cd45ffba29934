use std::time::Duration;

use booking_svc::{
    domain::{Epoch, Outcome, SeatId},
    vault::{Blocked, Error},
};
use tokio::time::{sleep, timeout};

use crate::support::{book, event_id, reservation, void, with_db};

#[test]
fn a_write_with_another_epoch_writes_nothing() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let event = event_id("e");
        let sold = vault.decide(book(1, &[1])).await.unwrap();
        vault.block(&event, Epoch(0), &[SeatId(8)]).await.unwrap();
        assert_eq!(vault.raise_epoch(&event, Epoch(6)).await, Ok(Epoch(7)));
        assert_eq!(vault.raise_epoch(&event, Epoch(2)).await, Ok(Epoch(8)));

        let stale = Error::EpochStale { vault: Epoch(8) };
        assert_eq!(vault.decide(book(2, &[2])).await, Err(stale.clone()));
        assert_eq!(vault.decide(void(3, &[3])).await, Err(stale.clone()));
        let mut ahead = book(4, &[4]);
        ahead.epoch = Epoch(9);
        assert_eq!(vault.decide(ahead.clone()).await, Err(stale.clone()));
        ahead.epoch = Epoch(u64::MAX);
        assert_eq!(vault.decide(ahead).await, Err(stale.clone()));
        assert_eq!(vault.cancel(&reservation(1), Epoch(7)).await, Err(stale.clone()));
        assert_eq!(vault.block(&event, Epoch(7), &[SeatId(9)]).await, Err(stale.clone()));
        assert_eq!(vault.unblock(&event, Epoch(7), &[SeatId(8)]).await, Err(stale));

        assert_eq!(vault.decide(void(1, &[1])).await, Ok(sold.clone()), "what is decided is told");
        assert_eq!((db.count("bookings").await, db.count("blocked_seats").await), (1, 1));
        assert_eq!(vault.outcome(&reservation(1)).await, Ok(Some(sold)));
    });
}

#[test]
fn an_epoch_is_raised_only_once_the_writes_under_the_old_one_have_ended() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let writer = db.raw().await;
        writer
            .batch_execute(
                "BEGIN; SELECT vault_decide('{e.0.1}', '{e}', '{c}', '{r}', '{0}', '{\"{1}\"}', '{p}', '{NULL}', false)",
            )
            .await
            .unwrap();

        let raising = {
            let vault = vault.clone();
            db.tasks.spawn("raise", async move { vault.raise_epoch(&event_id("e"), Epoch(0)).await })
        };
        sleep(Duration::from_millis(100)).await;
        let late = {
            let vault = vault.clone();
            db.tasks.spawn("late", async move { vault.decide(book(2, &[2])).await })
        };
        sleep(Duration::from_millis(200)).await;
        assert!(!raising.is_finished() && !late.is_finished());
        writer.batch_execute("COMMIT").await.unwrap();
        assert_eq!(raising.await.unwrap(), Ok(Epoch(1)));
        assert_eq!(late.await.unwrap(), Err(Error::EpochStale { vault: Epoch(1) }));

        let truth = vault.truth(&event_id("e")).await.unwrap();
        assert_eq!(truth.event.epoch, Epoch(1));
        assert_eq!(truth.bookings.len(), 1, "the rebuild sees what was in flight");
    });
}

#[test]
fn raises_at_once_give_different_epochs_and_nonsense_is_refused() {
    with_db(async |db| {
        let (vault, event) = (db.vault_with_event().await, event_id("e"));
        let (a, b) = tokio::join!(vault.raise_epoch(&event, Epoch(3)), vault.raise_epoch(&event, Epoch(3)));
        let mut both = [a.unwrap(), b.unwrap()];
        both.sort();
        assert_eq!(both, [Epoch(4), Epoch(5)]);
        assert!(matches!(vault.raise_epoch(&event, Epoch(u64::MAX)).await, Err(Error::Corrupt(_))));
        let nowhere = event_id("nowhere");
        assert_eq!(vault.raise_epoch(&nowhere, Epoch(0)).await, Err(Error::EventNotFound(nowhere)));
    });
}

#[test]
fn what_a_gate_is_rebuilt_from() {
    with_db(async |db| {
        let (vault, event) = (db.vault_with_event().await, event_id("e"));
        for n in 1..=4 {
            vault.decide(book(n, &[n as u32, 100 + n as u32])).await.unwrap();
        }
        vault.decide(void(5, &[5])).await.unwrap();
        vault.cancel(&reservation(2), Epoch(0)).await.unwrap();
        let blocked = vault.block(&event, Epoch(0), &[SeatId(20), SeatId(10)]).await;
        assert_eq!(blocked, Ok(Blocked::Done(vec![SeatId(10), SeatId(20)])));

        let truth = timeout(Duration::from_secs(5), vault.truth(&event)).await.unwrap().unwrap();
        let mut ids: Vec<_> = truth.bookings.iter().map(|booking| booking.id.version.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 3, 4]);
        assert_eq!(truth.blocked, [SeatId(10), SeatId(20)]);
        assert_eq!(truth.hold_ttl_longest, Duration::from_secs(60));

        let taken = vault.taken(&event).await.unwrap();
        let sold: Vec<_> = taken.sold.iter().map(|(seat, id)| (seat.0, id.version.0)).collect();
        assert_eq!(sold, [(1, 1), (3, 3), (4, 4), (101, 1), (103, 3), (104, 4)]);
        assert_eq!(taken.blocked, truth.blocked);

        let asked: Vec<_> = [2, 5, 77].map(reservation).into();
        let outcomes = vault.outcomes(&asked).await.unwrap();
        assert_eq!(outcomes.len(), 2);
        assert!(
            matches!(&outcomes[&reservation(2)], Outcome::Booked(booking) if booking.cancelled_at.is_some())
        );
        assert!(matches!(outcomes[&reservation(5)], Outcome::Void(_)));
    });
}
