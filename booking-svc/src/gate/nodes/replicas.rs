//! Waits until replicas have what was written, so that a failover does not lose what a customer was told.

use std::{sync::Arc, time::Duration};

use bb8_redis::redis::pipe;
use tokio::sync::Mutex;

use super::{super::connection::Connection, node::Node, rounds::Rounds};
use crate::gate::Error;

/// A Redis that does not answer so long after the time that it was given is gone.
const RESPONSE_GRACE: Duration = Duration::from_millis(500);
/// Rounds that a call takes part in, where the fences of others are moving.
const ROUNDS_MAX: u32 = 3;
/// The key of the fence goes away by itself.
const FENCE_TTL: Duration = Duration::from_secs(1);

/// How many replicas have to have what is acknowledged, and how long that may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// None, where this is 0.
    pub replicas: u32,
    /// Longer, and the call is to be repeated.
    pub timeout: Duration,
}

/// The replicas of one primary. All who wait at the same time share one WAIT: it counts for everything before it. It has
/// a connection of its own, since all commands behind a WAIT on its connection wait with it.
pub(super) struct Replicas {
    wait: Wait,
    connection: Mutex<Option<Connection>>,
    rounds: Rounds<Result<Arc<str>, Error>>,
}

impl Replicas {
    pub(super) fn new(wait: Wait) -> Self {
        Self { wait, connection: Mutex::default(), rounds: Rounds::default() }
    }

    /// Returns when the replicas have all that was written before the call; says on which Redis.
    pub(super) async fn have_all(&self, node: &Node, fence: &str) -> Result<Arc<str>, Error> {
        let mut shared = self.rounds.join(self.ask(node, fence)).await;
        for _ in 1..ROUNDS_MAX {
            // It was the fence of another's event, which is moving; the next may be one's own. All still share: a WAIT
            // holds up those behind it.
            if !matches!(shared, Err(Error::Moved(_))) {
                break;
            }
            shared = self.rounds.join(self.ask(node, fence)).await;
        }
        shared
    }

    async fn ask(&self, node: &Node, fence: &str) -> Result<Arc<str>, Error> {
        let connection = self.connection(node).await?;
        // WAIT counts from the last write of its own connection: the fence is one, behind all that it is to count for.
        let mut commands = pipe();
        commands.cmd("SET").arg(fence).arg("").arg("PX").arg(FENCE_TTL.as_millis() as u64).ignore();
        commands.cmd("WAIT").arg(self.wait.replicas).arg(self.wait.timeout.as_millis() as u64);
        let (have,): (u32,) = connection.pipeline(&commands).await?;
        if have < self.wait.replicas {
            let needed = self.wait.replicas;
            return Err(Error::Unavailable(format!("{have} of {needed} replicas have what was written")));
        }
        Ok(Arc::clone(connection.incarnation()))
    }

    async fn connection(&self, node: &Node) -> Result<Connection, Error> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|connection| !connection.is_broken()) {
            return Ok(connection.clone());
        }
        let connection = node.dedicated(self.wait.timeout + RESPONSE_GRACE).await?;
        Ok(kept.insert(connection).clone())
    }
}
