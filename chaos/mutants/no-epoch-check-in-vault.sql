-- Takes out: the comparison of a write's epoch with the event's. vault_decide and vault_cancel take the caller's for it.
DO $mutant$
DECLARE
    v_edit text[];
    v_function text;
BEGIN
    FOREACH v_edit SLICE 1 IN ARRAY ARRAY[
        ['vault_decide', 'SELECT array_agg(e.epoch ORDER BY a.n)',
         'SELECT array_agg(CASE WHEN e.epoch IS NOT NULL THEN p_epochs[a.n] END ORDER BY a.n)'],
        ['vault_cancel', 'SELECT epoch INTO v_epoch FROM events WHERE event_id = p_event', 'v_epoch := p_epoch']
    ] LOOP
        v_function := pg_get_functiondef(v_edit[1]::regproc);
        IF cardinality(string_to_array(v_function, v_edit[2])) <> 2 THEN
            RAISE EXCEPTION 'no-epoch-check-in-vault: "%" is not exactly once in %', v_edit[2], v_edit[1];
        END IF;
        EXECUTE replace(v_function, v_edit[2], v_edit[3]);
    END LOOP;
END $mutant$;
