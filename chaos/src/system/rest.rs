//! What the stores have, read past the service.

use std::collections::{BTreeMap, HashMap};

use testkit::{postgres::reach, witness::Witness};

use crate::history::{Decision, Rest};

const DECISIONS: &str =
    "SELECT reservation_id, customer_id, request_id, seat_ids, epoch, outcome = 'booked', void_reason,
    payment_reference, cancelled_at IS NOT NULL FROM bookings WHERE event_id = $1 ORDER BY reservation_id";
const BOOKED_SEATS: &str =
    "SELECT seat_id, reservation_id FROM booked_seats WHERE event_id = $1 AND active ORDER BY seat_id";
const BLOCKED: &str = "SELECT seat_id FROM blocked_seats WHERE event_id = $1 ORDER BY seat_id";

/// Everything about an event. Both stores answer.
pub(crate) async fn read(witness: &Witness, event: &str, mut differences: Vec<String>) -> Rest {
    let vault = reach(&witness.database_url).await;
    let epoch: i64 =
        vault.query_one("SELECT epoch FROM events WHERE event_id = $1", &[&event]).await.unwrap().get(0);
    let blocked = vault.query(BLOCKED, &[&event]).await.unwrap();
    let seats: HashMap<String, String> = witness.ask(&["HGETALL", &witness.key(event, "seats").await]).await;
    let gate_map: Vec<u8> = witness.ask(&["GET", &witness.key(event, "map").await]).await;
    let gate_version = seats.get("v").and_then(|version| version.parse().ok()).unwrap_or(0);
    let log: Vec<(String, Vec<String>)> =
        witness.ask(&["XRANGE", &witness.key(event, "log").await, "-", "+"]).await;
    differences.extend(holes(&log, gate_version));
    Rest {
        vault_epoch: epoch as u64,
        gate_epoch: witness.epoch(event).await,
        gate_version,
        decisions: decisions(witness, event).await,
        booked_seats: booked_seats(witness, event).await,
        blocked: blocked.iter().map(|row| row.get::<_, i32>(0) as u32).collect(),
        gate_seats: seats
            .into_iter()
            .filter_map(|(seat, value)| Some((seat.parse().ok()?, value)))
            .collect::<BTreeMap<u32, String>>(),
        gate_map,
        differences,
    }
}

/// Each version of an epoch has its entry in the change log. It is shorter than what is trimmed.
fn holes(log: &[(String, Vec<String>)], gate_version: u64) -> Option<String> {
    let version = |id: &str| id.split('-').next().and_then(|version| version.parse::<u64>().ok());
    let versions: Vec<u64> = log.iter().filter_map(|(id, _)| version(id)).collect();
    let first = *versions.first()?;
    let whole = versions.iter().copied().eq(first..=gate_version);
    (!whole).then(|| {
        let lacking: Vec<u64> = (first..=gate_version).filter(|at| !versions.contains(at)).collect();
        format!("the change log from {first} to {gate_version} lacks {lacking:?}")
    })
}

/// The rows of an event's decided reservations.
pub(crate) async fn decisions(witness: &Witness, event: &str) -> Vec<Decision> {
    let vault = reach(&witness.database_url).await;
    let rows = vault.query(DECISIONS, &[&event]).await.unwrap();
    let decision = |row: &tokio_postgres::Row| Decision {
        id: row.get(0),
        customer: row.get(1),
        request: row.get(2),
        seats: row.get::<_, Vec<i32>>(3).into_iter().map(|seat| seat as u32).collect(),
        epoch: row.get::<_, i64>(4) as u64,
        booked: row.get(5),
        void_reason: row.get(6),
        payment: row.get(7),
        cancelled: row.get(8),
    };
    rows.iter().map(decision).collect()
}

/// The seats of an event's bookings.
pub(crate) async fn booked_seats(witness: &Witness, event: &str) -> Vec<(u32, String)> {
    let vault = reach(&witness.database_url).await;
    let rows = vault.query(BOOKED_SEATS, &[&event]).await.unwrap();
    rows.iter().map(|row| (row.get::<_, i32>(0) as u32, row.get(1))).collect()
}
