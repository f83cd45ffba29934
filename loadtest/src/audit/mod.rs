//! The auditor: what PostgreSQL and Redis keep, held against the promises. It asks no service.

mod checks;
mod gate;
mod vault;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use checks::Check;
use checks::Evidence;
use gate::{Gate, Reader, Seat};
use vault::Vault;

use crate::{cli::Stores, error::Error, ledger::Record};

/// How often the stores are looked at: what is under way between them is no offence, what stays is.
const LOOKS_MAX: usize = 3;
/// Between two looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Between two questions whether all holds have ended.
const HOLDS_POLL_EVERY: Duration = Duration::from_millis(250);

/// Compares the stores with each other, and with what customers were told.
pub(crate) async fn run(stores: &Stores, event: &str, record: Option<&Record>) -> Result<Vec<Check>, Error> {
    let reader = Reader::new(stores)?;
    let mut looks = 0;
    loop {
        let vault = Vault::read(&stores.database_url, event).await?;
        let gate = reader.read(event).await?;
        let checks = checks::all(Evidence { event, vault: &vault, gate: &gate, record });
        looks += 1;
        let may_pass = checks.iter().any(|check| check.passing && !check.is_kept());
        let is_final = checks.iter().any(|check| !check.passing && !check.is_kept());
        if is_final || !may_pass || looks == LOOKS_MAX {
            return Ok(checks);
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Waits until no seat is held, at most `wait`. True when none is.
pub(crate) async fn holds_ended(stores: &Stores, event: &str, wait: Duration) -> Result<bool, Error> {
    let reader = Reader::new(stores)?;
    let end = Instant::now() + wait;
    loop {
        if !holds_any(&reader.read(event).await?) {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        sleep(HOLDS_POLL_EVERY).await;
    }
}

fn holds_any(gate: &Gate) -> bool {
    gate.seats.values().any(|seat| matches!(seat, Seat::Held { .. } | Seat::Confirming { .. }))
}
