//! The parts of the gate that live and die by themselves.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    Error, Gate,
    nodes::{Shard, Topology},
};
use crate::domain::EventId;

/// Tells which shards there are. All of one Redis is one shard, for good.
pub struct Shards {
    gate: Gate,
    changes: Option<watch::Receiver<Arc<Topology>>>,
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
        self.nodes.is_cluster()
    }

    /// How many shards answer within `wait`, and how many there are.
    pub async fn ping(&self, wait: Duration) -> (usize, usize) {
        self.nodes.ping(wait).await
    }
}

impl Shards {
    /// Those that have events.
    pub fn now(&mut self) -> Vec<Shard> {
        if let Some(changes) = &mut self.changes {
            changes.mark_unchanged();
        }
        self.gate.nodes.all().iter().map(|node| node.shard().clone()).collect()
    }

    /// Waits until shards come, go, or change their events; at once where that has happened since [`Self::now`].
    pub async fn changed(&mut self) {
        let changed = match &mut self.changes {
            Some(changes) => changes.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // There is only one, or nobody looks any more.
            std::future::pending::<()>().await;
        }
    }
}
