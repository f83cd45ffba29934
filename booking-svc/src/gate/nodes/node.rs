//! A primary, and the connections to it.

use std::{sync::Arc, time::Duration};

use bb8_redis::{
    bb8::{self, ErrorSink, ManageConnection, State},
    redis::{AsyncConnectionConfig, Client, cmd},
};
use telemetry::stores::PoolWaits;

use super::{
    super::connection::{Care, Connection, Left, Mode},
    replicas::{Replicas, Wait},
    sentinel::Sentinels,
};
use crate::gate::Error;

/// A part of the gate that lives and dies by itself: all of one Redis, or a primary of a cluster. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shard(Arc<str>);

impl Shard {
    /// By the address of its primary, or what stands for it.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    pub(in crate::gate) fn name(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a primary is found.
#[derive(Clone)]
pub(super) enum Source {
    /// At an address of its own.
    Fixed { client: Client, mode: Mode, left: Left },
    /// Where Sentinel says.
    Sentinel(Arc<Sentinels>),
}

impl Source {
    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> Result<(Connection, Care), Error> {
        let (client, mode, left) = match self {
            Self::Fixed { client, mode, left } => (client.clone(), *mode, left.clone()),
            Self::Sentinel(sentinels) => {
                let (client, left) = sentinels.primary().await?;
                (client, Mode::Alone, left)
            }
        };
        Connection::open(client.get_multiplexed_async_connection_with_config(config).await?, mode, left).await
    }
}

/// How many connections a node gets, and how long they are waited for.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) connections: u32,
    pub(super) wait: Duration,
}

/// A primary. Connections are shared: each call borrows one, and its command is pipelined with those of others.
pub(crate) struct Node {
    pub(super) shard: Shard,
    source: Source,
    pool: bb8::Pool<Manager>,
    waits: PoolWaits,
    replicas: Replicas,
}

impl Node {
    /// Begins to connect.
    pub(super) fn new(shard: Shard, source: Source, room: &Room, waits: PoolWaits, wait: Wait) -> Self {
        let pool = bb8::Pool::builder()
            .max_size(room.connections)
            .min_idle(room.connections)
            .connection_timeout(room.wait)
            .test_on_check_out(false)
            .error_sink(Box::new(LogErrors))
            .build_unchecked(Manager(source.clone()));
        Self { shard, source, pool, waits, replicas: Replicas::new(wait) }
    }

    /// Which part of the gate it is.
    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    pub(crate) fn size(&self) -> u32 {
        self.pool.state().connections.max(1)
    }

    pub(super) fn state(&self) -> State {
        self.pool.state()
    }

    /// A share of a working connection.
    pub(crate) async fn get(&self) -> Result<Connection, Error> {
        loop {
            // Handing a broken one back makes the pool replace it; the pool's wait bounds the loop.
            let connection = self.waits.time(self.pool.get()).await?;
            if !connection.is_broken() {
                return Ok(connection.clone());
            }
        }
    }

    /// A connection of one's own, which waits so long for an answer.
    pub(crate) async fn dedicated(&self, response_timeout: Duration) -> Result<Connection, Error> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(response_timeout));
        Ok(self.source.connect(&config).await?.0)
    }

    /// How it is set up, by a connection that is made now.
    pub(super) async fn care(&self) -> Result<Care, Error> {
        Ok(self.source.connect(&AsyncConnectionConfig::new()).await?.1)
    }

    /// The same, and which Redis it is.
    pub(super) async fn check(&self) -> Result<(Care, Arc<str>), Error> {
        let (connection, care) = self.source.connect(&AsyncConnectionConfig::new()).await?;
        Ok((care, Arc::clone(connection.incarnation())))
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.get().await?.query::<()>(&cmd("PING")).await
    }

    /// Returns when as many replicas as are asked for have all that this Redis wrote before the call; says which Redis it is.
    pub(crate) async fn replicated(&self, fence: &str) -> Result<Arc<str>, Error> {
        self.replicas.have_all(self, fence).await
    }

    /// From now on its connections are not used any more.
    pub(super) fn leave(&self) {
        if let Source::Fixed { left, .. } = &self.source {
            left.leave();
        }
    }
}

/// Makes connections that know their Redis, and finds the broken ones.
struct Manager(Source);

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        Ok(self.0.connect(&AsyncConnectionConfig::new()).await?.0)
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        connection.query(&cmd("PING")).await
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}

#[derive(Clone, Debug)]
struct LogErrors;

impl ErrorSink<Error> for LogErrors {
    fn sink(&self, error: Error) {
        tracing::debug!(%error, "a connection to redis could not be made");
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<Error>> {
        Box::new(Self)
    }
}
