//! What is said to PostgreSQL, apart from the code that says it. The functions are in `migrations/`.

use bb8_postgres::tokio_postgres::types::Type;

use super::pool::Access;

/// A statement, and the types of its parameters: with them it can be run without being prepared first.
pub(super) struct Statement {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

macro_rules! statement {
    ($name:ident($($parameter:ident),*), $text:expr) => {
        pub(super) static $name: Statement = Statement { text: $text, types: &[$(Type::$parameter),*] };
    };
}

macro_rules! event_columns {
    () => {
        "event_id, name, venue_name, currency, price_categories, seat_count, hold_ttl_ms, hold_max_ms, \
         hold_ttl_ms_longest, seats_per_customer, vault_ms(opens_at) AS opens_ms, vault_ms(closes_at) AS closes_ms, \
         sales_open, revision, epoch, vault_ms(created_at) AS created_ms, vault_ms(updated_at) AS updated_ms"
    };
}

macro_rules! booking_columns {
    () => {
        "reservation_id, customer_id, request_id, seat_ids, outcome, void_reason, payment_reference, \
         vault_ms(decided_at) AS decided_ms, vault_ms(cancelled_at) AS cancelled_ms"
    };
}

/// Sets up a session of our own.
///
/// Plans are made anew for each call (the tables start empty and grow fast); `vault_decide` knows better for itself.
pub(super) fn setup(access: Access, limit_ms: u128) -> String {
    let read_only = access == Access::Read;
    format!(
        "SET default_transaction_read_only = {read_only};
         SET statement_timeout = {limit_ms};
         SET idle_in_transaction_session_timeout = {limit_ms};
         SET default_transaction_isolation = 'read committed';
         SET plan_cache_mode = force_custom_plan;
         SET jit = off"
    )
}

/// The same for one transaction of a session that is others' before and after it. What a commit waits for is what the
/// server's settings say, whatever another client of the pooler has left in the session.
pub(super) fn setup_local(limit_ms: u128, idle_ms: u128) -> String {
    format!(
        "SET LOCAL statement_timeout = {limit_ms};
         SET LOCAL idle_in_transaction_session_timeout = {idle_ms};
         SET LOCAL plan_cache_mode = force_custom_plan;
         SET LOCAL jit = off;
         SET LOCAL synchronous_commit TO DEFAULT"
    )
}

pub(super) fn start(access: Access) -> &'static str {
    match access {
        Access::Write => "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        Access::Read => "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
    }
}

pub(super) const COMMIT: &str = "COMMIT";

pub(super) fn statement_timeout_local(timeout_ms: u128) -> String {
    format!("SET LOCAL statement_timeout = {timeout_ms}")
}

// The settings that may lose acknowledged commits; empty where there is none.
statement!(
    UNSAFE_SETTINGS(),
    "SELECT concat_ws(', ', CASE current_setting('fsync') WHEN 'off' THEN 'fsync=off' END,
                      CASE current_setting('full_page_writes') WHEN 'off' THEN 'full_page_writes=off' END,
                      CASE current_setting('synchronous_commit') WHEN 'off' THEN 'synchronous_commit=off' END) AS found"
);

statement!(BACKEND(), "SELECT pg_backend_pid() AS pid");

// How much a server has of which database.
statement!(
    POSITION(),
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS wal,
            system_identifier AS cluster, current_database()::text AS database
       FROM pg_control_system()"
);

// Of what a primary writes; a standby writes none.
statement!(
    TIMELINE(),
    "SELECT CASE WHEN pg_is_in_recovery() THEN 0
                 ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int8 END AS timeline"
);

statement!(SCHEMA_VERSION(), "SELECT max(version) FROM refinery_schema_history");

// What no service needs.
statement!(MAY_DELETE(), "SELECT has_table_privilege('bookings', 'DELETE') AS may_delete");

pub(super) const GRANT: &str = "SELECT vault_grant($1)";

pub(super) const SWITCH_OUTBOX: &str = "SELECT vault_outbox($1)";

pub(super) const MIGRATE_LOCK: &str = "SET lock_timeout = '60s'; SELECT pg_advisory_lock(1414808917, 0)";

// The event and all its seats, or nothing where the id is taken. Answers how many seats were written.
statement!(CREATE_EVENT(TEXT, TEXT, TEXT, TEXT, JSONB, INT4, INT8, INT8, INT4, INT8, INT8, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, INT2_ARRAY, INT4_ARRAY, INT4_ARRAY, BOOL_ARRAY), "
    WITH created AS (
        INSERT INTO events (event_id, name, venue_name, currency, price_categories, seat_count, hold_ttl_ms, hold_max_ms,
                            hold_ttl_ms_longest, seats_per_customer, opens_at, closes_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9, vault_at($10), vault_at($11))
            ON CONFLICT (event_id) DO NOTHING
        RETURNING event_id
    ), filled AS (
        INSERT INTO seats (event_id, seat_id, section_name, row_label, label, price_category, x_cm, y_cm, accessible)
        SELECT event_id, n - 1, section, row, label, category, x, y, accessible
          FROM created CROSS JOIN unnest($12::text[], $13::text[], $14::text[], $15::smallint[], $16::int[], $17::int[],
               $18::bool[]) WITH ORDINALITY AS s (section, row, label, category, x, y, accessible, n)
        RETURNING 1
    )
    SELECT count(*) FROM filled");

statement!(EVENT(TEXT), concat!("SELECT ", event_columns!(), " FROM events WHERE event_id = $1"));

statement!(
    EVENTS(TEXT, INT8),
    concat!("SELECT ", event_columns!(), " FROM events WHERE event_id > $1 ORDER BY event_id LIMIT $2")
);

statement!(
    EPOCHS(TEXT, INT8),
    "SELECT event_id, epoch FROM events WHERE event_id > $1 ORDER BY event_id LIMIT $2"
);

statement!(
    LAYOUT(TEXT),
    "
    SELECT section_name, row_label, label, price_category, x_cm, y_cm, accessible
      FROM seats WHERE event_id = $1 ORDER BY seat_id"
);

statement!(
    RENAME_EVENT(TEXT, TEXT),
    concat!(
        "UPDATE events SET name = $2, updated_at = CASE WHEN name = $2 THEN updated_at ELSE now() END
      WHERE event_id = $1 RETURNING ",
        event_columns!()
    )
);

macro_rules! settings_changed {
    () => {
        "((hold_ttl_ms, hold_max_ms, seats_per_customer, opens_at, closes_at)
          IS DISTINCT FROM ($3::bigint, $4::bigint, $5::int, vault_at($6), vault_at($7)))"
    };
}

// $2 is the new name, or NULL to keep it.
statement!(
    UPDATE_EVENT(TEXT, TEXT, INT8, INT8, INT4, INT8, INT8),
    concat!(
        "UPDATE events SET
            name = coalesce($2::text, name),
            hold_ttl_ms = $3, hold_max_ms = $4, seats_per_customer = $5,
            opens_at = vault_at($6), closes_at = vault_at($7),
            hold_ttl_ms_longest = greatest(hold_ttl_ms_longest, $3),
            revision = revision + ",
        settings_changed!(),
        "::int,
            updated_at = CASE WHEN name <> $2 OR ",
        settings_changed!(),
        " THEN now() ELSE updated_at END
      WHERE event_id = $1 RETURNING ",
        event_columns!()
    )
);

statement!(
    SET_SALES_OPEN(TEXT, BOOL),
    concat!(
        "UPDATE events SET sales_open = $2, revision = revision + (sales_open <> $2)::int,
            updated_at = CASE WHEN sales_open <> $2 THEN now() ELSE updated_at END
      WHERE event_id = $1 RETURNING ",
        event_columns!()
    )
);

statement!(
    DECIDE(
        TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, INT8_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BOOL
    ),
    "SELECT * FROM vault_decide($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);

statement!(CANCEL(TEXT, TEXT, INT8), "SELECT * FROM vault_cancel($1, $2, $3)");

statement!(BLOCK(TEXT, INT8, INT4_ARRAY), "SELECT * FROM vault_block($1, $2, $3)");

statement!(UNBLOCK(TEXT, INT8, INT4_ARRAY), "SELECT * FROM vault_unblock($1, $2, $3)");

statement!(RAISE_EPOCH(TEXT, INT8), "SELECT * FROM vault_raise_epoch($1, $2)");

statement!(OUTCOME(TEXT), concat!("SELECT ", booking_columns!(), " FROM bookings WHERE reservation_id = $1"));

statement!(
    OUTCOMES(TEXT_ARRAY),
    concat!("SELECT ", booking_columns!(), " FROM bookings WHERE reservation_id = ANY ($1)")
);

statement!(
    ACTIVE_BOOKINGS(TEXT),
    concat!(
        "SELECT ",
        booking_columns!(),
        " FROM bookings WHERE event_id = $1 AND outcome = 'booked' AND cancelled_at IS NULL"
    )
);

statement!(BLOCKED(TEXT), "SELECT seat_id FROM blocked_seats WHERE event_id = $1 ORDER BY seat_id");

/// $2 is the booking that the page begins after, or NULL for the first page; one that is not there ends the list.
macro_rules! bookings_page {
    ($customer:literal) => {
        concat!(
            "SELECT ",
            booking_columns!(),
            " FROM bookings WHERE event_id = $1 AND outcome = 'booked' ",
            $customer,
            " AND (decided_at, reservation_id) > (
                  CASE WHEN $2::text IS NULL THEN '-infinity'
                       ELSE (SELECT decided_at FROM bookings
                              WHERE reservation_id = $2 AND event_id = $1 AND outcome = 'booked' ",
            $customer,
            ") END, coalesce($2, ''))
              ORDER BY decided_at, reservation_id LIMIT $3"
        )
    };
}

statement!(BOOKINGS(TEXT, TEXT, INT8), bookings_page!(""));

statement!(BOOKINGS_OF_CUSTOMER(TEXT, TEXT, INT8, TEXT), bookings_page!("AND customer_id = $4"));

// Both in one statement: one snapshot.
statement!(
    TAKEN(TEXT),
    "
    SELECT seat_id, reservation_id FROM booked_seats WHERE event_id = $1 AND active
     UNION ALL
    SELECT seat_id, NULL FROM blocked_seats WHERE event_id = $1
     ORDER BY seat_id"
);

// Whether anything waits in the outbox.
statement!(OUTBOX_WAITS(), "SELECT EXISTS (SELECT FROM outbox) AS waits");

// A turn as the relay: until the transaction ends, so also through a pooler that gives each transaction another session. A
// relay that falls asleep in it for $1 loses it.
statement!(
    OUTBOX_LOCK(TEXT),
    "SELECT pg_try_advisory_xact_lock(1414808918, 0) AS mine,
            set_config('idle_in_transaction_session_timeout', $1, true)"
);

// The lead of those who tell of seats, until the transaction ends. A replica that is silent in it for $1 loses it.
statement!(
    LEAD_LOCK(TEXT),
    "SELECT pg_try_advisory_xact_lock(1414808918, 1) AS mine,
            set_config('idle_in_transaction_session_timeout', $1, true)"
);

statement!(LEAD_KEEP(), "SELECT true AS kept");

// Events of whose seats something may happen: on sale, or not for longer than $1 ms.
statement!(
    LIVE_EVENTS(INT8, INT8),
    "SELECT event_id FROM events
      WHERE sales_open AND (closes_at > now() - $1 * interval '1 millisecond') IS NOT FALSE
         OR updated_at > now() - $1 * interval '1 millisecond'
      ORDER BY event_id LIMIT $2"
);

// What is there, lowest first; never what is "beyond the last": see V3. Where the booking is gone, its columns are NULL.
statement!(
    OUTBOX_FIRST(INT8),
    concat!(
        "SELECT outbox_id, change, id AS gone_id, ",
        booking_columns!(),
        "  FROM (SELECT outbox_id, change, reservation_id AS id FROM outbox ORDER BY outbox_id LIMIT $1) AS first
           LEFT JOIN LATERAL (SELECT * FROM bookings WHERE reservation_id = id OFFSET 0) AS b ON true
          ORDER BY outbox_id"
    )
);

statement!(OUTBOX_DELETE(INT8_ARRAY), "DELETE FROM outbox WHERE outbox_id = ANY ($1)");

// $1 bounds the count: a look must not take long because much waits.
statement!(
    OUTBOX_LOOK(INT8),
    "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS counted) AS waiting,
            (SELECT vault_ms(clock_timestamp()) - vault_ms(
                        CASE change WHEN 'confirmed' THEN decided_at ELSE cancelled_at END)
               FROM (SELECT * FROM outbox ORDER BY outbox_id LIMIT 1) AS oldest JOIN bookings USING (reservation_id)
            ) AS oldest_ms,
            EXISTS (SELECT FROM pg_trigger
                     WHERE tgrelid = 'bookings'::regclass AND tgname = 'outbox_confirmed') AS is_on"
);
