-- Each client sells seats of its own, one a decision.
\set n :n + 1
\set seat :n * :clients + :client_id
SELECT count(*) FROM vault_decide(ARRAY['hot.1.' || :seat], ARRAY['hot'], ARRAY['customer-' || :seat], ARRAY['request-' || :seat],
    ARRAY[1]::bigint[], ARRAY['{' || :seat || '}'], ARRAY['payment-' || :seat], ARRAY[NULL]::text[], false);
