//! The guards of the vault, taken out one by one: `chaos/mutants/*.sql`. Each can be applied, and is missed.

use std::time::Duration;

use bb8_postgres::tokio_postgres::error::SqlState;
use booking_svc::domain::{Epoch, Outcome};
use tokio::time::timeout;

use crate::support::{Db, book, event_id, reservation, with_db};

const NO_UNIQUE: &str = include_str!("../../../chaos/mutants/no-unique.sql");
const NO_ROW_LOCK: &str = include_str!("../../../chaos/mutants/no-row-lock.sql");
const NO_EPOCH_CHECK: &str = include_str!("../../../chaos/mutants/no-epoch-check-in-vault.sql");

/// Locks seat 1 of `e` until the transaction ends.
const LOCK: &str = "BEGIN; SELECT FROM seats WHERE event_id = 'e' AND seat_id = 1 FOR UPDATE";

async fn take_out(db: &Db, guard: &str) {
    db.raw().await.batch_execute(guard).await.unwrap();
}

#[test]
fn without_the_unique_index_a_seat_can_have_two_active_bookings() {
    with_db(async |db| {
        db.vault_with_event().await;
        let twice = "INSERT INTO booked_seats VALUES ('e', 1, 'e.0.1', true), ('e', 1, 'e.0.2', true)";
        let refused = db.raw().await.batch_execute(twice).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::UNIQUE_VIOLATION));
        take_out(&db, NO_UNIQUE).await;
        db.raw().await.batch_execute(twice).await.unwrap();
        assert_eq!(db.count("booked_seats WHERE active").await, 2);
    });
}

#[test]
fn without_row_locks_a_decision_does_not_wait_for_its_seats() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let other = db.raw().await;
        other.batch_execute(LOCK).await.unwrap();
        let decision = vault.decide(book(1, &[1]));
        assert!(timeout(Duration::from_millis(300), decision).await.is_err(), "the guard is there");
        other.batch_execute("ROLLBACK").await.unwrap();
        vault.decide(book(1, &[1])).await.unwrap();

        take_out(&db, NO_ROW_LOCK).await;
        other.batch_execute(LOCK).await.unwrap();
        assert!(matches!(vault.decide(book(2, &[1])).await, Ok(Outcome::Void(_))));
        other.batch_execute("ROLLBACK").await.unwrap();
    });
}

#[test]
fn without_row_locks_and_unique_index_two_batches_sell_a_seat_twice() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        take_out(&db, NO_UNIQUE).await;
        take_out(&db, NO_ROW_LOCK).await;
        let other = db.raw().await;
        let decide = "BEGIN; SELECT vault_decide('{e.0.1}', '{e}', '{c}', '{r}', '{0}', '{\"{1}\"}', '{p}', '{NULL}', false)";
        other.batch_execute(decide).await.unwrap();
        assert!(matches!(vault.decide(book(2, &[1])).await, Ok(Outcome::Booked(_))));
        other.batch_execute("COMMIT").await.unwrap();
        assert_eq!(db.count("booked_seats WHERE active AND seat_id = 1").await, 2);
    });
}

#[test]
fn without_the_epoch_check_a_late_decision_is_written() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        assert_eq!(vault.raise_epoch(&event_id("e"), Epoch(6)).await, Ok(Epoch(7)));
        vault.decide(book(1, &[1])).await.unwrap_err();
        take_out(&db, NO_EPOCH_CHECK).await;
        assert!(matches!(vault.decide(book(1, &[1])).await, Ok(Outcome::Booked(_))));
        let cancelled = vault.cancel(&reservation(1), Epoch(3)).await.unwrap();
        assert!(matches!(cancelled, Some(Outcome::Booked(booking)) if booking.cancelled_at.is_some()));
        assert_eq!(db.count("bookings WHERE epoch = 0").await, 1);
    });
}
