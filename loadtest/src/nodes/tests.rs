use redis::cmd;
use testkit::{
    STORE_LIMIT,
    redis::{Cluster, Masters, PATIENT, Redis, Replicated},
    wait_until,
};

use super::*;

/// Where the manual has the auditor's user of Redis.
const MANUAL: &str = include_str!("../../../docs/operations.md");
const EVENTS: usize = 8;

/// At a server: who may do only what the manual grants an auditor.
pub(crate) async fn enrol_auditor(redis: &Redis) {
    let line = MANUAL.lines().find_map(|line| line.strip_prefix("user auditor on ")).unwrap();
    let rights = line.replace("#PASSWORD_SHA256", ">pw");
    let words: Vec<&str> = ["ACL", "SETUSER", "auditor", "on"].into_iter().chain(rights.split(' ')).collect();
    redis.ask::<()>(&words).await.unwrap();
}

pub(crate) fn stores(scheme: &str, servers: &[&Redis]) -> Stores {
    let addresses: Vec<_> = servers.iter().map(|redis| redis.port().address().to_string()).collect();
    let redis_url = format!("{scheme}://auditor:pw@{}", addresses.join(","));
    Stores { redis_url, database_url: String::new(), key_prefix: "te".into() }
}

/// The epoch that stands at the server which is found.
async fn epoch_of(stores: &Stores, event: &str) -> Result<Option<u64>, Error> {
    let nodes = Nodes::new(stores).unwrap();
    nodes.of(event).await?.ask(cmd("HGET").arg(nodes.key(event, "meta")).arg("epoch")).await
}

async fn set(redis: &Redis, event: &str, key: &str, fields: &[&str]) {
    let key = format!("te:{{{event}}}:{key}");
    let words: Vec<&str> = ["HSET", &key].into_iter().chain(fields.iter().copied()).collect();
    redis.ask::<()>(&words).await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_asked_at_any_of_its_servers() {
    let cluster = Cluster::start(PATIENT).await;
    let servers: Vec<&Redis> = cluster.nodes.iter().map(|node| &node.redis).collect();
    for redis in &servers {
        enrol_auditor(redis).await;
    }
    let events: Vec<String> = (0..EVENTS).map(|number| format!("e{number}")).collect();
    let mut owners = Vec::new();
    for (number, event) in events.iter().enumerate() {
        owners.push(cluster.primary_of(event).await);
        set(servers[owners[number]], event, "meta", &["epoch", &number.to_string()]).await;
    }
    assert!(owners.iter().any(|owner| *owner != owners[0]), "all events are on one server");
    for &server in &servers {
        for (number, event) in (0..).zip(&events) {
            let found = epoch_of(&stores("redis-cluster", &[server]), event).await;
            assert_eq!(found.unwrap(), Some(number), "{event}");
        }
    }

    let to = (owners[0] + 1) % 3;
    cluster.move_slot(&events[0], to).await;
    assert_eq!(epoch_of(&stores("redis-cluster", &servers), &events[0]).await.unwrap(), Some(0));
    servers[to].kill().await;
    // One that is down is no matter while others know who has an event, unless it is the one that has it.
    let (dead, all) = (servers[to].port().address().to_string(), [servers[to], servers[owners[0]]]);
    let last = owners.iter().rposition(|owner| *owner != to).unwrap();
    assert_ne!(last, 0, "the one that moved");
    assert_eq!(epoch_of(&stores("redis-cluster", &all), &events[last]).await.unwrap(), Some(last as u64));
    let lost = epoch_of(&stores("redis-cluster", &all), &events[0]).await.unwrap_err().to_string();
    assert!(lost.starts_with("the gate (Redis) at 127.0.0.1:"), "{lost}");
    let none = epoch_of(&stores("redis-cluster", &[servers[to]]), &events[0]).await.unwrap_err().to_string();
    assert!(none.starts_with(&format!("the gate (Redis) at {dead}: ")), "{none}");
}

#[tokio::test]
async fn the_carrier_of_redlock_is_who_has_the_latest_gate() {
    let masters = Masters::start(3).await;
    let servers: Vec<&Redis> = masters.nodes.iter().map(|node| &node.redis).collect();
    let name = |node: usize| servers[node].port().address().to_string();
    for redis in &servers {
        enrol_auditor(redis).await;
        set(redis, "e", "vote", &["epoch", "1", "carrier", &name(0)]).await;
    }
    let stores = stores("redlock", &servers);
    let nothing = epoch_of(&stores, "other").await.unwrap_err();
    assert!(matches!(&nothing, Error::GateCold(_, why) if why == UNKNOWN), "{nothing}");
    set(servers[0], "e", "meta", &["epoch", "1"]).await;
    assert_eq!(epoch_of(&stores, "e").await.unwrap(), Some(1));

    // The second takes over while the first is out of reach; what that had is there when it comes back.
    for node in [1, 2] {
        set(servers[node], "e", "vote", &["epoch", "2", "carrier", &name(1)]).await;
    }
    set(servers[1], "e", "meta", &["frozen", "2"]).await;
    let early = epoch_of(&stores, "e").await.unwrap_err().to_string();
    assert!(early.contains(&format!("epoch 2, {},", name(1))), "{early}");
    servers[1].ask::<()>(&["DEL", "te:{e}:meta"]).await.unwrap();
    set(servers[1], "e", "meta", &["epoch", "2"]).await;
    assert_eq!(epoch_of(&stores, "e").await.unwrap(), Some(2));
    assert_eq!(Nodes::new(&stores).unwrap().keepers("e").await.unwrap().len(), 3);

    // A carrier that is away is told by its name; its old gate does not stand in for it.
    servers[1].kill().await;
    let lost = epoch_of(&stores, "e").await.unwrap_err().to_string();
    assert!(lost.contains(&format!("epoch 2, {},", name(1))), "{lost}");
    assert!(lost.contains(&format!("no answer from {}: ", name(1))), "{lost}");
    // The one that is left has not heard of the takeover.
    servers[2].kill().await;
    let minority = epoch_of(&stores, "e").await.unwrap_err().to_string();
    assert!(minority.contains("1 of 3 servers answer") && minority.contains(&name(2)), "{minority}");
}

#[tokio::test]
async fn the_primary_is_whom_the_sentinels_name() {
    let set_of = Replicated::start(3, "").await;
    for (number, redis) in set_of.nodes.iter().enumerate() {
        enrol_auditor(redis).await;
        if number == 0 {
            set(redis, "e", "meta", &["epoch", "7"]).await;
        }
    }
    let url = set_of.url().replace("ticketengine:test@", "auditor:pw@");
    let stores = Stores { redis_url: url.clone(), database_url: String::new(), key_prefix: "te".into() };
    assert_eq!(epoch_of(&stores, "e").await.unwrap(), Some(7));
    let stranger = Stores { redis_url: url.replace("/tickets", "/others"), ..stores.clone() };
    assert!(matches!(epoch_of(&stranger, "e").await, Err(Error::GatePrimary(name)) if name == "others"));

    wait_until("the replica has it", STORE_LIMIT, async || {
        set_of.nodes[1].ask::<bool>(&["EXISTS", "te:{e}:meta"]).await.unwrap()
    })
    .await;
    set_of.nodes[0].kill().await;
    let lost = epoch_of(&stores, "e").await.unwrap_err().to_string();
    assert!(lost.contains(&set_of.nodes[0].port().address().to_string()), "{lost}");
    wait_until("the Sentinels name the other one", STORE_LIMIT, async || {
        matches!(epoch_of(&stores, "e").await, Ok(Some(7)))
    })
    .await;
}
