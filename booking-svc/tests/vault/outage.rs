use std::{
    process::Command,
    time::{Duration, Instant},
};

use booking_svc::{
    domain::Outcome,
    tasks::Tasks,
    vault::{Error, Options, Vault},
};
use opentelemetry::global;
use tokio::{join, time::sleep};

use testkit::database::OWNER;

use crate::support::{book, with_db, with_empty_db};

#[test]
fn a_database_that_may_lose_bookings_is_refused() {
    with_db(async |db| {
        let sql = format!("ALTER DATABASE {} SET synchronous_commit = off", db.name);
        db.raw().await.batch_execute(&sql).await.unwrap();
        let refused = Vault::connect(db.options(), &db.tasks, &global::meter("test")).await.err();
        assert_eq!(refused, Some(Error::UnsafeDurability("synchronous_commit=off".into())));
        let allowed = Options { allow_unsafe_durability: true, ..db.options() };
        assert_eq!(db.vault_with(allowed).await.ping().await, Ok(()));
    });
}

#[test]
fn a_rollback_finds_a_newer_database_and_goes_on() {
    with_db(async |db| {
        let sql = "INSERT INTO refinery_schema_history VALUES (999, 'later', '2026-11-30T00:00:00Z', '1')";
        db.raw_as(OWNER).await.batch_execute(sql).await.unwrap();
        assert_eq!(db.migrate().await.unwrap(), <[String; 0]>::default());
        db.vault_with_event().await;
    });
}

#[test]
fn two_that_migrate_at_once_agree_and_an_empty_database_is_named() {
    with_empty_db(async |db| {
        let begun = Instant::now();
        let refused = Vault::connect(db.options(), &db.tasks, &global::meter("test")).await.err();
        assert!(matches!(refused, Some(Error::NotMigrated(_))), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "it is told at once");

        let (one, two) = join!(db.migrate(), db.migrate());
        let mut applied = [one.unwrap(), two.unwrap()];
        applied.sort();
        assert_eq!(applied[0], <[String; 0]>::default(), "the second finds nothing to do");
        assert_eq!(applied[1], ["V1__vault", "V2__least_privilege", "V3__outbox"]);
        db.vault_with_event().await;
    });
}

#[test]
fn a_url_that_is_none_is_named() {
    with_empty_db(async |db| {
        let options = Options { url: "postgres://host:port/".into(), ..db.options() };
        let refused = Vault::connect(options, &db.tasks, &global::meter("test")).await.err();
        assert!(matches!(refused, Some(Error::Url(_))), "{refused:?}");
    });
}

#[test]
fn an_outage_is_told_in_time_and_is_over_when_it_is_over() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let admin = db.admin().await;
        let allow = async |yes: bool| {
            let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {yes}", db.name);
            admin.batch_execute(&sql).await.unwrap();
        };
        allow(false).await;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        admin.query(kill, &[&db.name]).await.unwrap();

        for _ in 0..3 {
            let begun = Instant::now();
            let (ping, decided) = join!(vault.ping(), vault.decide(book(1, &[1])));
            assert!(matches!(ping, Err(Error::Unavailable(_))), "{ping:?}");
            assert!(matches!(decided, Err(Error::Unavailable(_))), "{decided:?}");
            assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
        }
        allow(true).await;
        assert!(matches!(decide_soon(&vault).await, Outcome::Booked(_)));
        assert_eq!(vault.ping().await, Ok(()));
    });
}

/// A stopped process of the server; it goes on when this is dropped.
struct Stopped(Vec<String>);

impl Stopped {
    fn new(pids: Vec<String>) -> Self {
        let stopped = Self(pids);
        stopped.signal("-STOP");
        stopped
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").arg(signal).args(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "may not signal the server's processes");
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
fn a_server_process_that_hangs_holds_no_lane_and_wakes_to_change_nothing() {
    with_db(async |db| {
        db.vault_with_event().await;
        let hasty = Options { decide_timeout: Duration::from_millis(300), ..db.options() };
        let vault = db.vault_with(hasty).await;
        let pids =
            "SELECT pid::text FROM pg_stat_activity WHERE datname = $1 AND application_name = 'booking-svc'";
        let pids = db.raw().await.query(pids, &[&db.name]).await.unwrap();
        let stopped = Stopped::new(pids.iter().map(|row| row.get(0)).collect());

        let outcome = decide_soon(&vault).await;
        drop(stopped);
        sleep(Duration::from_millis(300)).await;
        assert_eq!(vault.decide(book(1, &[1])).await, Ok(outcome));
        assert_eq!(db.count("bookings").await, 1);
        assert_eq!(db.count("booked_seats").await, 1);
    });
}

/// Repeats a decision, as a caller is told to.
async fn decide_soon(vault: &Vault) -> Outcome {
    let begun = Instant::now();
    loop {
        match vault.decide(book(1, &[1])).await {
            Ok(outcome) => return outcome,
            Err(Error::Unavailable(_)) if begun.elapsed() < Duration::from_secs(8) => {}
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn what_is_queued_is_decided_before_the_lanes_end() {
    with_db(async |db| {
        db.vault_with_event().await;
        let daemons = Tasks::default();
        let vault = Vault::connect(db.options(), &daemons, &global::meter("test")).await.unwrap();
        let (decided, stopped) = join!(vault.decide(book(1, &[1])), daemons.stop(Duration::from_secs(5)));
        assert!(matches!(decided, Ok(Outcome::Booked(_))), "{decided:?}");
        assert!(stopped, "a lane still runs");
        let late = vault.decide(book(2, &[2])).await;
        assert!(matches!(late, Err(Error::Unavailable(_))), "{late:?}");
    });
}
