-- The service needs no rights of its own on the seats: what changes them are the functions of V1, and they run as the
-- owner of the tables. So a login role that may call them, and no more, can not forge, change or delete a booking.

-- Names in these functions mean the tables of this schema, whatever the caller's search_path says.
DO $$
DECLARE
    v_function regproc;
BEGIN
    FOREACH v_function IN ARRAY
        ARRAY['vault_decide', 'vault_cancel', 'vault_block', 'vault_unblock', 'vault_raise_epoch']::regproc[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp',
                       v_function::oid::regprocedure, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_function::oid::regprocedure);
    END LOOP;
END $$;

-- Gives a role what the service needs, of this version and of the one before (both run during an upgrade), and takes from it
-- all other rights on the tables. To be called by the owner after each migration: `booking-svc migrate --service-role ROLE` does.
-- Who may create in the schema could give the functions above others to call, and be the owner: that is refused.
CREATE FUNCTION vault_grant(p_role name) RETURNS void
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
        REVOKE ALL ON events, seats, bookings, booked_seats, blocked_seats, refinery_schema_history FROM %1$I;
        GRANT SELECT ON events, seats, bookings, booked_seats, blocked_seats, refinery_schema_history TO %1$I;
        GRANT INSERT ON events, seats TO %1$I;
        GRANT UPDATE (name, hold_ttl_ms, hold_max_ms, hold_ttl_ms_longest, seats_per_customer, opens_at, closes_at,
                      sales_open, revision, updated_at) ON events TO %1$I;
        GRANT EXECUTE ON FUNCTION vault_decide, vault_cancel, vault_block, vault_unblock, vault_raise_epoch,
                                  vault_ms, vault_at TO %1$I',
        p_role);
END $$;
REVOKE EXECUTE ON FUNCTION vault_grant FROM PUBLIC;
