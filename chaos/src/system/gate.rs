//! Redis: one server, a cluster in which replicas take over and events move, or several that vote.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use testkit::{
    place::Place,
    proxy::Proxy,
    redis::{Cluster, Masters, Redis},
};

use super::{GATE_AHEAD_MS, Mode};

/// For how long a node that was cut off may go on: a cluster's node timeout here, and some more.
const FAILOVER_LAG: &str = "3s";
/// Of whom three have to agree.
const MASTERS: usize = 5;
/// Of the service's keys.
pub(crate) const PREFIX: &str = "te";

/// The gate's servers.
pub(crate) enum Gate {
    One(Redis),
    Cluster(Cluster),
    Masters(Masters),
}

impl Gate {
    /// One server is in this place, which may be a small disk.
    pub(crate) async fn start(mode: Mode, place: Arc<Place>) -> Self {
        match mode {
            Mode::Single | Mode::Standby | Mode::Kafka => Self::One(Redis::start_in(place).await),
            Mode::Cluster => Self::Cluster(Cluster::start("").await),
            Mode::Redlock => {
                let masters = Masters::start(MASTERS).await;
                masters.nodes.iter().for_each(|node| node.clock.set_ahead_ms(GATE_AHEAD_MS));
                Self::Masters(masters)
            }
        }
    }

    /// Whether several nodes vote for a hold.
    pub(crate) fn votes(&self) -> bool {
        matches!(self, Self::Masters(_))
    }

    /// A network to the only server. Nodes of a cluster say themselves how they are reached, and of several that vote all
    /// replicas have to have the same names.
    pub(crate) async fn networks(&self) -> Vec<Proxy> {
        match self {
            Self::One(redis) => vec![Proxy::start(redis.port().address()).await],
            Self::Cluster(_) | Self::Masters(_) => Vec::new(),
        }
    }

    /// The service's settings, through these networks.
    pub(crate) fn settings(&self, networks: &[Proxy]) -> Vec<(&'static str, String)> {
        match self {
            Self::One(redis) => vec![("TE_REDIS_URL", redis.url_at(&networks[0]))],
            Self::Cluster(cluster) => {
                vec![("TE_REDIS_URL", cluster.url()), ("TE_REDIS_FAILOVER_LAG", FAILOVER_LAG.into())]
            }
            Self::Masters(masters) => vec![("TE_REDIS_URL", masters.url())],
        }
    }

    /// The URL of who has the event, for who may do everything. Of several any where none has it: the event is cold there.
    pub(crate) async fn admin_url_of(&self, event: &str) -> String {
        match self {
            Self::One(redis) => redis.admin_url(),
            Self::Cluster(cluster) => cluster.admin_url_of(event).await,
            Self::Masters(masters) => {
                let carrier = masters.carrier_of(PREFIX, event).await;
                masters.nodes[carrier.unwrap_or(0)].redis.admin_url()
            }
        }
    }

    /// Connections to servers that between them tell all times that there are: nodes of a cluster have one.
    pub(crate) async fn clients(&self) -> Vec<MultiplexedConnection> {
        match self {
            Self::One(redis) => vec![redis.client().await],
            Self::Cluster(cluster) => vec![cluster.nodes[0].redis.client().await],
            Self::Masters(masters) => {
                let clients = masters.nodes.iter().map(|node| node.redis.client());
                futures_util::future::join_all(clients).await
            }
        }
    }

    /// All run, and know each other.
    pub(crate) async fn heal(&self) {
        match self {
            Self::One(redis) => start(redis).await,
            Self::Cluster(cluster) => cluster.wait_until_whole().await,
            Self::Masters(masters) => {
                for node in &masters.nodes {
                    start(&node.redis).await;
                }
            }
        }
    }
}

/// Starts it where it has ended.
async fn start(redis: &Redis) {
    if !redis.runs() {
        redis.restart().await;
    }
}
