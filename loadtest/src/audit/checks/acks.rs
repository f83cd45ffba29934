//! What customers were told against what PostgreSQL keeps.

use std::collections::{BTreeMap, HashMap};

use super::Check;
use crate::{
    audit::vault::{Booking, Vault},
    ledger::{Call, Grant, Record},
};

fn by_id(vault: &Vault) -> HashMap<&str, &Booking> {
    vault.bookings.iter().map(|booking| (booking.id.as_str(), booking)).collect()
}

/// An acknowledged Confirm is durable.
pub(super) fn confirms_are_booked(record: &Record, vault: &Vault) -> Check {
    let mut check = Check::new("acknowledged confirms missing");
    let bookings = by_id(vault);
    for (id, grant) in record.grants.iter().filter(|(_, grant)| grant.confirm == Call::Acked) {
        let found = bookings.get(id.as_str());
        let kept = found.is_some_and(|booking| {
            booking.booked
                && booking.customer == grant.customer
                && booking.seats == grant.seats
                && booking.payment_reference == grant.payment_reference
        });
        check.expect(kept, || found.map_or_else(|| format!("{id}: no row"), |row| format!("{id}: {row:?}")));
    }
    check
}

/// A booking is cancelled if and only if its customer cancelled it.
pub(super) fn cancels_are_kept(record: &Record, vault: &Vault) -> Check {
    let mut check = Check::new("cancellations kept wrongly");
    let bookings = by_id(vault);
    for (id, grant) in &record.grants {
        let Some(booking) = bookings.get(id.as_str()).filter(|booking| booking.booked) else { continue };
        let kept = match grant.cancel {
            Call::Acked => booking.cancelled,
            Call::NotMade | Call::Refused => !booking.cancelled,
            Call::Unknown => true,
        };
        check.expect(kept, || format!("{id}: Cancel {:?}, cancelled {}", grant.cancel, booking.cancelled));
    }
    check
}

/// What was never confirmed, was released, or was refused for good is not booked.
pub(super) fn bookings_were_asked_for(record: &Record, vault: &Vault) -> Check {
    let mut check = Check::new("bookings that nobody asked for");
    let ours = |booking: &&Booking| {
        booking.booked
            && (booking.customer.starts_with(&record.customer_prefix)
                || record.grants.contains_key(&booking.id))
    };
    for booking in vault.bookings.iter().filter(ours) {
        let grant = record.grants.get(&booking.id);
        let asked = grant.is_some_and(|grant| {
            matches!(grant.confirm, Call::Acked | Call::Unknown) && grant.release != Call::Acked
        });
        check.expect(asked, || {
            let told = grant.map_or_else(
                || "never granted to us".to_owned(),
                |grant| format!("Confirm {:?}, Release {:?}", grant.confirm, grant.release),
            );
            format!("{}: {told}", booking.id)
        });
    }
    check
}

/// Until when a grant keeps others out for certain; none where the customer gave the seats back.
fn owned_until_ms(grant: &Grant) -> Option<i64> {
    if grant.release != Call::NotMade || matches!(grant.cancel, Call::Acked | Call::Unknown) {
        return None;
    }
    match grant.confirm {
        Call::Acked => Some(i64::MAX),
        Call::NotMade | Call::Unknown => Some(grant.deadline_ms),
        Call::Refused => None,
    }
}

/// A hold is its customer's until its deadline, a booking until it is cancelled. By the gate's clock.
pub(super) fn granted_to_one_at_a_time(record: &Record) -> Check {
    let mut check = Check::new("seats granted while another had them");
    let mut grants: BTreeMap<u32, Vec<(&str, &Grant)>> = BTreeMap::new();
    for (id, grant) in &record.grants {
        for seat in &grant.seats {
            grants.entry(*seat).or_default().push((id, grant));
        }
    }
    for (seat, grants) in &mut grants {
        grants.sort_by_key(|(_, grant)| grant.granted_ms);
        let mut owner: Option<(&str, i64)> = None;
        for (id, grant) in grants {
            let free = owner.is_none_or(|(_, until_ms)| grant.granted_ms >= until_ms);
            check.expect(free, || format!("seat {seat}: {id} while {:?} had it", owner.map(|(id, _)| id)));
            let until_ms = owned_until_ms(grant);
            if until_ms > owner.map(|(_, until_ms)| until_ms) {
                owner = until_ms.map(|until_ms| (*id, until_ms));
            }
        }
    }
    check
}

/// The same call is answered the same way.
pub(super) fn answers_kept_promises(record: &Record) -> Check {
    let mut check = Check::new("answers that contradict each other");
    check.looked_at = record.grants.len();
    check.offenders.clone_from(&record.broken);
    check
}

#[cfg(test)]
#[path = "acks_tests.rs"]
mod tests;
