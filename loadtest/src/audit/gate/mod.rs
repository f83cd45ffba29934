//! What Redis says of an event, read in one step.

mod parse;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    cli::Stores,
    error::Error,
    nodes::{self, Node, Nodes},
};

/// The newest entries of the change log that are read.
const LOG_ENTRIES_MAX: usize = 100_000;
/// How often a cold gate is looked at before the audit gives up: its rebuild takes seconds.
const READS_MAX: usize = 10;
/// Between two looks at a cold gate.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The gate's records of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// The epoch in whose keys all this is.
    pub(crate) epoch: u64,
    /// Redis's clock when it was read.
    pub(crate) now_ms: i64,
    /// How many changes there were in this epoch.
    pub(crate) version: u64,
    /// Each seat that is not free.
    pub(crate) seats: BTreeMap<u32, Seat>,
    /// Two bits a seat.
    pub(crate) map: Vec<u8>,
    /// Live and recent reservations, by their id without the event.
    pub(crate) reservations: HashMap<String, Reservation>,
    /// When something is due for a reservation.
    pub(crate) due_ms: HashMap<String, i64>,
    /// How many seats each customer is said to hold and own.
    pub(crate) customers: HashMap<String, i64>,
    /// The change log, oldest first; its beginning may be cut off.
    pub(crate) log: Vec<Change>,
    /// Records that do not look as they should.
    pub(crate) unreadable: Vec<String>,
}

/// A seat that is not free. Ids are without the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// Held until a deadline.
    Held {
        /// When the hold ends.
        deadline_ms: i64,
        /// By which reservation.
        id: String,
    },
    /// Its reservation is being confirmed.
    Confirming {
        /// When the hold would have ended.
        deadline_ms: i64,
        /// By which reservation.
        id: String,
    },
    /// Sold.
    Sold {
        /// By which reservation.
        id: String,
    },
    /// Not for sale.
    Blocked,
}

/// A reservation of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// The letter of its state.
    pub(crate) state: char,
    /// When its hold ends or ended.
    pub(crate) deadline_ms: i64,
    /// All its seats.
    pub(crate) seats: Vec<u32>,
    /// Whose it is.
    pub(crate) customer: String,
}

/// An entry of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The version that it made.
    pub(crate) version: u64,
    /// The state that the seats have from then on: 0 free, 1 held, 2 sold, 3 blocked.
    pub(crate) state: u8,
    /// Which seats.
    pub(crate) seats: Vec<u32>,
}

/// The auditor's way to the gate.
pub(crate) struct Reader(Nodes);

impl Reader {
    /// Of the servers that the stores' address names.
    pub(crate) fn new(stores: &Stores) -> Result<Self, Error> {
        Ok(Self(Nodes::new(stores)?))
    }

    /// Reads everything about one event, as of one moment, from the server that has it now.
    pub(crate) async fn read(&self, event: &str) -> Result<Gate, Error> {
        let mut reads = 0;
        loop {
            let read = self.look(event).await;
            reads += 1;
            if !matches!(read, Err(Error::GateCold(..))) || reads == READS_MAX {
                return read;
            }
            sleep(READ_AGAIN_AFTER).await;
        }
    }

    async fn look(&self, event: &str) -> Result<Gate, Error> {
        let node = self.0.of(event).await?;
        let meta = self.0.key(event, "meta");
        let epoch: Option<u64> = node.ask(redis::cmd("HGET").arg(&meta).arg("epoch")).await?;
        let epoch = epoch.ok_or_else(|| Error::cold(event, nodes::UNKNOWN))?;
        let raw = self.transaction(&node, event, &meta, epoch).await?;
        match raw.cold(epoch) {
            None => Ok(raw.into_gate(epoch)),
            Some(why) => Err(Error::cold(event, why)),
        }
    }

    // MULTI/EXEC: no script runs between the reads. The epoch is read again, as it names the keys.
    async fn transaction(
        &self,
        node: &Node,
        event: &str,
        meta: &str,
        epoch: u64,
    ) -> Result<parse::Raw, Error> {
        let key = |name| self.0.key_of_epoch(event, epoch, name);
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("TIME");
        pipe.cmd("INFO");
        pipe.cmd("HGETALL").arg(meta);
        pipe.cmd("HGETALL").arg(key("seats"));
        pipe.cmd("GET").arg(key("map"));
        pipe.cmd("HGETALL").arg(key("reservations"));
        pipe.cmd("ZRANGE").arg(key("expiry")).arg(0).arg(-1).arg("WITHSCORES");
        pipe.cmd("HGETALL").arg(key("customers"));
        pipe.cmd("XREVRANGE").arg(key("log")).arg("+").arg("-").arg("COUNT").arg(LOG_ENTRIES_MAX);
        let (time, redis, meta, seats, map, reservations, due, customers, log) = node.ask_all(&pipe).await?;
        Ok(parse::Raw { time, redis, meta, seats, map, reservations, due, customers, log })
    }
}

#[cfg(test)]
mod tests;
