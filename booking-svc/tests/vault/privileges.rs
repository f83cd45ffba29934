//! The service's role may do what the service does, and nothing else.

use bb8_postgres::tokio_postgres::{Client, error::SqlState};
use booking_svc::{
    domain::{Epoch, SeatId},
    vault::{self, Error, Vault},
};
use testkit::database::{OWNER, SERVICE, as_role};

use crate::support::{Db, book, event_id, new_event, reservation, void, with_db, with_empty_db};

/// What nobody must do who has stolen the service's URL.
const REFUSED: [&str; 46] = [
    "CREATE TABLE t ()",
    "CREATE SCHEMA s",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX ON bookings (epoch)",
    "CREATE ROLE thief",
    "DROP TABLE bookings",
    "DROP INDEX booked_seats_once",
    "DROP FUNCTION vault_cancel",
    "ALTER TABLE bookings ADD column thief int",
    "ALTER TABLE bookings DISABLE TRIGGER ALL",
    "ALTER FUNCTION vault_decide SECURITY INVOKER",
    "ALTER SYSTEM SET fsync = off",
    "TRUNCATE bookings",
    "TRUNCATE events CASCADE",
    "BEGIN; LOCK TABLE bookings",
    "DELETE FROM bookings",
    "DELETE FROM booked_seats",
    "DELETE FROM blocked_seats",
    "DELETE FROM seats",
    "DELETE FROM events",
    "UPDATE bookings SET outcome = 'void'",
    "UPDATE bookings SET cancelled_at = now()",
    "UPDATE bookings SET payment_reference = 'x'",
    "UPDATE booked_seats SET active = false",
    "UPDATE seats SET label = 'x'",
    "UPDATE events SET epoch = 0",
    "UPDATE events SET seat_count = 1",
    "SELECT FROM seats FOR UPDATE",
    "INSERT INTO bookings SELECT * FROM bookings",
    "INSERT INTO booked_seats VALUES ('e', 9, 'e.0.9', true)",
    "INSERT INTO blocked_seats VALUES ('e', 9)",
    "DELETE FROM refinery_schema_history",
    "INSERT INTO outbox (reservation_id, change) VALUES ('e.0.9', 'confirmed')",
    "UPDATE outbox SET change = 'cancelled'",
    "TRUNCATE outbox",
    "SELECT setval('outbox_outbox_id_seq', 1)",
    "SELECT vault_outbox(false)",
    "DROP TRIGGER outbox_confirmed ON bookings",
    "SELECT vault_grant('ticketengine_service')",
    "CREATE TRIGGER t AFTER INSERT ON bookings EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "SET ROLE ticketengine",
    "SET SESSION AUTHORIZATION ticketengine",
    "SET session_replication_role = replica",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY bookings TO '/tmp/bookings'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
];

async fn assert_refused(client: &Client, statement: &str) {
    let refused = client.batch_execute(statement).await.expect_err(statement);
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {refused:?}");
}

/// Every write that a vault can make, to the event `e`.
async fn write_everything(vault: &Vault) {
    let event = event_id("e");
    vault.decide(book(1, &[1, 2])).await.unwrap();
    vault.decide(void(2, &[3])).await.unwrap();
    vault.cancel(&reservation(1), Epoch(0)).await.unwrap();
    vault.block(&event, Epoch(0), &[SeatId(8)]).await.unwrap();
    vault.unblock(&event, Epoch(0), &[SeatId(8)]).await.unwrap();
    vault.set_sales_open(&event, true).await.unwrap();
    let settings = vault.event(&event).await.unwrap().unwrap().settings;
    vault.update_event(&event, Some("Another night"), Some(&settings)).await.unwrap();
    assert_eq!(vault.raise_epoch(&event, Epoch(0)).await, Ok(Epoch(1)));
}

#[test]
fn the_services_role_writes_by_the_functions_alone() {
    with_db(async |db| {
        db.switch_outbox(true).await;
        write_everything(&db.vault_with_event().await).await;
        let service = db.raw_as(SERVICE).await;
        for statement in REFUSED {
            assert_refused(&service, statement).await;
        }
        assert_eq!((db.count("bookings").await, db.count("booked_seats").await), (2, 2));
        assert_eq!(db.count("outbox").await, 2, "the triggers write it, whoever called");
    });
}

#[test]
fn a_role_that_could_do_more_can_not_after_the_next_migration() {
    with_db(async |db| {
        let owner = db.raw_as(OWNER).await;
        owner.batch_execute(&format!("GRANT ALL ON bookings, events TO {SERVICE}")).await.unwrap();
        db.migrate().await.unwrap();
        let service = db.raw_as(SERVICE).await;
        assert_refused(&service, "DELETE FROM bookings").await;
        assert_refused(&service, "UPDATE events SET epoch = 0").await;
        write_everything(&db.vault_with_event().await).await;

        let nobody = vault::migrate(&as_role(&db.url, OWNER), Some("nobody at all"), None).await;
        assert!(matches!(&nobody, Err(Error::Query(why)) if why.contains("nobody at all")), "{nobody:?}");
    });
}

/// Where one role is owner and service, nothing has to be granted, and granting does no harm.
#[test]
fn the_owner_alone_is_enough() {
    with_empty_db(async |db: Db| {
        let url = as_role(&db.url, OWNER);
        vault::migrate(&url, None, None).await.unwrap();
        vault::migrate(&url, Some(OWNER), None).await.unwrap();
        vault::migrate(&db.url, Some(OWNER), None).await.unwrap();
        let vault = db.vault_with(vault::Options { url, ..db.options() }).await;
        vault.create_event(&new_event("e", 100)).await.unwrap();
        write_everything(&vault).await;
    });
}

/// The functions run as the owner: tables and functions that a caller makes up must not be theirs.
#[test]
fn the_functions_go_by_their_own_schema_whatever_the_caller_makes_up() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        vault.decide(book(1, &[1])).await.unwrap();
        let service = db.raw_as(SERVICE).await;
        service
            .batch_execute(
                "CREATE TEMP TABLE bookings AS SELECT * FROM public.bookings;
                 CREATE TEMP TABLE booked_seats AS SELECT * FROM public.booked_seats;
                 GRANT ALL ON pg_temp.bookings, pg_temp.booked_seats TO PUBLIC;
                 SET search_path = pg_temp, public, pg_catalog;
                 SELECT vault_cancel('e.0.1', 'e', 0)",
            )
            .await
            .unwrap();
        assert_eq!(db.count("public.bookings WHERE cancelled_at IS NOT NULL").await, 1);
        assert_eq!(db.count("public.booked_seats WHERE active").await, 0);
    });
}
