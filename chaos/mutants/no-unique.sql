-- Takes out: the unique index of active bookings of a seat. One that is not unique stands in its place, for the look-ups.
DROP INDEX booked_seats_once;
CREATE INDEX booked_seats_often ON booked_seats (event_id, seat_id) WHERE active;
