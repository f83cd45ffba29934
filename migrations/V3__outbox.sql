-- The outbox: which bookings other systems still have to hear of, by Kafka. A row is written in the transaction that books or
-- cancels, and deleted when Kafka has acknowledged its message.
--
-- Order. Whoever cancels a booking, or sells a seat anew, holds the row locks of its seats from before the row here gets its
-- id until it commits. So of two changes that depend on each other the earlier one has the lower id and is seen first. Changes
-- that have nothing to do with each other commit in any order: a row may appear below others that are gone already.
-- Therefore nobody may read "beyond the last id": the relay takes the rows that are there, lowest first, and deletes them.

CREATE TABLE outbox (
    outbox_id      bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    reservation_id text COLLATE "C" NOT NULL,
    change         text NOT NULL CHECK (change IN ('confirmed', 'cancelled'))
-- What was deleted at its low end is soon cleared away, or each look would have to pass by it.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON COLUMN outbox.outbox_id IS 'CACHE 1: a session that keeps numbers back would hand out a low one late';
COMMENT ON TABLE outbox IS 'the rest of a message is in bookings, whose rows never change but for cancelled_at';

-- Fires once a statement, whichever function wrote: one INSERT for a whole batch of decisions.
CREATE FUNCTION vault_announce() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO outbox (reservation_id, change)
        SELECT reservation_id, 'confirmed' FROM written WHERE outcome = 'booked';
    ELSE
        INSERT INTO outbox (reservation_id, change)
        SELECT w.reservation_id, 'cancelled'
          FROM written w JOIN replaced r USING (reservation_id)
         WHERE w.cancelled_at IS NOT NULL AND r.cancelled_at IS NULL;
    END IF;
    RETURN NULL;
END $$;

-- Switches the outbox on or off; answers whether that was a change. For the owner: `booking-svc migrate --outbox on|off`.
-- The triggers exist only while it is on: a disabled trigger with a transition table still costs the copy of each row.
-- Rows that wait stay: whoever relays delivers them.
CREATE FUNCTION vault_outbox(p_on boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Decisions that come while this waits for its lock wait, too. Better that it fails than that they wait long.
    PERFORM set_config('lock_timeout', '500ms', true);
    IF p_on = EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'bookings'::regclass AND tgname = 'outbox_confirmed') THEN
        RETURN false;
    END IF;
    IF p_on THEN
        CREATE TRIGGER outbox_confirmed AFTER INSERT ON bookings
            REFERENCING NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION vault_announce();
        CREATE TRIGGER outbox_cancelled AFTER UPDATE ON bookings
            REFERENCING OLD TABLE AS replaced NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION vault_announce();
    ELSE
        DROP TRIGGER outbox_confirmed ON bookings;
        DROP TRIGGER outbox_cancelled ON bookings;
    END IF;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION vault_outbox FROM PUBLIC;

-- Names in the trigger's function mean the tables of this schema, whatever the writer's search_path says.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION vault_announce() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;

-- As in V2, and the outbox: the service's role reads it and deletes what is delivered. Only the triggers write it.
CREATE OR REPLACE FUNCTION vault_grant(p_role name) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- The owner may do all this, and would lose rights here.
    IF quote_ident(p_role)::regrole = (SELECT relowner FROM pg_class WHERE oid = 'bookings'::regclass) THEN
        RETURN;
    END IF;
    IF NOT has_schema_privilege(p_role, current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), p_role);
    END IF;
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', current_schema(), p_role);
    IF has_schema_privilege(p_role, current_schema(), 'CREATE') THEN
        RAISE EXCEPTION 'role % may create in schema %, as everybody may in databases that PostgreSQL 14 or older made',
            p_role, current_schema()
            USING HINT = format('as its owner: REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    END IF;
    EXECUTE format('
        REVOKE ALL ON events, seats, bookings, booked_seats, blocked_seats, outbox, refinery_schema_history FROM %1$I;
        GRANT SELECT ON events, seats, bookings, booked_seats, blocked_seats, outbox, refinery_schema_history TO %1$I;
        GRANT INSERT ON events, seats TO %1$I;
        GRANT UPDATE (name, hold_ttl_ms, hold_max_ms, hold_ttl_ms_longest, seats_per_customer, opens_at, closes_at,
                      sales_open, revision, updated_at) ON events TO %1$I;
        GRANT DELETE ON outbox TO %1$I;
        GRANT EXECUTE ON FUNCTION vault_decide, vault_cancel, vault_block, vault_unblock, vault_raise_epoch,
                                  vault_ms, vault_at TO %1$I',
        p_role);
END $$;
