//! Redis: one server, or a cluster in which replicas take over and events move.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use testkit::{
    place::Place,
    proxy::Proxy,
    redis::{Cluster, Redis},
};

use super::Mode;

/// For how long a node that was cut off may go on: a cluster's node timeout here, and some more.
const FAILOVER_LAG: &str = "3s";

/// The gate's servers.
pub(crate) enum Gate {
    One(Redis),
    Cluster(Cluster),
}

impl Gate {
    /// One server is in this place, which may be a small disk.
    pub(crate) async fn start(mode: Mode, place: Arc<Place>) -> Self {
        match mode {
            Mode::Single | Mode::Standby => Self::One(Redis::start_in(place).await),
            Mode::Cluster => Self::Cluster(Cluster::start("").await),
        }
    }

    /// The only server.
    pub(crate) fn one(&self) -> Option<&Redis> {
        match self {
            Self::One(redis) => Some(redis),
            Self::Cluster(_) => None,
        }
    }

    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::One(_) => None,
            Self::Cluster(cluster) => Some(cluster),
        }
    }

    /// A network to the only server. Nodes of a cluster say themselves how they are reached.
    pub(crate) async fn networks(&self) -> Vec<Proxy> {
        match self {
            Self::One(redis) => vec![Proxy::start(redis.port().address()).await],
            Self::Cluster(_) => Vec::new(),
        }
    }

    /// The service's settings, through these networks.
    pub(crate) fn settings(&self, networks: &[Proxy]) -> Vec<(&'static str, String)> {
        match self {
            Self::One(redis) => vec![("TE_REDIS_URL", redis.url_at(&networks[0]))],
            Self::Cluster(cluster) => {
                vec![("TE_REDIS_URL", cluster.url()), ("TE_REDIS_FAILOVER_LAG", FAILOVER_LAG.into())]
            }
        }
    }

    /// The URL of who has the event, for who may do everything.
    pub(crate) async fn admin_url_of(&self, event: &str) -> String {
        match self {
            Self::One(redis) => redis.admin_url(),
            Self::Cluster(cluster) => cluster.admin_url_of(event).await,
        }
    }

    /// A connection to a server that tells the time of all.
    pub(crate) async fn client(&self) -> MultiplexedConnection {
        match self {
            Self::One(redis) => redis.client().await,
            Self::Cluster(cluster) => cluster.nodes[0].redis.client().await,
        }
    }

    /// All run, and know each other.
    pub(crate) async fn heal(&self) {
        match self {
            Self::One(redis) if !redis.runs() => redis.restart().await,
            Self::One(_) => {}
            Self::Cluster(cluster) => cluster.wait_until_whole().await,
        }
    }
}
