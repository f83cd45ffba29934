-- Level 2 of TicketEngine: what is here is the truth for events and bookings.
--
-- Who may change a seat: only a transaction that (1) holds the event's epoch lock in shared mode and has seen that its own
-- epoch is the event's, and then (2) holds the row lock of the seat in `seats`, taken in the order (event_id, seat_id).
-- The functions below are the only writers.

CREATE TABLE events (
    event_id            text COLLATE "C" PRIMARY KEY,
    name                text NOT NULL,
    venue_name          text NOT NULL,
    currency            text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_categories    jsonb NOT NULL,
    seat_count          int NOT NULL CHECK (seat_count BETWEEN 1 AND 100000),
    hold_ttl_ms         bigint NOT NULL CHECK (hold_ttl_ms > 0),
    hold_max_ms         bigint NOT NULL CHECK (hold_max_ms >= hold_ttl_ms),
    hold_ttl_ms_longest bigint NOT NULL CHECK (hold_ttl_ms_longest >= hold_ttl_ms),
    seats_per_customer  int NOT NULL CHECK (seats_per_customer > 0),
    opens_at            timestamptz,
    closes_at           timestamptz,
    sales_open          boolean NOT NULL DEFAULT false,
    revision            bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    epoch               bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CHECK (opens_at < closes_at)
);
COMMENT ON COLUMN events.hold_ttl_ms_longest IS 'the longest hold_ttl_ms ever: how long a lost gate may have promised seats';
COMMENT ON COLUMN events.revision IS 'raised with each change that the gate must learn of';
COMMENT ON COLUMN events.epoch IS 'raised by each rebuild of the gate; a write that carries another epoch is refused';

-- Never updated: its rows are what decisions about a seat wait for each other on.
CREATE TABLE seats (
    event_id       text COLLATE "C" NOT NULL REFERENCES events,
    seat_id        int NOT NULL CHECK (seat_id >= 0),
    section_name   text NOT NULL,
    row_label      text NOT NULL,
    label          text NOT NULL,
    price_category smallint NOT NULL CHECK (price_category >= 0),
    x_cm           int NOT NULL,
    y_cm           int NOT NULL,
    accessible     boolean NOT NULL,
    PRIMARY KEY (event_id, seat_id)
);

-- One row a decided reservation. The first row is its outcome for ever; only cancelled_at may be set later, once.
-- No foreign key: its check would lock the one row of the event for every booking.
CREATE TABLE bookings (
    reservation_id    text COLLATE "C" PRIMARY KEY,
    event_id          text COLLATE "C" NOT NULL,
    customer_id       text COLLATE "C" NOT NULL,
    request_id        text COLLATE "C" NOT NULL,
    seat_ids          int[] NOT NULL CHECK (cardinality(seat_ids) > 0),
    outcome           text NOT NULL CHECK (outcome IN ('booked', 'void')),
    void_reason       text CHECK (void_reason IN ('released', 'expired', 'seat_lost')),
    payment_reference text,
    epoch             bigint NOT NULL,
    decided_at        timestamptz NOT NULL,
    cancelled_at      timestamptz,
    CHECK ((outcome = 'void') = (void_reason IS NOT NULL)),
    CHECK ((outcome = 'booked') = (payment_reference IS NOT NULL)),
    CHECK (outcome = 'booked' OR cancelled_at IS NULL)
);
COMMENT ON COLUMN bookings.epoch IS 'the epoch of the gate that asked for the decision';
CREATE INDEX bookings_by_time ON bookings (event_id, decided_at, reservation_id) WHERE outcome = 'booked';
CREATE INDEX bookings_by_customer ON bookings (event_id, customer_id, decided_at, reservation_id)
    WHERE outcome = 'booked';

CREATE TABLE booked_seats (
    event_id       text COLLATE "C" NOT NULL,
    seat_id        int NOT NULL,
    reservation_id text COLLATE "C" NOT NULL,
    active         boolean NOT NULL,
    PRIMARY KEY (reservation_id, seat_id)
);
-- The last word: a seat has at most one active booking.
CREATE UNIQUE INDEX booked_seats_once ON booked_seats (event_id, seat_id) WHERE active;

CREATE TABLE blocked_seats (
    event_id text COLLATE "C" NOT NULL,
    seat_id  int NOT NULL,
    PRIMARY KEY (event_id, seat_id),
    FOREIGN KEY (event_id, seat_id) REFERENCES seats
);

CREATE FUNCTION vault_ms(p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT floor(extract(epoch FROM p_at) * 1000)::bigint $$;

CREATE FUNCTION vault_at(p_ms bigint) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT timestamptz 'epoch' + p_ms * interval '1 millisecond' $$;

-- The epoch lock: writers share it, raising the epoch owns it. Events whose hashes collide share a lock: no harm.
-- An advisory lock, because FOR SHARE on the event's row writes that row and a multixact for every batch of every lane,
-- and waits for UPDATEs of the event: 4.7k against 4.6k decisions/s one by one with 8 connections, but 766 against 615
-- batches of 64 a second with 2 (pgbench, two cores, shared with other work).
CREATE FUNCTION vault_share_epoch(p_event text) RETURNS void
LANGUAGE sql VOLATILE AS $$ SELECT pg_advisory_xact_lock_shared(1414808916, hashtext(p_event)) $$;

-- Waits for every write in flight under the old epoch; those that come after it see the new one.
CREATE FUNCTION vault_raise_epoch(p_event text, p_at_least bigint) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1414808916, hashtext(p_event));
    RETURN QUERY UPDATE events SET epoch = greatest(epoch, p_at_least) + 1 WHERE event_id = p_event RETURNING epoch;
END $$;

-- Decides a batch of reservations in one transaction: one row of all arrays a decision, one answer a decision, in order.
--   p_seats     the seats, as the text of an int[], ascending
--   p_payments  the payment reference of one that is to be booked; NULL asks for void
--   p_reasons   why it is to be void; NULL asks for booked
--   p_wait      whether to wait for seats that another transaction has locked, or to answer 'busy' for their decisions
-- Two decisions of a batch must not share a seat or a reservation.
-- Status: 'decided' (now or earlier; the outcome may be another than was asked), 'epoch_stale', 'event_not_found', 'busy'.
-- READ COMMITTED: each statement here sees what was committed before it began, so a statement that follows a lock
-- sees what the lock waited for.
-- Plans are made once a connection, often while the tables are empty, and kept: each look-up is a subquery that can not
-- be turned into a join (OFFSET 0, FOR UPDATE), so that it goes by its index however the tables grow.
CREATE FUNCTION vault_decide(
    p_reservations text[], p_events text[], p_customers text[], p_requests text[], p_epochs bigint[],
    p_seats text[], p_payments text[], p_reasons text[], p_wait boolean
) RETURNS TABLE (
    status text, vault_epoch bigint, reservation_id text, customer_id text, request_id text, seat_ids int[],
    outcome text, void_reason text, payment_reference text, decided_ms bigint, cancelled_ms bigint
)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_free int[];         -- the locks of the events whose epoch stands still
    v_epochs bigint[];    -- of each decision's event; NULL where there is no such event
    v_counts int[];       -- how many seats it has
    v_locked bigint[];    -- the decision of each seat whose row is locked
    v_now timestamptz;
BEGIN
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared(1414808916, hash)
           FROM (SELECT DISTINCT hashtext(event) AS hash FROM unnest(p_events) AS event ORDER BY hash) AS hashes;
        SELECT array_agg(hashtext(event)) INTO v_free FROM unnest(p_events) AS event;
    ELSE
        -- A raise that is waiting must not make the other events of the batch wait.
        SELECT array_agg(hash) INTO v_free
          FROM (SELECT DISTINCT hashtext(event) AS hash FROM unnest(p_events) AS event) AS hashes
         WHERE pg_try_advisory_xact_lock_shared(1414808916, hash);
    END IF;

    SELECT array_agg(e.epoch ORDER BY a.n), array_agg(e.seat_count ORDER BY a.n) INTO v_epochs, v_counts
      FROM unnest(p_events) WITH ORDINALITY AS a (event_id, n)
      LEFT JOIN LATERAL (SELECT epoch, seat_count FROM events WHERE event_id = a.event_id OFFSET 0) AS e ON true;

    -- Seats of all decisions, void ones too: two batches about the same reservations take the locks in the same order.
    IF p_wait THEN
        PERFORM 1
           FROM (SELECT a.event_id, seat
                   FROM unnest(p_events, p_epochs, p_seats) WITH ORDINALITY AS a (event_id, epoch, seats, n)
                  CROSS JOIN unnest(a.seats::int[]) AS seat
                  WHERE v_epochs[a.n] = a.epoch
                  ORDER BY a.event_id COLLATE "C", seat OFFSET 0) AS w
          CROSS JOIN LATERAL (
                 SELECT FROM seats WHERE event_id = w.event_id AND seat_id = w.seat FOR UPDATE) AS locked;
    ELSE
        SELECT array_agg(w.n) INTO v_locked
          FROM (SELECT a.n, a.event_id, seat
                  FROM unnest(p_events, p_epochs, p_seats) WITH ORDINALITY AS a (event_id, epoch, seats, n)
                 CROSS JOIN unnest(a.seats::int[]) AS seat
                 WHERE v_epochs[a.n] = a.epoch AND hashtext(a.event_id) = ANY (v_free)
                 ORDER BY a.event_id COLLATE "C", seat OFFSET 0) AS w
         CROSS JOIN LATERAL (
                SELECT FROM seats WHERE event_id = w.event_id AND seat_id = w.seat FOR UPDATE SKIP LOCKED) AS locked;
    END IF;

    v_now := clock_timestamp();
    WITH allowed AS (
        SELECT a.*, a.seats::int[] AS seat_ids, v_counts[a.n] AS seat_count
          FROM unnest(p_reservations, p_events, p_customers, p_requests, p_epochs, p_seats, p_payments, p_reasons)
               WITH ORDINALITY AS a (reservation_id, event_id, customer_id, request_id, epoch, seats, payment, reason, n)
         WHERE v_epochs[a.n] = a.epoch AND hashtext(a.event_id) = ANY (v_free)
           AND (p_wait OR (SELECT count(*) FROM unnest(v_locked) AS n WHERE n = a.n)
                        = (SELECT count(*) FROM unnest(a.seats::int[]) AS seat WHERE seat < v_counts[a.n]))
    ), judged AS MATERIALIZED (
        SELECT a.*, a.payment IS NOT NULL AND EXISTS (
               SELECT FROM unnest(a.seat_ids) AS seat
                WHERE seat >= a.seat_count
                   OR EXISTS (SELECT FROM booked_seats
                               WHERE event_id = a.event_id AND seat_id = seat AND active OFFSET 0)
                   OR EXISTS (SELECT FROM blocked_seats WHERE event_id = a.event_id AND seat_id = seat OFFSET 0)) AS lost
          FROM allowed a
    ), decided AS (
        INSERT INTO bookings (reservation_id, event_id, customer_id, request_id, seat_ids, outcome, void_reason,
                              payment_reference, epoch, decided_at)
        SELECT reservation_id, event_id, customer_id, request_id, seat_ids,
               CASE WHEN payment IS NULL OR lost THEN 'void' ELSE 'booked' END,
               CASE WHEN lost THEN 'seat_lost' WHEN payment IS NULL THEN reason END,
               CASE WHEN NOT lost THEN payment END,
               epoch, v_now
          FROM judged
         ORDER BY reservation_id
            ON CONFLICT (reservation_id) DO NOTHING
        RETURNING reservation_id, event_id, seat_ids, outcome
    )
    INSERT INTO booked_seats (event_id, seat_id, reservation_id, active)
    SELECT d.event_id, seat, d.reservation_id, true
      FROM decided d CROSS JOIN unnest(d.seat_ids) AS seat
     WHERE d.outcome = 'booked';

    -- What is there, whoever wrote it: the INSERT has waited for a transaction that was deciding the same reservation.
    RETURN QUERY
    SELECT CASE WHEN b.reservation_id IS NOT NULL THEN 'decided'
                WHEN v_epochs[a.n] IS NULL THEN 'event_not_found'
                WHEN hashtext(a.event_id) = ANY (v_free) IS NOT TRUE THEN 'busy'
                WHEN v_epochs[a.n] <> a.epoch THEN 'epoch_stale'
                ELSE 'busy' END,
           v_epochs[a.n], b.reservation_id, b.customer_id, b.request_id, b.seat_ids,
           b.outcome, b.void_reason, b.payment_reference, vault_ms(b.decided_at), vault_ms(b.cancelled_at)
      FROM unnest(p_reservations, p_events, p_epochs) WITH ORDINALITY AS a (reservation_id, event_id, epoch, n)
      LEFT JOIN LATERAL (SELECT * FROM bookings WHERE reservation_id = a.reservation_id OFFSET 0) AS b ON true
     ORDER BY a.n;
END $$;

-- Cancels a booking, once; answers what is there, as vault_decide does. No row: the reservation is not decided.
CREATE FUNCTION vault_cancel(p_reservation text, p_event text, p_epoch bigint) RETURNS TABLE (
    status text, vault_epoch bigint, reservation_id text, customer_id text, request_id text, seat_ids int[],
    outcome text, void_reason text, payment_reference text, decided_ms bigint, cancelled_ms bigint
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_epoch bigint;
    v_seats int[];
BEGIN
    PERFORM vault_share_epoch(p_event);
    SELECT epoch INTO v_epoch FROM events WHERE event_id = p_event;
    IF v_epoch = p_epoch THEN
        PERFORM 1
           FROM bookings b CROSS JOIN unnest(b.seat_ids) AS seat
           JOIN seats s ON s.event_id = b.event_id AND s.seat_id = seat
          WHERE b.reservation_id = p_reservation AND b.outcome = 'booked' AND b.cancelled_at IS NULL
          ORDER BY s.event_id, s.seat_id
            FOR UPDATE OF s;
        UPDATE bookings b SET cancelled_at = clock_timestamp()
         WHERE b.reservation_id = p_reservation AND b.outcome = 'booked' AND b.cancelled_at IS NULL
        RETURNING b.seat_ids INTO v_seats;
        UPDATE booked_seats b SET active = false
         WHERE b.event_id = p_event AND b.seat_id = ANY (v_seats) AND b.active AND b.reservation_id = p_reservation;
    END IF;
    RETURN QUERY
    SELECT CASE WHEN b.outcome = 'void' OR b.cancelled_at IS NOT NULL THEN 'decided' ELSE 'epoch_stale' END,
           v_epoch, b.reservation_id, b.customer_id, b.request_id, b.seat_ids,
           b.outcome, b.void_reason, b.payment_reference, vault_ms(b.decided_at), vault_ms(b.cancelled_at)
      FROM bookings b WHERE b.reservation_id = p_reservation;
END $$;

-- Takes seats off sale, all or none. Status: 'done' with the seats that changed, 'sold' or 'seat_not_found' with the
-- seats that stand in the way, 'epoch_stale'. No row: no such event.
CREATE FUNCTION vault_block(p_event text, p_epoch bigint, p_seats int[])
RETURNS TABLE (status text, vault_epoch bigint, seat_ids int[])
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_epoch bigint;
    v_count int;
    v_seats int[];
BEGIN
    PERFORM vault_share_epoch(p_event);
    SELECT epoch, seat_count INTO v_epoch, v_count FROM events WHERE event_id = p_event;
    IF NOT FOUND THEN RETURN; END IF;
    IF v_epoch <> p_epoch THEN
        RETURN QUERY SELECT 'epoch_stale', v_epoch, '{}'::int[];
        RETURN;
    END IF;
    SELECT array_agg(seat ORDER BY seat) INTO v_seats FROM unnest(p_seats) AS seat WHERE seat NOT BETWEEN 0 AND v_count - 1;
    IF v_seats IS NOT NULL THEN
        RETURN QUERY SELECT 'seat_not_found', v_epoch, v_seats;
        RETURN;
    END IF;
    PERFORM 1 FROM seats s WHERE s.event_id = p_event AND s.seat_id = ANY (p_seats) ORDER BY s.seat_id FOR UPDATE;
    SELECT array_agg(b.seat_id ORDER BY b.seat_id) INTO v_seats
      FROM booked_seats b WHERE b.event_id = p_event AND b.seat_id = ANY (p_seats) AND b.active;
    IF v_seats IS NOT NULL THEN
        RETURN QUERY SELECT 'sold', v_epoch, v_seats;
        RETURN;
    END IF;
    WITH changed AS (
        INSERT INTO blocked_seats SELECT DISTINCT p_event, seat FROM unnest(p_seats) AS seat
        ON CONFLICT DO NOTHING RETURNING seat_id)
    SELECT array_agg(seat_id ORDER BY seat_id) INTO v_seats FROM changed;
    RETURN QUERY SELECT 'done', v_epoch, coalesce(v_seats, '{}');
END $$;

-- Puts seats back on sale; answers as vault_block does.
CREATE FUNCTION vault_unblock(p_event text, p_epoch bigint, p_seats int[])
RETURNS TABLE (status text, vault_epoch bigint, seat_ids int[])
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_epoch bigint;
    v_seats int[];
BEGIN
    PERFORM vault_share_epoch(p_event);
    SELECT epoch INTO v_epoch FROM events WHERE event_id = p_event;
    IF NOT FOUND THEN RETURN; END IF;
    IF v_epoch <> p_epoch THEN
        RETURN QUERY SELECT 'epoch_stale', v_epoch, '{}'::int[];
        RETURN;
    END IF;
    PERFORM 1 FROM seats s WHERE s.event_id = p_event AND s.seat_id = ANY (p_seats) ORDER BY s.seat_id FOR UPDATE;
    WITH changed AS (
        DELETE FROM blocked_seats b WHERE b.event_id = p_event AND b.seat_id = ANY (p_seats) RETURNING b.seat_id)
    SELECT array_agg(seat_id ORDER BY seat_id) INTO v_seats FROM changed;
    RETURN QUERY SELECT 'done', v_epoch, coalesce(v_seats, '{}');
END $$;
