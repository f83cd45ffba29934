-- Past events :from to :to, of :seats seats, two a booking, sold out. What the service would have written, by its tables.
SET synchronous_commit = off;
BEGIN;
INSERT INTO events (event_id, name, venue_name, currency, price_categories, seat_count, hold_ttl_ms, hold_max_ms,
                    hold_ttl_ms_longest, seats_per_customer, epoch, sales_open)
SELECT 'past-' || lpad(e::text, 6, '0'), 'A night', 'The house', 'EUR', '[]', :seats, 60000, 300000, 60000, 8, 1, false
  FROM generate_series(:from, :to) AS e;

INSERT INTO seats
SELECT 'past-' || lpad(e::text, 6, '0'), s, 'Section ' || s / 500, (s / 25 % 20)::text, (s % 25)::text, s / 2500, 50 * (s % 25),
       100 * (s / 25), false
  FROM generate_series(:from, :to) AS e, generate_series(0, :seats - 1) AS s;

-- Seats are sold in no order: the versions of a sale are mixed over the house.
INSERT INTO bookings
SELECT event || '.1.' || version, event, 'customer-' || hashint8(e * 100000::bigint + version) % 1000000,
       'request-' || md5(event || version)::varchar(16), ARRAY[first, first + 1], 'booked', NULL,
       'payment-' || md5(version || event)::varchar(20), 1, now() - interval '1 day' * (:to - e) + version * interval '1 ms', NULL
  FROM generate_series(:from, :to) AS e
 CROSS JOIN LATERAL (SELECT 'past-' || lpad(e::text, 6, '0') AS event) AS named
 CROSS JOIN generate_series(1, :seats / 2) AS version
 CROSS JOIN LATERAL (SELECT version * 3571 % (:seats / 2) * 2 AS first) AS mixed;

INSERT INTO booked_seats
SELECT event_id, seat, reservation_id, true
  FROM bookings CROSS JOIN unnest(seat_ids) AS seat
 WHERE reservation_id >= 'past-' || lpad(:'from', 6, '0') || '.' AND reservation_id < 'past-' || lpad(:'to', 6, '0') || '/';
COMMIT;
