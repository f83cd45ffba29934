-- Takes out: the row locks on the seats of a batch. vault_decide reads the same rows without them.
DO $mutant$
DECLARE
    v_function text := pg_get_functiondef('vault_decide'::regproc);
    v_snippet text;
BEGIN
    FOREACH v_snippet IN ARRAY ARRAY['FOR UPDATE) AS locked', 'FOR UPDATE SKIP LOCKED) AS locked'] LOOP
        IF cardinality(string_to_array(v_function, v_snippet)) <> 2 THEN
            RAISE EXCEPTION 'no-row-lock: "%" is not exactly once in vault_decide', v_snippet;
        END IF;
        v_function := replace(v_function, v_snippet, 'OFFSET 0) AS locked');
    END LOOP;
    EXECUTE v_function;
END $mutant$;
