//! What a new epoch is made of, key by key.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bb8_redis::redis::{Pipeline, Value, cmd};

use super::{
    Error,
    connection::Connection,
    keys::Keys,
    rebuild::{Built, SENTINEL},
    record,
};
use crate::domain::{
    CustomerId, Reservation, ReservationId, ReservationState, SeatId, SeatState, packed_len,
};

/// An unfinished build is dropped after so long.
const UNPUBLISHED_TTL: Duration = Duration::from_secs(600);
/// Fields written in one command of a build.
const FIELDS_PER_COMMAND: usize = 500;
/// Commands sent in one go of a build.
const COMMANDS_PER_PIPELINE: usize = 50;

/// The contents of a new epoch's keys.
pub(super) struct Image {
    seats: Vec<(String, String)>,
    map: Vec<u8>,
    reservations: Vec<(String, String)>,
    requests: Vec<(String, String)>,
    expiry: Vec<(String, String)>,
    customers: Vec<(String, String)>,
    /// Survivors that have their seats.
    kept: HashSet<ReservationId>,
}

impl Image {
    pub(super) fn of(built: &Built<'_>, tombstone_ms: u64) -> Self {
        let sentinel = || vec![(SENTINEL.to_owned(), "1".to_owned())];
        let mut image = Self {
            seats: vec![("v".into(), "0".into())],
            map: vec![0; packed_len(built.event.seat_count)],
            reservations: sentinel(),
            requests: sentinel(),
            expiry: vec![("+inf".into(), SENTINEL.to_owned())],
            customers: sentinel(),
            kept: HashSet::new(),
        };
        let mut counts: HashMap<&CustomerId, usize> = HashMap::new();
        let mut taken: HashSet<SeatId> = HashSet::new();
        let forget = (built.now + Duration::from_millis(tombstone_ms)).to_string();

        for seat in built.blocked {
            taken.insert(*seat);
            image.set(*seat, SeatState::Blocked, "B".into());
        }
        // What ended comes first, and is written over by what has seats: after a loss two may be of one request, and an old
        // file may say of a booking that it ended.
        for ended in built.survivors.iter().filter(|survivor| !survivor.state.owns_seats()) {
            image.remember(ended, &forget);
        }
        for booking in built.booked {
            *counts.entry(&booking.customer).or_default() += booking.seats.len();
            for seat in booking.seats.iter() {
                taken.insert(seat);
                image.set(seat, SeatState::Sold, format!("S {}", booking.id.suffix()));
            }
            // A late repeat of its Reserve finds the booking, not free seats.
            image.remember(&booking.reservation(), &forget);
        }
        for survivor in built.survivors.iter().filter(|survivor| survivor.state.owns_seats()) {
            let unknown = survivor.seats.last().0 >= built.event.seat_count;
            if unknown || survivor.seats.iter().any(|seat| taken.contains(&seat)) {
                tracing::warn!(id = %survivor.id, unknown, "a surviving hold gives way: a seat of it is taken");
                continue;
            }
            *counts.entry(&survivor.customer).or_default() += survivor.seats.len();
            image.kept.insert(survivor.id.clone());
            let id = survivor.id.suffix();
            for seat in survivor.seats.iter() {
                taken.insert(seat);
                let value = format!("{} {} {id}", record::letter(survivor.state), survivor.deadline);
                image.set(seat, SeatState::Held, value);
            }
            let confirming = survivor.state == ReservationState::Confirming;
            let due = if confirming { built.undecided_due } else { survivor.deadline };
            image.remember(survivor, &due.to_string());
        }
        image.customers.extend(counts.iter().map(|(customer, n)| (customer.to_string(), n.to_string())));
        image
    }

    /// Whether the hold has its seats.
    pub(super) fn has(&self, hold: &Reservation) -> bool {
        self.kept.contains(&hold.id)
    }

    /// Writes the keys aside, over the rebuild's own connection.
    pub(super) async fn write(&self, connection: &Connection, keys: &Keys) -> Result<(), Error> {
        let mut commands = Vec::new();
        for key in keys.of_epoch() {
            commands.push(cmd("DEL").arg(key).to_owned());
        }
        commands.push(cmd("SET").arg(keys.map()).arg(&self.map).to_owned());
        for (key, fields) in [
            (keys.seats(), &self.seats),
            (keys.reservations(), &self.reservations),
            (keys.requests(), &self.requests),
            (keys.customers(), &self.customers),
        ] {
            for chunk in fields.chunks(FIELDS_PER_COMMAND) {
                commands.push(cmd("HSET").arg(key).arg(chunk).to_owned());
            }
        }
        for chunk in self.expiry.chunks(FIELDS_PER_COMMAND) {
            commands.push(cmd("ZADD").arg(keys.expiry()).arg(chunk).to_owned());
        }
        for key in keys.of_epoch() {
            commands.push(cmd("PEXPIRE").arg(key).arg(UNPUBLISHED_TTL.as_millis() as u64).to_owned());
        }
        for chunk in commands.chunks(COMMANDS_PER_PIPELINE) {
            let mut pipeline = Pipeline::new();
            for command in chunk {
                pipeline.add_command(command.clone());
            }
            connection.pipeline::<Vec<Value>>(&pipeline).await?;
        }
        Ok(())
    }

    fn set(&mut self, seat: SeatId, state: SeatState, value: String) {
        self.map[seat.0 as usize / 4] |= (state as u8) << (6 - 2 * (seat.0 % 4));
        self.seats.push((seat.to_string(), value));
    }

    fn remember(&mut self, reservation: &Reservation, due: &str) {
        let id = reservation.id.suffix();
        self.reservations.push((id.clone(), record::write(reservation)));
        self.requests.push((format!("{} {}", reservation.request, reservation.customer), id.clone()));
        self.expiry.push((due.into(), id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Booking, Epoch, Event, SalesSettings, SeatSet, UnixMs};

    fn reservation(id: &str, state: ReservationState) -> Reservation {
        Reservation {
            id: id.parse().unwrap(),
            customer: "ann".parse().unwrap(),
            request: "r1".parse().unwrap(),
            seats: SeatSet::new([1]).unwrap(),
            state,
            deadline: UnixMs(60_000),
            extend_limit: UnixMs(300_000),
        }
    }

    fn image(booked: &[Booking], survivors: &[Reservation]) -> Image {
        let event = Event {
            id: "rock".parse().unwrap(),
            name: String::new(),
            venue_name: String::new(),
            currency: "EUR".into(),
            price_categories: Vec::new(),
            seat_count: 4,
            settings: SalesSettings::default(),
            sales_open: true,
            revision: 1,
            epoch: Epoch(3),
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
        };
        let built = Built {
            epoch: Epoch(3),
            event: &event,
            hold_ttl_longest: Duration::ZERO,
            booked,
            blocked: &[],
            survivors,
            quarantine: Duration::ZERO,
            quarantine_until: UnixMs(0),
            undecided_due: UnixMs(0),
            now: UnixMs(0),
        };
        Image::of(&built, 600_000)
    }

    /// The reservation that the request of all of them leads to. Redis keeps the last of each field.
    fn found(booked: &[Booking], survivors: &[Reservation]) -> String {
        image(booked, survivors).requests.into_iter().collect::<HashMap<_, _>>()["r1 ann"].clone()
    }

    #[test]
    fn of_two_holds_of_a_seat_the_first_is_kept() {
        let [first, second] = ["rock.2.1", "rock.2.9"].map(|id| reservation(id, ReservationState::Held));
        let built = image(&[], &[first.clone(), second.clone()]);
        assert!(built.has(&first) && !built.has(&second));
    }

    #[test]
    fn a_request_leads_to_what_has_seats_and_not_to_what_ended() {
        let ended = reservation("rock.1.1", ReservationState::Released);
        let held = reservation("rock.2.1", ReservationState::Held);
        assert_eq!(found(&[], &[ended.clone(), held.clone()]), "2.1");
        assert_eq!(found(&[], &[held.clone(), ended.clone()]), "2.1");
        let booking = Booking {
            id: held.id,
            customer: held.customer,
            request: held.request,
            seats: held.seats,
            payment: "pay".parse().unwrap(),
            booked_at: UnixMs(0),
            cancelled_at: None,
        };
        assert_eq!(found(std::slice::from_ref(&booking), &[ended]), "2.1");
        let expired = reservation("rock.2.1", ReservationState::Expired);
        let built = image(&[booking], &[expired]).reservations.into_iter().collect::<HashMap<_, _>>();
        assert!(built["2.1"].starts_with("B "), "{built:?}");
    }
}
