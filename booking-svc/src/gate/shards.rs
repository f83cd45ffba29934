//! The parts of the gate that live and die by themselves.

use std::time::Duration;

use super::{
    Error, Gate,
    nodes::{Changes, Shard},
};
use crate::domain::EventId;

/// Tells which shards there are. All of one Redis is one shard, for good.
pub struct Shards {
    gate: Gate,
    changes: Changes,
}

impl Gate {
    /// The shards, from now on.
    pub fn shards(&self) -> Shards {
        Shards { gate: self.clone(), changes: self.nodes.follow() }
    }

    /// The shard that has the event.
    pub fn shard_of(&self, event: &EventId) -> Result<Shard, Error> {
        Ok(self.nodes.of(event)?.shard().clone())
    }

    /// Whether the shard has the event.
    pub fn serves(&self, shard: &Shard, event: &EventId) -> bool {
        self.nodes.serves(shard, event)
    }

    /// Whether some events are on other shards than others.
    pub fn is_sharded(&self) -> bool {
        self.nodes.is_cluster() || self.nodes.masters().is_some()
    }

    /// Whether several nodes vote, and one of them carries an event's gate until another takes over.
    pub fn has_votes(&self) -> bool {
        self.nodes.masters().is_some()
    }

    /// How many shards answer within `wait`, and how many there are.
    pub async fn ping(&self, wait: Duration) -> (usize, usize) {
        self.nodes.ping(wait).await
    }
}

impl Shards {
    /// Those that have events.
    pub fn now(&mut self) -> Vec<Shard> {
        self.changes.note();
        self.gate.nodes.all().iter().map(|node| node.shard().clone()).collect()
    }

    /// Waits until shards come, go, or change their events; at once where that has happened since [`Self::now`].
    pub async fn changed(&mut self) {
        self.changes.next().await;
    }
}
