//! A Redis Cluster: three primaries, and a replica of each.

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use redis::{FromRedisValue, RedisResult, Value};
use tokio::time::sleep;

use super::{PASSWORD, Redis, START_ATTEMPTS_MAX, USER_OF_REPLICAS, words};
use crate::{STORE_LIMIT, ports::Port, proxy::Proxy, wait_until};

/// A node that is silent for so long is taken for dead.
const NODE_TIMEOUT: Duration = Duration::from_millis(2_000);
/// Options of nodes that take no other for dead, however busy the machine is.
pub const PATIENT: &str = "--cluster-node-timeout 15000";
const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;
/// The same of all nodes: they forget nothing that a test looks for, and do not wait before they help each other.
const OPTIONS: &str = "--cluster-enabled yes --cluster-config-file nodes.conf --cluster-announce-ip 127.0.0.1
    --cluster-require-full-coverage no --cluster-replica-validity-factor 0 --cluster-allow-replica-migration no
    --repl-diskless-sync-delay 0 --repl-ping-replica-period 1";

/// A node, behind proxies through which the other nodes reach it.
pub struct ClusterNode {
    /// Its server. Clients reach it at its own port.
    pub redis: Redis,
    /// What it says of itself to the others; its replica and the service come this way.
    clients: Proxy,
    bus: Proxy,
    /// Where its own connections come from.
    source: IpAddr,
    id: String,
    _bus_port: Port,
}

/// Nodes 0 to 2 begin as primaries of a third of the slots each, 3 to 5 as replicas of 0 to 2.
pub struct Cluster {
    /// All of them.
    pub nodes: Vec<ClusterNode>,
}

impl Cluster {
    /// Starts one. `options` are more options of each node's command line.
    pub async fn start(options: &str) -> Self {
        let cluster =
            Self { nodes: join_all((0..2 * PRIMARIES).map(|n| ClusterNode::start(n, options))).await };
        cluster.join().await;
        cluster
    }

    async fn join(&self) {
        for (n, node) in self.nodes.iter().enumerate() {
            node.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]).await.unwrap();
            let [port, bus] = [&node.clients, &node.bus].map(|proxy| proxy.address().port().to_string());
            if n > 0 {
                self.nodes[0].ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await.unwrap();
            }
        }
        for (n, node) in self.nodes.iter().enumerate().take(PRIMARIES) {
            let [first, next] = [n, n + 1].map(|n| SLOTS * n / PRIMARIES);
            let [first, last] = [first, next - 1].map(|slot| slot.to_string());
            node.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await.unwrap();
        }
        for n in 0..PRIMARIES {
            let primary = &self.nodes[n].id;
            wait_until("a node knows its primary", STORE_LIMIT, async || {
                self.nodes[PRIMARIES + n].ask::<()>(&["CLUSTER", "REPLICATE", primary]).await.is_ok()
            })
            .await;
        }
        self.wait_until_whole().await;
    }

    /// Waits until all nodes agree, and each primary has a replica that follows it.
    pub async fn wait_until_whole(&self) {
        wait_until("the cluster is whole", STORE_LIMIT, async || {
            let mut primaries = 0;
            for node in &self.nodes {
                let (Ok(info), Ok(slots)) = (
                    node.ask::<String>(&["CLUSTER", "INFO"]).await,
                    node.ask::<Vec<Vec<Value>>>(&["CLUSTER", "SLOTS"]).await,
                ) else {
                    return false;
                };
                let replication: String = node.ask(&["INFO", "replication"]).await.unwrap_or_default();
                primaries += usize::from(replication.contains("role:master"));
                let follows =
                    replication.contains("state=online") || replication.contains("master_link_status:up");
                let whole = info.contains("cluster_state:ok")
                    && info.contains("cluster_slots_ok:16384")
                    && slots.iter().all(|range| range.len() == 4);
                if !follows || !whole {
                    return false;
                }
            }
            primaries == PRIMARIES
        })
        .await;
    }

    /// Its URL for the service.
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.redis.port().address().to_string()).collect();
        format!("redis-cluster://ticketengine:{PASSWORD}@{}", nodes.join(","))
    }

    /// Which node is primary of an event's slot to begin with.
    pub async fn first_primary_of(&self, event: &str) -> usize {
        let slot = slot(&self.nodes[0], event).await.unwrap() as usize;
        (0..PRIMARIES).find(|n| slot < SLOTS * (n + 1) / PRIMARIES).unwrap()
    }

    /// Which node is primary of an event's slot, in the eyes of those that work with most of the others.
    pub async fn primary_of(&self, event: &str) -> usize {
        let mut found = None;
        wait_until("an event has a primary", STORE_LIMIT, async || {
            found = self.find_primary(event).await;
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    async fn find_primary(&self, event: &str) -> Option<usize> {
        let mut latest = (0, None);
        for node in &self.nodes {
            let Ok(info) = node.ask::<String>(&["CLUSTER", "INFO"]).await else { continue };
            let epoch = info.lines().find_map(|line| line.strip_prefix("cluster_current_epoch:"))?;
            let epoch: u64 = epoch.trim().parse().ok()?;
            let Ok(slots) = node.ask::<Vec<Vec<Value>>>(&["CLUSTER", "SLOTS"]).await else { continue };
            if epoch >= latest.0 && info.contains("cluster_state:ok") {
                latest = (epoch, primary_in(&slots, slot(node, event).await?));
            }
        }
        let id = latest.1?;
        self.nodes.iter().position(|node| node.id == id)
    }

    /// The node that follows this one, or is followed by it.
    pub fn partner_of(node: usize) -> usize {
        (node + PRIMARIES) % (2 * PRIMARIES)
    }

    /// A primary that has not got the event, by `choice`.
    pub async fn another_primary(&self, event: &str, choice: u64) -> usize {
        let own = self.primary_of(event).await;
        let other = (own + 1 + choice as usize % (PRIMARIES - 1)) % PRIMARIES;
        let mut primary = other;
        wait_until("a shard has a primary", STORE_LIMIT, async || {
            primary = Self::partner_of(primary);
            let role: Result<String, _> = self.nodes[primary].ask(&["INFO", "replication"]).await;
            role.is_ok_and(|role| role.contains("role:master"))
        })
        .await;
        primary
    }

    /// Where an event's keys are, for a witness.
    pub async fn admin_url_of(&self, event: &str) -> String {
        self.nodes[self.primary_of(event).await].redis.admin_url()
    }

    /// Moves an event's slot to another primary, key by key, as `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, event: &str, to: usize) {
        let from = &self.nodes[self.primary_of(event).await];
        let to = &self.nodes[to];
        let slot = slot(from, event).await.unwrap().to_string();
        // One that is busy may not answer in time: all of this can be said twice.
        let tell = async |node: &ClusterNode, words: &[&str]| {
            wait_until("a node does what it is told", STORE_LIMIT, async || {
                node.ask::<()>(words).await.is_ok()
            })
            .await;
        };
        let set = async |node: &ClusterNode, what: &str, id: &str| {
            tell(node, &["CLUSTER", "SETSLOT", &slot, what, id]).await;
        };
        set(to, "IMPORTING", &from.id).await;
        set(from, "MIGRATING", &to.id).await;
        let port = to.redis.port().number().to_string();
        loop {
            let mut keys = Vec::<String>::new();
            wait_until("a node tells its keys", STORE_LIMIT, async || {
                let found = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "3"]).await;
                found.map(|found| keys = found).is_ok()
            })
            .await;
            if keys.is_empty() {
                break;
            }
            // One that was not answered in time may have been done.
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "REPLACE", "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            tell(from, &migrate).await;
            // So that calls come in between.
            sleep(Duration::from_millis(20)).await;
        }
        // In this order: a slot is never nobody's.
        for node in [to, from].into_iter().chain(&self.nodes) {
            let is_primary = node
                .ask::<String>(&["INFO", "replication"])
                .await
                .is_ok_and(|info| info.contains("role:master"));
            if is_primary {
                set(node, "NODE", &to.id).await;
            }
        }
    }

    /// Cuts a node off from all other nodes, and not from the service.
    pub fn cut_off(&self, node: usize) {
        let lost = &self.nodes[node];
        let others = self.nodes.iter().enumerate().filter(|(n, _)| *n != node).map(|(_, node)| node);
        let sources: Vec<IpAddr> = others.clone().map(|node| node.source).collect();
        lost.bus.refuse_from(sources.clone());
        lost.clients.refuse_from(sources);
        for other in others {
            other.bus.refuse_from(vec![lost.source]);
            other.clients.refuse_from(vec![lost.source]);
        }
    }

    /// A first primary's replica hears no more of what it writes, though the nodes hear of each other.
    pub fn cut_replica_off(&self, primary: usize) {
        let replica = self.nodes[primary + PRIMARIES].source;
        self.nodes[primary].clients.refuse_from(vec![replica]);
    }

    /// Ends [`Self::cut_off`].
    pub fn heal(&self) {
        for node in &self.nodes {
            node.bus.refuse_from(Vec::new());
            node.clients.refuse_from(Vec::new());
        }
    }
}

impl ClusterNode {
    async fn start(n: usize, more: &str) -> Self {
        for _ in 0..START_ATTEMPTS_MAX {
            if let Some(node) = Self::try_start(n, more).await {
                return node;
            }
        }
        panic!("a node of a cluster does not start");
    }

    async fn try_start(n: usize, more: &str) -> Option<Self> {
        let (port, bus_port, source) = (Port::take(), Port::take(), IpAddr::from([127, 0, 1, n as u8 + 1]));
        let (clients, bus) = tokio::join!(Proxy::start(port.address()), Proxy::start(bus_port.address()));
        let own = format!(
            "--cluster-port {} --cluster-announce-port {} --cluster-announce-bus-port {} --bind-source-addr {source}
             --cluster-node-timeout {}",
            bus_port.number(),
            clients.address().port(),
            bus.address().port(),
            NODE_TIMEOUT.as_millis()
        );
        let options = [words(OPTIONS), words(&own), words(more)].concat();
        let redis = Redis::try_start(port, Arc::default(), USER_OF_REPLICAS, options).await?;
        let id = redis.ask(&["CLUSTER", "MYID"]).await.unwrap();
        Some(Self { redis, clients, bus, source, id, _bus_port: bus_port })
    }

    /// A command.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        self.redis.ask(words).await
    }
}

async fn slot(node: &ClusterNode, event: &str) -> Option<i64> {
    node.ask(&["CLUSTER", "KEYSLOT", &format!("{{{event}}}")]).await.ok()
}

/// The id of a slot's primary.
fn primary_in(slots: &[Vec<Value>], slot: i64) -> Option<String> {
    slots.iter().find_map(|range| match &range[..] {
        [Value::Int(first), Value::Int(last), Value::Array(primary), ..]
            if (*first..=*last).contains(&slot) =>
        {
            String::from_redis_value(primary.get(2)?.clone()).ok()
        }
        _ => None,
    })
}
