-- The first page of ListBookings.
\set event random(2, :events)
SELECT reservation_id, customer_id, request_id, seat_ids, outcome, void_reason, payment_reference, vault_ms(decided_at),
       vault_ms(cancelled_at)
  FROM bookings WHERE event_id = 'past-' || lpad(:event::text, 6, '0') AND outcome = 'booked'
   AND (decided_at, reservation_id) > ('-infinity', '') ORDER BY decided_at, reservation_id LIMIT 51;
