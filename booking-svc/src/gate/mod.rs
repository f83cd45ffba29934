//! Level 1: holds in Redis, changed only by the scripts in `lua/`. The one place that names Redis.
//!
//! Every script carries the epoch and the incarnation of the Redis that it expects. Where they differ, Redis has lost
//! its memory or may have, the answer is [`Error::Cold`], and nothing was written.

mod due;
mod error;
mod groups;
mod image;
mod keys;
mod log;
mod pool;
mod rebuild;
mod record;
mod reservations;
mod script;
mod seats;

pub use error::Error;
pub use log::{Cursor, Log, Look, Read};
pub use rebuild::{Built, Frozen, Old, Rebuild, Survivors};
pub use reservations::{Adopted, Extended, Found, Granted, Undecided};
pub use seats::{Alive, BlockRefusal, Refusal, Taken};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::metrics::Meter;
use telemetry::stores::Operations;

use crate::{
    domain::{Epoch, EventId},
    tasks::Tasks,
};
use groups::Groups;
use keys::Keys;
use pool::{Connection, Pool};
use script::{Reply, Script};

/// Settings of the gate.
#[derive(Clone)]
pub struct Options {
    /// `redis://[user:password@]host:port[/db]`.
    pub url: String,
    /// Begins every key, so that several installations can share a Redis.
    pub prefix: String,
    /// Shared connections; many calls are pipelined over each.
    pub connections: u32,
    /// How long a call waits for a connection.
    pub pool_wait: Duration,
    /// How long ended reservations are remembered, for late repeats.
    pub tombstone_ttl: Duration,
}

/// About so many changes are kept in an event's log.
const LOG_LENGTH: u32 = 10_000;

/// The gate of all events. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    pool: Pool,
    prefix: Arc<str>,
    tombstone_ms: u64,
    /// The keys of the last epoch seen of each event: a hint, since every script checks it.
    known: Arc<Mutex<HashMap<EventId, Arc<Keys>>>>,
    operations: Operations,
    grants: Groups,
    begins: Groups,
    settles: Groups,
    tasks: Tasks,
}

impl Gate {
    /// Opens the pool; `tasks` run what is asked.
    /// Fails when Redis can not be reached, or would drop keys when its memory is full.
    pub async fn connect(options: &Options, tasks: &Tasks, meter: &Meter) -> Result<Self, Error> {
        Ok(Self {
            pool: Pool::connect(options, meter).await?,
            prefix: options.prefix.as_str().into(),
            tombstone_ms: options.tombstone_ttl.as_millis() as u64,
            known: Arc::default(),
            operations: Operations::new(meter, "redis"),
            grants: Groups::of(&script::GRANT),
            begins: Groups::of(&script::BEGIN),
            settles: Groups::of(&script::SETTLE),
            tasks: tasks.clone(),
        })
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.pool.ping().await
    }

    fn keys(&self, event: &EventId, epoch: Epoch) -> Keys {
        Keys::new(&self.prefix, event, epoch)
    }

    fn known(&self, event: &EventId) -> Option<Arc<Keys>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(event).map(Arc::clone)
    }

    fn learn(&self, event: &EventId, keys: Option<Arc<Keys>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match keys {
            Some(keys) => known.insert(event.clone(), keys),
            None => known.remove(event),
        };
    }

    /// Runs a script of the event under its current epoch; a newer epoch, or a connection that remembers an older
    /// incarnation, is tried again.
    async fn run(
        &self,
        script: &'static Script,
        event: &EventId,
        args: &[&str],
    ) -> Result<(Epoch, Reply), Error> {
        self.run_in(None, script, event, args).await
    }

    /// As `run`; where an epoch is given, any other is cold: what the caller knows of it may be out of date.
    async fn run_in(
        &self,
        only: Option<Epoch>,
        script: &'static Script,
        event: &EventId,
        args: &[&str],
    ) -> Result<(Epoch, Reply), Error> {
        let known = self.known(event).filter(|known| only.is_none_or(|only| known.epoch == only));
        let mut keys = known.unwrap_or_else(|| Arc::new(self.keys(event, only.unwrap_or_default())));
        let mut cold = String::new();
        for _ in 0..self.pool.size() + 2 {
            let connection = self.pool.get().await?;
            let mut reply = self.run_on(&connection, &keys, script, args).await?;
            match reply.word() {
                "EPOCH" => {
                    keys = Arc::new(self.keys(event, Epoch(reply.number()?)));
                    self.learn(event, Some(Arc::clone(&keys)));
                    if only.is_some() {
                        return Err(Error::Cold("rebuilt meanwhile".into()));
                    }
                }
                "COLD" => {
                    cold = reply.text()?;
                    if cold != "incarnation" || connection.is_current().await? {
                        break;
                    }
                    connection.mark_broken();
                }
                _ => return Ok((keys.epoch, reply)),
            }
        }
        self.learn(event, None);
        Err(Error::Cold(cold))
    }

    /// Runs a script once, over this connection and under the epoch of these keys.
    async fn run_on(
        &self,
        connection: &Connection,
        keys: &Keys,
        script: &'static Script,
        args: &[&str],
    ) -> Result<Reply, Error> {
        let numbers = [keys.epoch.to_string(), self.tombstone_ms.to_string(), LOG_LENGTH.to_string()];
        let head = [&*numbers[0], connection.incarnation(), &numbers[1], &numbers[2]];
        let run = connection.run(script.call(keys, head, args.iter().copied()));
        let reply = self.operations.time(script.name, run).await;
        #[cfg(feature = "mutants")]
        let reply = reply?.log_late(connection).await;
        reply
    }
}
