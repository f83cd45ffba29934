//! PostgreSQL against itself.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::audit::vault::Vault;

/// From the bookings alone, so that it does not lean on the UNIQUE index.
pub(super) fn sold_once_by_bookings(vault: &Vault) -> Check {
    let sales = vault
        .bookings
        .iter()
        .filter(|booking| booking.is_active())
        .flat_map(|booking| booking.seats.iter().map(|seat| (*seat, booking.id.as_str())));
    sold_once(Check::new("seats sold twice, by the bookings"), sales)
}

/// From the rows that the UNIQUE index watches.
pub(super) fn sold_once_by_seats(vault: &Vault) -> Check {
    let active = vault.booked_seats.iter().filter(|row| row.active);
    sold_once(
        Check::new("seats sold twice, by the booked seats"),
        active.map(|row| (row.seat, row.booking.as_str())),
    )
}

fn sold_once<'a>(mut check: Check, sales: impl Iterator<Item = (u32, &'a str)>) -> Check {
    let mut buyers: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (seat, booking) in sales {
        buyers.entry(seat).or_default().push(booking);
    }
    for (seat, bookings) in &buyers {
        check.expect(bookings.len() == 1, || format!("seat {seat}: {}", bookings.join(", ")));
    }
    check
}

/// A booking without its seats would not keep others from them.
pub(super) fn seats_match_bookings(vault: &Vault) -> Check {
    let mut check = Check::new("booked seats that differ from their bookings");
    let mut seats: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for row in vault.booked_seats.iter().filter(|row| row.active) {
        seats.entry(&row.booking).or_default().insert(row.seat);
    }
    for booking in vault.bookings.iter().filter(|booking| booking.is_active()) {
        let active = seats.remove(booking.id.as_str()).unwrap_or_default();
        let expected: BTreeSet<u32> = booking.seats.iter().copied().collect();
        let exist = expected.iter().all(|seat| *seat < vault.seat_count);
        check.expect(exist && active == expected, || {
            format!("{}: booked {expected:?}, active {active:?}", booking.id)
        });
    }
    for (booking, seats) in seats {
        check.expect(false, || format!("{booking}: not an active booking, active {seats:?}"));
    }
    check
}

/// The organiser can block free seats only.
pub(super) fn sold_is_not_blocked(vault: &Vault) -> Check {
    let mut check = Check::new("seats sold although blocked");
    for row in vault.booked_seats.iter().filter(|row| row.active) {
        check.expect(!vault.blocked.contains(&row.seat), || format!("seat {}: {}", row.seat, row.booking));
    }
    check
}

#[cfg(test)]
mod tests {
    use super::super::world::{World, broken};
    use crate::audit::vault::BookedSeat;

    #[test]
    fn a_seat_sold_twice_is_seen_without_the_index() {
        let mut world = World::healthy();
        let mut second = world.vault.bookings[0].clone();
        second.id = "e.1.99".into();
        world.vault.bookings.push(second);
        assert_eq!(
            broken(&world),
            [
                "seats sold twice, by the bookings",
                "booked seats that differ from their bookings",
                "bookings that nobody asked for",
                "seats leaked: booked, and not sold in the gate",
                "customers counted wrong"
            ]
        );
    }

    #[test]
    fn a_second_active_seat_is_seen() {
        let mut world = World::healthy();
        world.vault.booked_seats.push(BookedSeat { seat: 0, booking: "e.1.99".into(), active: true });
        assert_eq!(
            broken(&world),
            ["seats sold twice, by the booked seats", "booked seats that differ from their bookings"]
        );
    }

    #[test]
    fn a_booking_that_lost_a_seat_is_seen() {
        let mut world = World::healthy();
        world.vault.booked_seats.remove(0);
        assert_eq!(broken(&world), ["booked seats that differ from their bookings"]);
    }

    #[test]
    fn a_cancelled_booking_that_keeps_a_seat_is_seen() {
        let mut world = World::healthy();
        world.vault.booked_seats.iter_mut().for_each(|row| row.active = true);
        assert_eq!(broken(&world), ["booked seats that differ from their bookings"]);
    }

    #[test]
    fn a_blocked_seat_that_is_sold_is_seen() {
        let mut world = World::healthy();
        world.vault.blocked.insert(0);
        assert_eq!(
            broken(&world),
            ["seats sold although blocked", "seats leaked: blocked in only one of the two"]
        );
    }
}
