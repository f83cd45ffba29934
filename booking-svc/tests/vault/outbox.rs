//! The outbox: what is written with a booking, and the turns of those who relay it.

use std::time::Duration;

use booking_svc::{
    domain::{Booking, Epoch, ReservationState},
    vault::{self, Error, Outbox, Turn, Vault},
};
use testkit::{
    STORE_LIMIT,
    database::{OWNER, SERVICE},
    wait_until,
};

use crate::support::{Db, book, reservation, void, with_db};

const LIMIT: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(10);

/// What a delivered change was.
fn name(booking: &Booking) -> String {
    let what = match booking.state() {
        ReservationState::Booked => "confirmed",
        ReservationState::Cancelled => "cancelled",
        other => panic!("{other:?}"),
    };
    format!("{} {what}", booking.id.version)
}

/// A turn that delivers everything; what it was given.
async fn deliver(outbox: &mut Outbox) -> Vec<String> {
    let mut names = Vec::new();
    let all = async |changes: Vec<Booking>| {
        names = changes.iter().map(name).collect();
        vec![true; changes.len()]
    };
    let turn = outbox.turn(LIMIT, PATIENCE, all).await.unwrap();
    let done = Turn::Done { taken: names.len(), delivered: names.len() };
    assert_eq!(turn, if names.is_empty() { Turn::Empty } else { done });
    names
}

impl Db {
    fn outbox(&self) -> Outbox {
        Outbox::new(&self.options()).unwrap()
    }

    /// With an event and its outbox on.
    async fn announcing(&self) -> (Vault, Outbox) {
        assert!(self.switch_outbox(true).await);
        (self.vault_with_event().await, self.outbox())
    }
}

#[test]
fn each_booking_and_each_cancel_is_written_once_and_a_void_is_not() {
    with_db(async |db| {
        let (vault, mut outbox) = db.announcing().await;
        vault.decide(book(1, &[1, 2])).await.unwrap();
        vault.decide(void(2, &[3])).await.unwrap();
        vault.decide(book(3, &[2])).await.unwrap(); // its seat is sold
        vault.decide(book(1, &[1, 2])).await.unwrap();
        let (four, five) = tokio::join!(vault.decide(book(4, &[4])), vault.decide(book(5, &[5])));
        assert!(four.is_ok() && five.is_ok());
        for _ in 0..2 {
            vault.cancel(&reservation(1), Epoch(0)).await.unwrap();
        }
        vault.decide(book(6, &[2])).await.unwrap();

        let look = outbox.look().await.unwrap();
        assert!(look.is_on && look.waiting == 5, "{look:?}");
        let mut names = deliver(&mut outbox).await;
        names[1..3].sort(); // two decisions of one moment
        assert_eq!(names, ["1 confirmed", "4 confirmed", "5 confirmed", "1 cancelled", "6 confirmed"]);
        assert_eq!(deliver(&mut outbox).await, [""; 0]);
        let look = outbox.look().await.unwrap();
        assert_eq!((look.waiting, look.oldest), (0, Duration::ZERO));
    });
}

#[test]
fn it_is_off_until_it_is_switched_on_and_off_leaves_what_waits() {
    with_db(async |db| {
        let (vault, mut outbox) = (db.vault_with_event().await, db.outbox());
        vault.decide(book(1, &[1])).await.unwrap();
        assert!(!outbox.look().await.unwrap().is_on);
        assert_eq!([db.switch_outbox(true).await, db.switch_outbox(true).await], [true, false]);
        vault.decide(book(2, &[2])).await.unwrap();
        assert_eq!([db.switch_outbox(false).await, db.switch_outbox(false).await], [true, false]);
        vault.decide(book(3, &[3])).await.unwrap();
        vault.cancel(&reservation(2), Epoch(0)).await.unwrap();
        assert_eq!(deliver(&mut outbox).await, ["2 confirmed"]);
        let triggers = db.count("pg_trigger WHERE tgname LIKE 'outbox%'").await;
        assert_eq!(triggers, 0, "who does not relay pays for no trigger");
    });
}

#[test]
fn a_switch_that_would_make_bookings_wait_gives_up() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        vault.decide(book(1, &[1])).await.unwrap();
        let owner = db.raw_as(OWNER).await;
        owner.batch_execute("BEGIN; UPDATE bookings SET epoch = epoch").await.unwrap();
        let url = testkit::database::as_role(&db.url, OWNER);
        let refused = vault::migrate(&url, None, Some(true)).await;
        assert!(
            matches!(&refused, Err(Error::Unavailable(why)) if why.contains("lock timeout")),
            "{refused:?}"
        );
        owner.batch_execute("ROLLBACK").await.unwrap();
        assert!(db.switch_outbox(true).await);
    });
}

/// What a session decides, by hand: a booking of seat 1.
fn by_hand(version: u64) -> String {
    format!(
        "SELECT vault_decide('{{e.0.{version}}}', '{{e}}', '{{ann}}', '{{r}}', '{{0}}', '{{\"{{1}}\"}}', '{{pay}}', '{{NULL}}', false)"
    )
}

#[test]
fn what_depends_on_another_change_has_the_higher_id_whichever_session_made_it() {
    with_db(async |db| {
        let (_, mut outbox) = db.announcing().await;
        let (one, other) = (db.raw_as(SERVICE).await, db.raw_as(SERVICE).await);
        one.batch_execute(&by_hand(1)).await.unwrap();
        other.batch_execute("SELECT vault_cancel('e.0.1', 'e', 0)").await.unwrap();
        one.batch_execute(&by_hand(2)).await.unwrap();
        assert_eq!(deliver(&mut outbox).await, ["1 confirmed", "1 cancelled", "2 confirmed"]);
    });
}

#[test]
fn a_row_that_commits_late_is_not_skipped() {
    with_db(async |db| {
        let (vault, mut outbox) = db.announcing().await;
        let late = db.raw_as(OWNER).await;
        late.batch_execute(&format!("BEGIN; {}", by_hand(1))).await.unwrap();
        vault.decide(book(2, &[2])).await.unwrap();
        assert_eq!(deliver(&mut outbox).await, ["2 confirmed"]);
        late.batch_execute("COMMIT").await.unwrap();
        assert_eq!(deliver(&mut outbox).await, ["1 confirmed"], "its id is the lower one");
    });
}

#[test]
fn a_booking_that_was_deleted_before_it_was_told_stops_nobody() {
    with_db(async |db| {
        let (vault, mut outbox) = db.announcing().await;
        for version in 1..=3 {
            vault.decide(book(version, &[version as u32])).await.unwrap();
        }
        // As the owner takes a past event out.
        let purge = "DELETE FROM bookings WHERE reservation_id IN ('e.0.1', 'e.0.2')";
        db.raw_as(OWNER).await.batch_execute(purge).await.unwrap();
        assert_eq!(deliver(&mut outbox).await, ["3 confirmed"]);
        assert_eq!(db.count("outbox").await, 0, "what can not be told does not come again");
    });
}

#[test]
fn what_is_not_delivered_stays_and_one_relay_has_the_turn() {
    with_db(async |db| {
        let (vault, mut outbox) = db.announcing().await;
        for version in 1..=3 {
            vault.decide(book(version, &[version as u32])).await.unwrap();
        }
        vault.cancel(&reservation(3), Epoch(0)).await.unwrap();
        let mut other = db.outbox();
        let first_alone = async |changes: Vec<Booking>| {
            assert_eq!(changes.len(), 2, "no more than were asked for");
            let never = other.turn(LIMIT, PATIENCE, async |_| panic!("it is not its turn")).await;
            assert_eq!(never, Ok(Turn::Elsewhere));
            vec![true, false]
        };
        let turn = outbox.turn(2, PATIENCE, first_alone).await;
        assert_eq!(turn, Ok(Turn::Done { taken: 2, delivered: 1 }));

        // One that goes away in the middle of its turn.
        {
            let gone = outbox.turn(LIMIT, PATIENCE, async |_| std::future::pending().await);
            assert!(tokio::time::timeout(Duration::from_millis(300), gone).await.is_err());
        }
        wait_until("its turn has ended with it", STORE_LIMIT, async || {
            let nothing = async |changes: Vec<Booking>| vec![false; changes.len()];
            other.turn(LIMIT, PATIENCE, nothing).await == Ok(Turn::Done { taken: 3, delivered: 0 })
        })
        .await;
        // The confirmed one is told as it was, although it is cancelled by now.
        assert_eq!(deliver(&mut outbox).await, ["2 confirmed", "3 confirmed", "3 cancelled"]);
    });
}

#[test]
fn a_relay_that_falls_asleep_loses_its_turn() {
    with_db(async |db| {
        let (vault, mut asleep) = db.announcing().await;
        vault.decide(book(1, &[1])).await.unwrap();
        let mut awake = db.outbox();
        let sleep = async |changes: Vec<Booking>| {
            let mut took_over = Vec::new();
            wait_until("another has the turn", STORE_LIMIT, async || {
                let all = async |changes: Vec<Booking>| {
                    took_over = changes.iter().map(name).collect();
                    vec![true; changes.len()]
                };
                awake.turn(LIMIT, PATIENCE, all).await == Ok(Turn::Done { taken: 1, delivered: 1 })
            })
            .await;
            assert_eq!(took_over, ["1 confirmed"]);
            vec![true; changes.len()]
        };
        let lost = asleep.turn(LIMIT, Duration::from_millis(300), sleep).await;
        assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
        assert_eq!(deliver(&mut asleep).await, [""; 0], "with a connection of a new one");
    });
}
