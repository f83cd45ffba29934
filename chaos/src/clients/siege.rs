//! The vault alone, as if the gate had gone mad: many sessions decide at once about the same seats, under epochs that rise,
//! and now and then somebody writes a row by hand.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use testkit::postgres::{Session, connect};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use super::{
    Round,
    field::{Field, SEATS},
};
use crate::history::{Act, Heard, What};

pub(crate) const SESSIONS: u32 = 5;
/// Decisions are about seats of this front, which moves on.
const FRONT_SEATS: u64 = 6;
/// Acts in which the front moves on by a seat.
const ACTS_PER_SEAT: u64 = 4;
/// How long a session waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(12);
const DECIDE: &str = "SELECT status, vault_epoch, outcome FROM vault_decide(ARRAY[$1::text], ARRAY[$2::text], ARRAY['mad'], ARRAY[$1::text],
    ARRAY[$3::bigint], ARRAY[$4::text], ARRAY[$5::text], ARRAY[$6::text], $7)";
const RAISE: &str = "SELECT * FROM vault_raise_epoch($1, 0)";
const INSERT: &str =
    "INSERT INTO booked_seats (event_id, seat_id, reservation_id, active) VALUES ($1, $2, 'by-hand', true)";

/// Besieges until the round is done.
pub(crate) async fn run(round: Round, field: Arc<Field>, number: u32, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut session = None;
    // A seat that this session has booked.
    let mut own = None;
    while !round.done.is_cancelled() {
        let Some(open) = &session else {
            session = connect(&field.database_url()).await;
            round.pause(PAUSE).await;
            continue;
        };
        let what = choose(&mut random, &field, own);
        let began_us = round.clock.us();
        let heard = timeout(PATIENCE, say(open, &field, &what, &mut random)).await.unwrap_or(Heard::Unknown);
        if heard == Heard::Unknown {
            session = None;
        }
        if let (Heard::Booked, What::Decide { seats, .. }) = (&heard, &what) {
            own = seats.first().copied();
        }
        let ended_us = round.clock.us();
        round.acts.lock().unwrap().push(Act { session: number, what, began_us, ended_us, heard });
        round.pause(PAUSE).await;
    }
}

fn choose(random: &mut StdRng, field: &Field, own: Option<u32>) -> What {
    let act = field.acts.fetch_add(1, Ordering::Relaxed);
    match (random.random_range(0..100), own) {
        (0..2, _) => What::Raise,
        (2..6, Some(seat)) => What::Insert { seat },
        _ => {
            let front = act / ACTS_PER_SEAT;
            let first = (front + random.random_range(0..FRONT_SEATS)) as u32 % (SEATS - 3);
            let seats: Vec<u32> = (first..first + random.random_range(1..=2)).collect();
            let epoch = field.epoch.load(Ordering::Relaxed);
            // Some still believe in an epoch of before.
            let epoch = if random.random_bool(0.2) { epoch.saturating_sub(1).max(1) } else { epoch };
            // Few names for each choice of seats, so that repeats and opposite decisions meet.
            let name = random.random_range(0..4);
            let reservation = format!("{}.{first}.{}{name}", field.event, seats.len());
            What::Decide { reservation, epoch, seats, book: random.random_bool(0.8) }
        }
    }
}

async fn say(session: &Session, field: &Field, what: &What, random: &mut StdRng) -> Heard {
    match what {
        What::Decide { reservation, epoch, seats, book } => {
            let list = seats.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let list = format!("{{{list}}}");
            let (payment, reason) = if *book { (Some("paid"), None) } else { (None, Some("released")) };
            let wait = random.random_bool(0.5);
            let epoch = *epoch as i64;
            let asked = session
                .query_one(DECIDE, &[reservation, &field.event, &epoch, &list, &payment, &reason, &wait])
                .await;
            asked.map_or_else(
                |error| failed(&error),
                |row| {
                    if let Some(vault) = row.get::<_, Option<i64>>(1) {
                        field.epoch.fetch_max(vault as u64, Ordering::Relaxed);
                    }
                    match (row.get(0), row.get(2)) {
                        ("decided", Some("booked")) => Heard::Booked,
                        ("decided", _) => Heard::Void,
                        ("epoch_stale", _) => Heard::Stale,
                        ("busy", _) => Heard::Busy,
                        (other, _) => Heard::Error(other.to_owned()),
                    }
                },
            )
        }
        What::Raise => match session.query_one(RAISE, &[&field.event]).await {
            Ok(row) => {
                let epoch = row.get::<_, i64>(0) as u64;
                field.epoch.fetch_max(epoch, Ordering::Relaxed);
                Heard::Epoch(epoch)
            }
            Err(error) => failed(&error),
        },
        What::Insert { seat } => insert(session, field, *seat).await,
    }
}

/// Whoever gets it in takes it back: what is proven is that the vault would have kept it.
async fn insert(session: &Session, field: &Field, seat: u32) -> Heard {
    if let Err(error) = session.batch_execute("BEGIN").await {
        return failed(&error);
    }
    let heard = match session.execute(INSERT, &[&field.event, &(seat as i32)]).await {
        Ok(_) => Heard::Taken,
        Err(error) => failed(&error),
    };
    match session.batch_execute("ROLLBACK").await {
        Ok(()) => heard,
        Err(_) => Heard::Unknown,
    }
}

fn failed(error: &tokio_postgres::Error) -> Heard {
    const PASSING: [&str; 5] = ["08", "53", "55", "57", "58"];
    match error.code() {
        Some(code) if *code == SqlState::T_R_DEADLOCK_DETECTED => Heard::Error(code.code().to_owned()),
        Some(code) if !PASSING.contains(&&code.code()[..2]) => Heard::Error(code.code().to_owned()),
        _ => Heard::Unknown,
    }
}
