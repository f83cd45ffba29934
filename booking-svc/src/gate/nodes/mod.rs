//! The Redis servers behind the gate: which of them has an event, and how it is reached.

mod changes;
mod cluster;
mod masters;
mod node;
mod replicas;
mod rounds;
mod sentinel;
mod slots;

pub(in crate::gate) use changes::Changes;
pub(in crate::gate) use masters::{Master, Masters};
pub(super) use node::Node;
pub use node::Shard;
pub use replicas::Wait;

use std::{sync::Arc, time::Duration};

use bb8_redis::redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo};
use futures_util::future::join_all;
use opentelemetry::metrics::Meter;
use telemetry::stores::{PoolState, PoolWaits};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    Error, Options,
    connection::{Care, Left, Mode},
    url::Deployment,
};
use crate::{domain::EventId, tasks::Tasks};
use cluster::{Cluster, Topology};
use node::{Room, Source};
use sentinel::Sentinels;

/// How long a start waits for Redis.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts of it.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Between two looks at who is primary, however quiet it is: so long a primary that was cut off may still be asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The servers. Cheap to clone.
#[derive(Clone)]
pub(in crate::gate) enum Nodes {
    /// One has everything.
    One(Arc<Node>),
    /// Each has some of the events.
    Cluster(Arc<Cluster>),
    /// Each carries some of the events, and all vote (Redlock).
    Masters(Arc<Masters>),
}

impl Nodes {
    /// Finds them. Fails when none can be reached, or one would drop keys when its memory is full.
    pub(super) async fn connect(options: &Options, tasks: &Tasks, meter: &Meter) -> Result<Self, Error> {
        let room = Room { connections: options.connections, wait: options.pool_wait };
        // The pool's metrics have to know where they look before there is anything to look at.
        let (seen, look) = watch::channel(None::<Self>);
        let connections = options.connections;
        let waits = PoolWaits::over(meter, "redis", move || {
            look.borrow().as_ref().map_or_else(PoolState::default, |nodes| nodes.state(connections))
        });
        let nodes = match &options.url.0 {
            Deployment::One(info) => {
                let client = Client::open(info.clone())?;
                let source = Source::Fixed { client, mode: Mode::Alone, left: Left::default() };
                Self::one(source, options, &room, waits).await?
            }
            Deployment::Sentinel { sentinels, name, login } => {
                let sentinels = Arc::new(Sentinels::new(sentinels, name, login)?);
                let nodes =
                    Self::one(Source::Sentinel(Arc::clone(&sentinels)), options, &room, waits).await?;
                keep_looking(tasks, Looked::Sentinels(sentinels));
                nodes
            }
            Deployment::Cluster { seeds, login } => {
                let seeds = seeds.iter().filter_map(address).collect();
                let cluster = Cluster::new(seeds, login.clone(), room, waits, options.wait);
                let cluster = Arc::new(cluster);
                first(|| cluster.look()).await?;
                check_all(&cluster.now(), options).await?;
                keep_looking(tasks, Looked::Cluster(Arc::clone(&cluster)));
                Self::Cluster(cluster)
            }
            Deployment::Masters(infos) => {
                let masters = Arc::new(Masters::connect(infos, options, &room, &waits).await?);
                keep_looking(tasks, Looked::Masters(Arc::clone(&masters)));
                Self::Masters(masters)
            }
        };
        seen.send_replace(Some(nodes.clone()));
        Ok(nodes)
    }

    async fn one(source: Source, options: &Options, room: &Room, waits: PoolWaits) -> Result<Self, Error> {
        let config = AsyncConnectionConfig::new();
        let (_, care) = first(|| source.connect(&config)).await?;
        warn(care, options);
        let node = Node::new(Shard::named("redis"), source, room, waits, options.wait);
        Ok(Self::One(Arc::new(node)))
    }

    /// The one that has the event.
    pub(super) fn of(&self, event: &EventId) -> Result<Arc<Node>, Error> {
        match self {
            Self::One(node) => Ok(Arc::clone(node)),
            Self::Cluster(cluster) => cluster.of(event),
            Self::Masters(masters) => Ok(Arc::clone(&masters.all()[masters.followed(event)].node)),
        }
    }

    /// The nodes that vote, where that is how Redis is run.
    pub(super) fn masters(&self) -> Option<&Arc<Masters>> {
        match self {
            Self::Masters(masters) => Some(masters),
            Self::One(_) | Self::Cluster(_) => None,
        }
    }

    /// The one of this shard, while it is there.
    pub(super) fn shard(&self, shard: &Shard) -> Result<Arc<Node>, Error> {
        let found = self.all().into_iter().find(|node| node.shard() == shard);
        found.ok_or_else(|| Error::Unavailable("the shard is no longer there".into()))
    }

    /// All that have events.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        match self {
            Self::One(node) => vec![Arc::clone(node)],
            Self::Cluster(cluster) => cluster.now().nodes.clone(),
            Self::Masters(masters) => masters.all().iter().map(|master| Arc::clone(&master.node)).collect(),
        }
    }

    /// Whether the shard has the event.
    pub(super) fn serves(&self, shard: &Shard, event: &EventId) -> bool {
        match self {
            Self::One(_) => true,
            Self::Cluster(cluster) => cluster.of(event).is_ok_and(|node| node.shard() == shard),
            Self::Masters(masters) => masters.all()[masters.carrier(event)].node.shard() == shard,
        }
    }

    /// Whether one event is all that a command may name.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Looks who has what, for somebody was told that it is not who was asked.
    pub(super) async fn look(&self) -> Result<(), Error> {
        match self {
            // The nodes that vote are asked by whoever rebuilds.
            Self::One(_) | Self::Masters(_) => Ok(()),
            Self::Cluster(cluster) => cluster.look().await,
        }
    }

    /// Tells of each change of who has what.
    pub(super) fn follow(&self) -> Changes {
        match self {
            Self::One(_) => Changes::Never,
            Self::Cluster(cluster) => Changes::Slots(cluster.follow()),
            Self::Masters(masters) => Changes::Carriers(masters.follow()),
        }
    }

    /// How many answer, and how many there are.
    pub(super) async fn ping(&self, wait: Duration) -> (usize, usize) {
        let nodes = self.all();
        let pings: Vec<_> = nodes.iter().map(|node| timeout(wait, node.ping())).collect();
        let answer = join_all(pings).await.into_iter().filter(|pong| matches!(pong, Ok(Ok(())))).count();
        (answer, nodes.len())
    }

    fn state(&self, connections_of_one: u32) -> PoolState {
        let before = match self {
            Self::One(_) | Self::Masters(_) => 0,
            Self::Cluster(cluster) => cluster.timeouts_before(),
        };
        let mut all = PoolState { timeouts: before, ..PoolState::default() };
        for node in self.all() {
            all.add(connections_of_one, &node.state());
        }
        all
    }
}

/// Each primary of a cluster has to keep what it is given. One that does not answer now is no reason not to start.
async fn check_all(cluster: &Topology, options: &Options) -> Result<(), Error> {
    let opened: Vec<_> = cluster.nodes.iter().map(|node| node.care()).collect();
    for (node, care) in cluster.nodes.iter().zip(join_all(opened).await) {
        match care {
            Ok(care) => warn(care, options),
            Err(error @ Error::Misconfigured(_)) => return Err(error),
            Err(error) => tracing::warn!(shard = %node.shard(), %error, "a primary does not answer"),
        }
    }
    Ok(())
}

/// Says what could cost holds.
fn warn(care: Care, options: &Options) {
    if !care.aof {
        tracing::warn!("redis runs without AOF: a restart loses all holds until customers show their tokens");
    }
    let alone = matches!(options.url.0, Deployment::One(_) | Deployment::Masters(_));
    let may_fail_over = options.wait.replicas > 0 || !alone;
    if may_fail_over && !care.minds_replicas {
        tracing::warn!(
            "min-replicas-to-write is 0: a primary that was cut off goes on granting seats that the next one may grant, too"
        );
    }
}

/// The first answer, from a Redis that may be about to start.
async fn first<T, F: Future<Output = Result<T, Error>>>(attempt: impl Fn() -> F) -> Result<T, Error> {
    let give_up = Instant::now() + CONNECT_PATIENCE;
    loop {
        match attempt().await {
            Err(Error::Unavailable(error)) if Instant::now() < give_up => {
                tracing::info!(error, "waiting for redis");
            }
            answer => return answer,
        }
        sleep(CONNECT_AGAIN_AFTER).await;
    }
}

/// Whoever knows who is primary.
enum Looked {
    Sentinels(Arc<Sentinels>),
    Cluster(Arc<Cluster>),
    Masters(Arc<Masters>),
}

/// Looks now and then, so that a primary that was replaced is left also by those to whom it still answers.
fn keep_looking(tasks: &Tasks, looked: Looked) {
    let stopping = tasks.stopping();
    tasks.spawn("primaries", async move {
        let looks = async {
            loop {
                let (pause, look) = match &looked {
                    Looked::Sentinels(sentinels) => (LOOK_EVERY, sentinels.look().await),
                    Looked::Cluster(cluster) => (LOOK_EVERY, cluster.look().await),
                    Looked::Masters(masters) => (masters::LOOK_EVERY, masters.look().await),
                };
                if let Err(error) = look {
                    tracing::debug!(%error, "it is not known who is primary; going on with what was known");
                }
                sleep(pause).await;
            }
        };
        stopping.run_until_cancelled(looks).await;
    });
}

fn address(info: &ConnectionInfo) -> Option<(String, u16)> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => Some((host.clone(), *port)),
        _ => None,
    }
}
