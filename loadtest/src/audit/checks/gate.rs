//! Redis against itself and against PostgreSQL.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Check, Evidence};
use crate::audit::gate::Seat;

/// A hold is free again this long after its last deadline at the latest (promise G3).
const HOLD_END_MAX_MS: i64 = 1000;
/// A Confirm begins before its hold's deadline; it is decided and settled this long after it: the confirm window of
/// ten seconds, and two for the sweeper and the vault.
const DECISION_MAX_MS: i64 = 12_000;

/// What the audit can not read, it can not judge.
pub(super) fn readable(evidence: Evidence<'_>) -> Check {
    let mut check = Check::new("records of the gate that make no sense");
    let gate = evidence.gate;
    check.looked_at = gate.seats.len() + gate.reservations.len() + gate.log.len();
    check.offenders.clone_from(&gate.unreadable);
    for seat in gate.seats.keys().filter(|seat| **seat >= evidence.vault.seat_count) {
        check.offenders.push(format!("seat {seat}: the event has {} seats", evidence.vault.seat_count));
    }
    check
}

/// Under another epoch the vault refuses what the gate begins.
pub(super) fn same_epoch(evidence: Evidence<'_>) -> Check {
    let mut check = Check::between_stores("gate and vault in different epochs");
    let (gate, vault) = (evidence.gate.epoch, evidence.vault.epoch);
    check.expect(i64::try_from(gate) == Ok(vault), || format!("gate {gate}, vault {vault}"));
    check
}

/// Holds end by time, and a Confirm that was begun is decided.
pub(super) fn holds_end(evidence: Evidence<'_>) -> Check {
    let mut check = Check::between_stores("seats leaked: held past their time");
    let gate = evidence.gate;
    for (seat, state) in &gate.seats {
        match state {
            Seat::Held { deadline_ms, id } => {
                let late_ms = gate.now_ms - deadline_ms;
                check.expect(late_ms <= HOLD_END_MAX_MS, || format!("seat {seat}: {id}, {late_ms} ms late"));
            }
            Seat::Confirming { deadline_ms, id } => {
                let late_ms = gate.now_ms - deadline_ms - DECISION_MAX_MS;
                check.expect(late_ms <= 0, || format!("seat {seat}: {id}, decided {late_ms} ms late"));
            }
            Seat::Sold { .. } | Seat::Blocked => {}
        }
    }
    check
}

/// A seat without a live reservation would stay held for ever.
pub(super) fn held_seats_have_reservations(evidence: Evidence<'_>) -> Check {
    let mut check = Check::new("seats leaked: held without a live reservation");
    for (seat, state) in &evidence.gate.seats {
        let (id, letter, deadline_ms) = match state {
            Seat::Held { deadline_ms, id } => (id, 'H', *deadline_ms),
            Seat::Confirming { deadline_ms, id } => (id, 'C', *deadline_ms),
            Seat::Sold { .. } | Seat::Blocked => continue,
        };
        let kept = evidence.gate.reservations.get(id).is_some_and(|reservation| {
            reservation.state == letter
                && reservation.seats.contains(seat)
                && reservation.deadline_ms == deadline_ms
        });
        check.expect(kept && evidence.gate.due_ms.contains_key(id), || format!("seat {seat}: {id}"));
    }
    check
}

/// All or nothing: a live reservation owns each of its seats.
pub(super) fn reservations_have_seats(evidence: Evidence<'_>) -> Check {
    let mut check = Check::new("reservations without their seats");
    for (id, reservation) in &evidence.gate.reservations {
        if !matches!(reservation.state, 'H' | 'C' | 'B') {
            continue;
        }
        for seat in &reservation.seats {
            let owner = match evidence.gate.seats.get(seat) {
                Some(Seat::Held { id, .. } | Seat::Confirming { id, .. } | Seat::Sold { id }) => Some(id),
                Some(Seat::Blocked) | None => None,
            };
            check.expect(owner == Some(id), || format!("seat {seat}: {id} ({})", reservation.state));
        }
    }
    check
}

/// Seats sold in the gate, by seat and booking.
fn sold_in_gate(evidence: Evidence<'_>) -> BTreeMap<u32, String> {
    let sold = |(seat, state): (&u32, &Seat)| match state {
        Seat::Sold { id } => Some((*seat, evidence.full_id(id))),
        Seat::Held { .. } | Seat::Confirming { .. } | Seat::Blocked => None,
    };
    evidence.gate.seats.iter().filter_map(sold).collect()
}

/// Sold to nobody is leaked.
pub(super) fn sold_in_gate_is_booked(evidence: Evidence<'_>) -> Check {
    let mut check = Check::between_stores("seats leaked: sold in the gate without a booking");
    let booked: BTreeSet<(u32, &str)> = evidence
        .vault
        .bookings
        .iter()
        .filter(|booking| booking.is_active())
        .flat_map(|booking| booking.seats.iter().map(|seat| (*seat, booking.id.as_str())))
        .collect();
    for (seat, id) in &sold_in_gate(evidence) {
        check.expect(booked.contains(&(*seat, id.as_str())), || format!("seat {seat}: {id}"));
    }
    check
}

/// Free in the gate, such a seat would be offered again; the vault would refuse it only at Confirm.
pub(super) fn booked_is_sold_in_gate(evidence: Evidence<'_>) -> Check {
    let mut check = Check::between_stores("seats leaked: booked, and not sold in the gate");
    let sold = sold_in_gate(evidence);
    for booking in evidence.vault.bookings.iter().filter(|booking| booking.is_active()) {
        for seat in &booking.seats {
            let id = sold.get(seat).map(String::as_str);
            check.expect(id == Some(&booking.id), || {
                format!("seat {seat}: {}, in the gate {:?}", booking.id, evidence.gate.seats.get(seat))
            });
        }
    }
    check
}

/// Blocks are the vault's, and the gate refuses by them.
pub(super) fn blocks_agree(evidence: Evidence<'_>) -> Check {
    let mut check = Check::between_stores("seats leaked: blocked in only one of the two");
    let blocked = |(seat, state): (&u32, &Seat)| (*state == Seat::Blocked).then_some(*seat);
    let gate: BTreeSet<u32> = evidence.gate.seats.iter().filter_map(blocked).collect();
    let vault = &evidence.vault.blocked;
    check.looked_at = gate.union(vault).count();
    check.offenders = gate.symmetric_difference(vault).map(|seat| format!("seat {seat}")).collect();
    check
}

/// The two bits that watchers are shown of a seat.
fn shown(seat: Option<&Seat>) -> u8 {
    match seat {
        None => 0,
        Some(Seat::Held { .. } | Seat::Confirming { .. }) => 1,
        Some(Seat::Sold { .. }) => 2,
        Some(Seat::Blocked) => 3,
    }
}

/// The packed map says of each seat what the seat's record says.
pub(super) fn map_shows_seats(evidence: Evidence<'_>) -> Check {
    let mut check = Check::new("seats that the map shows wrongly");
    for seat in 0..evidence.vault.seat_count {
        // Bytes that were never written are free seats.
        let byte = evidence.gate.map.get(seat as usize / 4).copied().unwrap_or(0);
        let (bits, expected) = (byte >> (6 - seat % 4 * 2) & 3, shown(evidence.gate.seats.get(&seat)));
        check.expect(bits == expected, || format!("seat {seat}: map {bits}, seat {expected}"));
    }
    check
}

/// A count that is too high locks a customer out; one that is too low lets it past its limit.
pub(super) fn customers_are_counted(evidence: Evidence<'_>) -> Check {
    let mut check = Check::between_stores("customers counted wrong");
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for state in evidence.gate.seats.values() {
        let (Seat::Held { id, .. } | Seat::Confirming { id, .. }) = state else { continue };
        if let Some(reservation) = evidence.gate.reservations.get(id) {
            *counts.entry(&reservation.customer).or_default() += 1;
        }
    }
    for booking in evidence.vault.bookings.iter().filter(|booking| booking.is_active()) {
        *counts.entry(&booking.customer).or_default() +=
            i64::try_from(booking.seats.len()).unwrap_or(i64::MAX);
    }
    let counted = &evidence.gate.customers;
    let names: BTreeSet<&str> = counts.keys().copied().chain(counted.keys().map(String::as_str)).collect();
    for name in names {
        let count = counts.get(name).copied().unwrap_or(0);
        let stored = counted.get(name).copied().unwrap_or(0);
        check.expect(stored == count, || format!("{name}: counted {stored}, has {count}"));
    }
    check
}

/// A version is a place in the log, and the log has no holes.
pub(super) fn log_reaches_version(evidence: Evidence<'_>) -> Check {
    let mut check = Check::new("holes in the change log");
    let gate = evidence.gate;
    for pair in gate.log.windows(2) {
        let (before, after) = (pair[0].version, pair[1].version);
        check.expect(after == before + 1, || format!("{after} follows {before}"));
    }
    let last = gate.log.last().map_or(0, |change| change.version);
    check.expect(last == gate.version, || format!("the log ends at {last}, the version is {}", gate.version));
    check
}

/// Who follows the log sees what the seats say.
pub(super) fn log_tells_states(evidence: Evidence<'_>) -> Check {
    let mut check = Check::new("seats that the change log tells wrongly");
    let mut told: BTreeMap<u32, u8> = BTreeMap::new();
    for change in &evidence.gate.log {
        told.extend(change.seats.iter().map(|seat| (*seat, change.state)));
    }
    for (seat, state) in told {
        let expected = shown(evidence.gate.seats.get(&seat));
        check.expect(state == expected, || format!("seat {seat}: log {state}, seat {expected}"));
    }
    check
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
