-- Takes one event out of the vault, as its owner, by the indexes that there are: a reservation's id begins with its event's.
BEGIN;
DELETE FROM booked_seats WHERE reservation_id >= :'event' || '.' AND reservation_id < :'event' || '/';
DELETE FROM bookings WHERE reservation_id >= :'event' || '.' AND reservation_id < :'event' || '/';
DELETE FROM blocked_seats WHERE event_id = :'event';
DELETE FROM seats WHERE event_id = :'event';
DELETE FROM events WHERE event_id = :'event';
COMMIT;
