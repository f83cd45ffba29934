//! The primaries of a cluster, and which of them has which event.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bb8_redis::redis::{
    AsyncConnectionConfig, Client, RedisConnectionInfo, RedisError, Value, aio::MultiplexedConnection, pipe,
};
use telemetry::stores::PoolWaits;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::connection::{Left, Mode, field},
    node::{Node, Room, Shard, Source},
    replicas::Wait,
    rounds::{Rounds, of_most},
    slots::{Address, Slots},
};
use crate::{
    domain::EventId,
    gate::{Error, url},
};

/// How long one node may take for its view of the cluster, connecting included.
const ANSWER_WAIT: Duration = Duration::from_millis(300);
/// Between the beginnings of two looks, however many calls find that their event has moved.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Nodes that are asked in one look, at most.
const ASKED_MAX: usize = 32;

/// A cluster, as it was last seen.
pub(in crate::gate) struct Cluster {
    seeds: Vec<Address>,
    login: RedisConnectionInfo,
    room: Room,
    waits: PoolWaits,
    wait: Wait,
    now: watch::Sender<Arc<Topology>>,
    looks: Rounds<Result<(), Error>>,
    looked: Mutex<Option<Instant>>,
    /// All nodes that were named last: they are asked, replicas too.
    named: Mutex<Vec<Address>>,
    /// Connections over which nodes are asked about the cluster, replicas included.
    asking: Mutex<HashMap<Address, MultiplexedConnection>>,
    /// Waits that ended without a connection, at nodes that are no longer there.
    timeouts_before: AtomicU64,
}

/// Who has what.
#[derive(Clone)]
pub(in crate::gate) struct Topology {
    /// Rises with each election.
    epoch: u64,
    slots: Slots,
    /// By the number of the primary in `slots`.
    pub(super) nodes: Vec<Arc<Node>>,
}

impl Cluster {
    pub(super) fn new(
        seeds: Vec<Address>,
        login: RedisConnectionInfo,
        room: Room,
        waits: PoolWaits,
        wait: Wait,
    ) -> Self {
        let nothing = Topology { epoch: 0, slots: Slots::none(), nodes: Vec::new() };
        Self {
            seeds,
            login,
            room,
            waits,
            wait,
            now: watch::Sender::new(Arc::new(nothing)),
            looks: Rounds::default(),
            looked: Mutex::default(),
            named: Mutex::default(),
            asking: Mutex::default(),
            timeouts_before: AtomicU64::new(0),
        }
    }

    /// The primary that has the event.
    pub(super) fn of(&self, event: &EventId) -> Result<Arc<Node>, Error> {
        let now = self.now.borrow();
        let owner = now.slots.owner(event).and_then(|owner| now.nodes.get(owner));
        owner.map(Arc::clone).ok_or_else(|| Error::Unavailable("no primary has the event's slot".into()))
    }

    pub(super) fn now(&self) -> Arc<Topology> {
        Arc::clone(&self.now.borrow())
    }

    pub(super) fn follow(&self) -> watch::Receiver<Arc<Topology>> {
        self.now.subscribe()
    }

    pub(super) fn timeouts_before(&self) -> u64 {
        self.timeouts_before.load(Ordering::Relaxed)
    }

    /// Asks the nodes how the cluster is. Those who ask meanwhile share the answer.
    pub(super) async fn look(&self) -> Result<(), Error> {
        self.looks.join(self.ask_all()).await
    }

    async fn ask_all(&self) -> Result<(), Error> {
        let last = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last {
            sleep_until(last + LOOK_PAUSE).await;
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let (known, nodes) = (self.now(), self.asked());
        let works = |view: &Result<View, Error>| view.as_ref().is_ok_and(|view| view.ok);
        let (mut views, mut why) =
            (Vec::new(), Error::Unavailable("no node knows a cluster that works".into()));
        for answer in of_most(nodes.iter().map(|node| self.ask(node)), works).await {
            match answer {
                Ok(view) => views.push(view),
                Err(error) => why = error,
            }
        }
        let view = latest(views, known.epoch, nodes.len()).ok_or(why)?;
        self.named.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&view.nodes);
        self.learn(&known, view)
    }

    /// Whom to ask: the nodes of the URL, which are asked even if all others have new addresses, and those of the last answer.
    fn asked(&self) -> Vec<Address> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: Vec<Address> = Vec::new();
        for node in self.seeds.iter().chain(&*named) {
            if nodes.len() < ASKED_MAX && !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        self.asking().retain(|node, _| nodes.contains(node));
        nodes
    }

    /// Nodes that stay keep their connections; those that have no slots any more are left.
    fn learn(&self, known: &Topology, view: View) -> Result<(), Error> {
        if (view.epoch, &view.slots) == (known.epoch, &known.slots) {
            return Ok(());
        }
        let mut nodes = Vec::new();
        for address in view.slots.primaries() {
            let shard = Shard::named(&format!("{}:{}", address.0, address.1));
            let stays = known.nodes.iter().find(|node| *node.shard() == shard);
            nodes.push(match stays {
                Some(node) => Arc::clone(node),
                None => Arc::new(self.node(shard, address)?),
            });
        }
        for node in known.nodes.iter().filter(|node| !nodes.iter().any(|stays| Arc::ptr_eq(stays, node))) {
            node.leave();
            self.timeouts_before.fetch_add(node.state().statistics.get_timed_out, Ordering::Relaxed);
        }
        if view.slots != known.slots {
            let primaries: Vec<String> = nodes.iter().map(|node| node.shard().to_string()).collect();
            tracing::info!(epoch = view.epoch, ?primaries, "the redis cluster has changed");
        }
        self.now.send_replace(Arc::new(Topology { epoch: view.epoch, slots: view.slots, nodes }));
        Ok(())
    }

    fn node(&self, shard: Shard, address: &Address) -> Result<Node, Error> {
        let client = self.client(address)?;
        let source = Source::Fixed { client, mode: Mode::InCluster, left: Left::default() };
        Ok(Node::new(shard, source, &self.room, self.waits.clone(), self.wait))
    }

    fn client(&self, (host, port): &Address) -> Result<Client, Error> {
        let info = url::node(host, *port, &self.login);
        Ok(Client::open(info.ok_or_else(|| Error::Unavailable(format!("{host}:{port} is no address")))?)?)
    }

    /// A node's view.
    async fn ask(&self, node: &Address) -> Result<View, Error> {
        let slow = || Error::Unavailable("it does not answer in time".into());
        let view = timeout(ANSWER_WAIT, self.view(node)).await.unwrap_or_else(|_| Err(slow()));
        if let Err(error) = &view {
            tracing::debug!(?node, %error, "a node does not say how the cluster is");
            self.asking().remove(node);
        }
        view
    }

    async fn view(&self, node: &Address) -> Result<View, Error> {
        let kept = self.asking().get(node).cloned();
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_WAIT));
                let made = self.client(node)?.get_multiplexed_async_connection_with_config(&config).await?;
                self.asking().insert(node.clone(), made.clone());
                made
            }
        };
        let mut questions = pipe();
        questions.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        let (info, slots): (String, Value) =
            questions.query_async(&mut connection).await.map_err(no_cluster)?;
        let slots = Slots::read(&slots, &node.0);
        let (slots, nodes) = slots.ok_or_else(|| Error::Corrupt("CLUSTER SLOTS can not be read".into()))?;
        Ok(View {
            ok: field(&info, "cluster_state:") == Some("ok"),
            epoch: field(&info, "cluster_current_epoch:").and_then(|epoch| epoch.parse().ok()).unwrap_or(0),
            slots,
            nodes,
        })
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<Address, MultiplexedConnection>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The view to believe, of the latest election: one that is cut off from the others knows an older cluster than they do. Who
/// has just come back may have heard of the election and not of its outcome: of these the view that most share. Only where
/// most of the `nodes` give an older one than is `known` was the cluster set up anew.
fn latest(mut views: Vec<View>, known: u64, nodes: usize) -> Option<View> {
    views.retain(|view| view.ok);
    let most = 2 * views.len() > nodes;
    let shared = |view: &View| views.iter().filter(|other| other.slots == view.slots).count();
    let ranks: Vec<_> = views.iter().map(|view| (view.epoch, shared(view))).collect();
    let latest = views.into_iter().zip(ranks).max_by_key(|(_, rank)| *rank).map(|(view, _)| view);
    latest.filter(|view| view.epoch >= known || most)
}

/// The cluster, as one node sees it.
struct View {
    /// The node is in touch with most primaries.
    ok: bool,
    epoch: u64,
    slots: Slots,
    nodes: Vec<Address>,
}

fn no_cluster(error: RedisError) -> Error {
    if error.to_string().contains("cluster support disabled") {
        return Error::Misconfigured(
            "this is no node of a cluster; the URL has to begin with redis://".into(),
        );
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_that_knows_of_most_elections_is_believed() {
        let view = |ok, epoch| View { ok, epoch, slots: Slots::none(), nodes: Vec::new() };
        let epoch = |views: &[(bool, u64)], known, nodes| {
            let views = views.iter().map(|(ok, epoch)| view(*ok, *epoch)).collect();
            latest(views, known, nodes).map(|view| view.epoch)
        };
        assert_eq!(epoch(&[(true, 7), (true, 8), (true, 7)], 7, 3), Some(8));
        assert_eq!(epoch(&[(false, 9), (true, 8)], 7, 3), Some(8), "who is out of touch does not count");
        assert_eq!(epoch(&[(true, 7)], 8, 3), None, "only one that was left behind answers");
        assert_eq!(epoch(&[(false, 8), (true, 7)], 8, 3), None, "nor does it count as one of most");
        assert_eq!(epoch(&[(true, 1), (true, 1)], 8, 3), Some(1), "set up anew");
        assert_eq!(epoch(&[(false, 9)], 0, 1), None);
    }

    #[test]
    fn who_has_only_heard_of_the_election_is_not_believed() {
        let slots = |primary: i64| {
            let node = Value::Array(vec![Value::BulkString("h".into()), Value::Int(primary)]);
            let range = Value::Array(vec![Value::Int(0), Value::Int(16_383), node]);
            Slots::read(&Value::Array(vec![range]), "h").unwrap().0
        };
        for order in [[1, 2, 2], [2, 1, 2], [2, 2, 1]] {
            let view = |primary| View { ok: true, epoch: 8, slots: slots(primary), nodes: Vec::new() };
            let believed = latest(order.map(view).into(), 7, 6).unwrap();
            assert_eq!(believed.slots.primaries(), [("h".into(), 2)]);
        }
    }
}
