-- The event of the sale, of :seats seats, with nothing sold yet.
INSERT INTO events (event_id, name, venue_name, currency, price_categories, seat_count, hold_ttl_ms, hold_max_ms,
                    hold_ttl_ms_longest, seats_per_customer, epoch, sales_open)
VALUES ('hot', 'The night', 'The arena', 'EUR', '[]', :seats, 60000, 300000, 60000, 8, 1, true);
INSERT INTO seats SELECT 'hot', s, 'Section', (s / 100)::text, (s % 100)::text, 0, s % 100, s / 100, false
  FROM generate_series(0, :seats - 1) AS s;
