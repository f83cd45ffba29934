use std::time::Duration;

use booking_svc::{
    domain::{Outcome, SeatId, VoidReason},
    vault::{Error, Options},
};
use tokio::{
    join,
    time::{sleep, timeout},
};

use crate::support::{book, reservation, void, with_db};

fn is_booked(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Booked(_))
}

#[test]
fn the_first_decision_is_the_outcome_for_ever() {
    with_db(async |db| {
        let (one, two) = (db.vault_with_event().await, db.vault().await);
        let mut booked = 0;
        for round in 0..200 {
            let seats = [(round % 300) as u32, 300 + (round % 300) as u32];
            let (a, b) = join!(one.decide(book(round, &seats)), two.decide(void(round, &seats)));
            assert_eq!(a, b, "round {round}");
            booked += usize::from(is_booked(&a.unwrap()));
        }
        assert!((1..200).contains(&booked), "{booked} of 200 were booked: nothing raced");
        let after = one.decide(void(900, &[900])).await.unwrap();
        assert_eq!(after, Outcome::Void(VoidReason::Expired));
        assert_eq!(two.decide(book(900, &[900])).await.unwrap(), after);
        let seats = db.count("booked_seats WHERE active").await;
        assert_eq!(seats, 2 * i64::try_from(booked).unwrap());
    });
}

#[test]
fn of_overlapping_reservations_exactly_one_is_booked() {
    with_db(async |db| {
        let (one, two) = (db.vault_with_event().await, db.vault().await);
        for round in 0..100 {
            let (id, seat) = (round * 10, 4 + 9 * round as u32);
            let (a, b, c, d) = join!(
                one.decide(book(id, &[seat, seat + 1])),
                two.decide(book(id + 1, &[seat - 1, seat])),
                one.decide(book(id + 2, &[seat - 2, seat, seat + 3])),
                two.decide(book(id + 3, &[seat])),
            );
            let outcomes = [a, b, c, d].map(Result::unwrap);
            let booked = outcomes.iter().filter(|outcome| is_booked(outcome)).count();
            let lost = outcomes.iter().filter(|o| **o == Outcome::Void(VoidReason::SeatLost)).count();
            assert_eq!((booked, lost), (1, 3), "round {round}: {outcomes:?}");
        }
    });
}

#[test]
fn an_id_that_a_gate_used_twice_books_nothing_for_the_second() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        vault.decide(book(1, &[1, 2])).await.unwrap();
        let mut other = book(1, &[1, 2]);
        other.customer = "somebody-else".parse().unwrap();
        assert_eq!(vault.decide(other).await, Err(Error::Mismatch(reservation(1))));
        assert_eq!(vault.decide(book(1, &[1, 3])).await, Err(Error::Mismatch(reservation(1))));
    });
}

#[test]
fn a_seat_that_is_not_there_is_lost_and_an_event_is_named() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let lost = Ok(Outcome::Void(VoidReason::SeatLost));
        assert_eq!(vault.decide(book(1, &[999, 1_000])).await, lost);
        let seat = SeatId(u32::MAX);
        let refused = Err(Error::SeatNotFound { event: reservation(1).event, seat });
        assert_eq!(vault.decide(book(2, &[seat.0])).await, refused);
        let mut nowhere = book(3, &[1]);
        nowhere.reservation.event = "f".parse().unwrap();
        assert_eq!(vault.decide(nowhere).await, Err(Error::EventNotFound("f".parse().unwrap())));
    });
}

#[test]
fn a_decision_that_fails_does_not_fail_its_neighbours() {
    with_db(async |db| {
        db.vault_with_event().await;
        let vault = db.vault_with(Options { commit_lanes: 1, ..db.options() }).await;
        // Somebody sells seat 5 without asking for its lock: the batch runs into the unique index.
        let thief = db.raw().await;
        thief.batch_execute("BEGIN; INSERT INTO booked_seats VALUES ('e', 5, 'e.9.9', true)").await.unwrap();
        let thief_commits = async {
            sleep(Duration::from_millis(200)).await;
            thief.batch_execute("COMMIT").await.unwrap();
        };
        let ask = |seat: u32| vault.decide(book(seat.into(), &[seat]));
        let (a, b, c, d, ()) = join!(ask(3), ask(4), ask(5), ask(6), thief_commits);
        assert!([a, b, d].into_iter().all(|outcome| is_booked(&outcome.unwrap())));
        assert_eq!(c, Ok(Outcome::Void(VoidReason::SeatLost)));
    });
}

#[test]
fn a_locked_seat_holds_up_nobody_else() {
    with_db(async |db| {
        db.vault_with_event().await;
        let vault = db.vault_with(Options { commit_lanes: 1, ..db.options() }).await;
        let holder = db.raw().await;
        holder.batch_execute("BEGIN; SELECT FROM seats WHERE seat_id = 5 FOR UPDATE").await.unwrap();
        let neighbours = async {
            for seat in 10..30 {
                let outcome = timeout(Duration::from_secs(1), vault.decide(book(seat.into(), &[seat]))).await;
                assert!(is_booked(&outcome.expect("held up").unwrap()));
            }
            holder.batch_execute("ROLLBACK").await.unwrap();
        };
        let (held, ()) = join!(vault.decide(book(5, &[4, 5])), neighbours);
        assert!(is_booked(&held.unwrap()));
    });
}

#[test]
fn a_decision_held_past_its_timeout_and_a_void_have_one_outcome() {
    with_db(async |db| {
        let patient = db.vault_with_event().await;
        let hasty =
            db.vault_with(Options { decide_timeout: Duration::from_millis(200), ..db.options() }).await;
        for round in 0..3 {
            let holder = db.raw().await;
            holder.batch_execute("BEGIN; SELECT FROM seats WHERE seat_id = 5 FOR UPDATE").await.unwrap();
            let booking = hasty.decide(book(round, &[5, 6]));
            let voiding = async {
                // At different points of the attempts to book.
                sleep(Duration::from_millis(50 + 100 * round)).await;
                patient.decide(void(round, &[5, 6])).await.unwrap()
            };
            let release = async {
                sleep(Duration::from_millis(600)).await;
                holder.batch_execute("ROLLBACK").await.unwrap();
            };
            let (booking, voiding, ()) = join!(booking, voiding, release);
            assert!(matches!(booking, Err(Error::Unavailable(_))) || booking == Ok(voiding.clone()));
            assert_eq!(hasty.decide(book(round, &[5, 6])).await, Ok(voiding.clone()));
            assert_eq!(hasty.outcome(&reservation(round)).await, Ok(Some(voiding)));
        }
    });
}

#[test]
fn a_caller_that_goes_away_does_not_cancel_its_decision() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let holder = db.raw().await;
        holder.batch_execute("BEGIN; SELECT FROM seats WHERE seat_id = 5 FOR UPDATE").await.unwrap();
        let gone = timeout(Duration::from_millis(100), vault.decide(book(1, &[5]))).await;
        assert!(gone.is_err(), "{gone:?}");
        holder.batch_execute("ROLLBACK").await.unwrap();
        let mut outcome = None;
        for _ in 0..100 {
            outcome = vault.outcome(&reservation(1)).await.unwrap();
            if outcome.is_some() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        assert!(is_booked(&outcome.expect("it was never decided")));
    });
}
