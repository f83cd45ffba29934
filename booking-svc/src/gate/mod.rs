//! Level 1: holds in Redis, changed only by the scripts in `lua/`. The one place that names Redis.
//!
//! Every script carries the epoch and the incarnation of the Redis that it expects. Where they differ, Redis has lost
//! its memory or may have, the answer is [`Error::Cold`], and nothing was written.

mod connection;
mod due;
mod error;
mod groups;
mod image;
mod keys;
mod log;
mod nodes;
mod rebuild;
mod record;
mod redlock;
mod reservations;
mod script;
mod seats;
mod shards;
mod url;

pub use error::Error;
pub use log::{Cursor, Log, Look, Read};
pub use nodes::{Shard, Wait};
pub use rebuild::{Built, Frozen, Old, Rebuild, Survivors};
pub use reservations::{Adopted, Extended, Found, Granted, Undecided};
pub use seats::{Alive, BlockRefusal, Refusal, Taken};
pub use shards::Shards;
pub use url::{Url, UrlError};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::metrics::Meter;
use telemetry::stores::Operations;
use tokio::time::Instant;

use crate::{
    domain::{Epoch, EventId},
    tasks::Tasks,
};
use connection::Connection;
use groups::Groups;
use keys::Keys;
use nodes::Nodes;
use script::{Reply, Script};

/// Settings of the gate.
#[derive(Clone)]
pub struct Options {
    /// Where Redis is.
    pub url: Url,
    /// Begins every key, so that several installations can share a Redis.
    pub prefix: String,
    /// Shared connections to each primary; many calls are pipelined over each.
    pub connections: u32,
    /// How long a call waits for a connection.
    pub pool_wait: Duration,
    /// How long ended reservations are remembered, for late repeats.
    pub tombstone_ttl: Duration,
    /// Which replicas have to have a hold before it is acknowledged.
    pub wait: Wait,
}

/// About so many changes are kept in an event's log.
const LOG_LENGTH: u32 = 10_000;
/// How often a call follows its event to another node of a cluster.
const MOVES_FOLLOWED_MAX: u32 = 2;

/// The gate of all events. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    nodes: Nodes,
    prefix: Arc<str>,
    wait: Wait,
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
    /// Finds the primaries; `tasks` run what is asked.
    /// Fails when Redis can not be reached, or would drop keys when its memory is full.
    pub async fn connect(options: &Options, tasks: &Tasks, meter: &Meter) -> Result<Self, Error> {
        Ok(Self {
            nodes: Nodes::connect(options, tasks, meter).await?,
            prefix: options.prefix.as_str().into(),
            wait: options.wait,
            tombstone_ms: options.tombstone_ttl.as_millis() as u64,
            known: Arc::default(),
            operations: Operations::new(meter, "redis"),
            grants: Groups::of(&script::GRANT),
            begins: Groups::of(&script::BEGIN),
            settles: Groups::of(&script::SETTLE),
            tasks: tasks.clone(),
        })
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

    /// Runs a script of the event under its current epoch; a newer epoch, a connection that remembers an older
    /// incarnation, or a node that has not got the event any more, is tried again.
    async fn run(
        &self,
        script: &'static Script,
        event: &EventId,
        args: &[&str],
    ) -> Result<(Place, Reply), Error> {
        self.run_in(None, script, event, args).await
    }

    /// As `run`; where an epoch is given, any other is cold: what the caller knows of it may be out of date.
    async fn run_in(
        &self,
        only: Option<Epoch>,
        script: &'static Script,
        event: &EventId,
        args: &[&str],
    ) -> Result<(Place, Reply), Error> {
        let done = self.try_run_in(only, script, event, args).await;
        done.map_err(|error| self.or_replaced(event, error))
    }

    /// Where another node can take over from one that does not answer, that is what has to happen.
    fn or_replaced(&self, event: &EventId, error: Error) -> Error {
        match (self.nodes.masters(), &error) {
            (Some(masters), Error::Unavailable(_)) if masters.is_to_be_replaced(event) => {
                Error::Cold("carrier".into())
            }
            _ => error,
        }
    }

    async fn try_run_in(
        &self,
        only: Option<Epoch>,
        script: &'static Script,
        event: &EventId,
        args: &[&str],
    ) -> Result<(Place, Reply), Error> {
        let known = self.known(event).filter(|known| only.is_none_or(|only| known.epoch == only));
        let mut keys = known.unwrap_or_else(|| Arc::new(self.keys(event, only.unwrap_or_default())));
        let (mut cold, mut moves) = (String::new(), 0);
        let mut node = self.nodes.of(event)?;
        for _ in 0..node.size() + 2 + MOVES_FOLLOWED_MAX {
            let connection = node.get().await?;
            let mut reply = match self.run_on(&connection, &keys, script, args).await {
                Err(Error::Moved(_)) if moves < MOVES_FOLLOWED_MAX => {
                    moves += 1;
                    if let Err(error) = self.nodes.look().await {
                        tracing::debug!(%error, "it is not known who has the event; asking whom it was known of");
                    }
                    node = self.nodes.of(event)?;
                    continue;
                }
                reply => reply?,
            };
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
                _ => {
                    let (shard, on) = (node.shard().clone(), Arc::clone(connection.incarnation()));
                    return Ok((Place { epoch: keys.epoch, shard, on }, reply));
                }
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

    /// Stands before a customer is told of a hold that only the gate knows: a majority of the nodes has it, or as many
    /// replicas as are asked for. Else the call is to be repeated; the repeat finds what was written, and waits again.
    async fn kept(&self, place: &Place, hold: &Found, asked: Instant) -> Result<(), Error> {
        match self.nodes.masters() {
            Some(masters) => self.lock(masters, place, hold, asked).await,
            None => self.replicated(&hold.reservation.id.event, place).await,
        }
    }

    /// The same for a hold that came back from its token. Its owner keeps the token, which will do without a majority.
    async fn kept_if_promised(&self, place: &Place, hold: &Found, asked: Instant) -> Result<(), Error> {
        match (self.nodes.masters(), self.kept(place, hold, asked).await) {
            (Some(_), Err(error)) => {
                tracing::debug!(id = %hold.reservation.id, %error, "a hold came back, and no majority has it yet");
                Ok(())
            }
            (_, kept) => kept,
        }
    }

    async fn replicated(&self, event: &EventId, place: &Place) -> Result<(), Error> {
        if self.wait.replicas == 0 {
            return Ok(());
        }
        let on = self.nodes.of(event)?.replicated(&keys::fence(&self.prefix, event)).await?;
        if on != place.on {
            return Err(Error::Unavailable(
                "another Redis took over before replicas had what was written".into(),
            ));
        }
        Ok(())
    }
}

/// Where a script ran.
#[derive(Clone, Debug)]
struct Place {
    /// Under which epoch.
    epoch: Epoch,
    /// On which node.
    shard: Shard,
    /// On which Redis, by its incarnation.
    on: Arc<str>,
}
