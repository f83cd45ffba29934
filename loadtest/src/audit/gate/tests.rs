use testkit::redis::{Masters, Redis};

use super::*;
use crate::nodes::tests::{enrol_auditor, stores};

/// The gate of event e in an epoch, whole, with so many changes.
async fn write_gate(redis: &Redis, epoch: u64, version: u64) {
    let info = redis.info("all").await;
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let incarnation = format!("{}/{}", field("run_id:"), field("master_replid2:"));
    let key = |name: &str| format!("te:{{e}}:{epoch}:{name}");
    let (epoch, version) = (epoch.to_string(), version.to_string());
    for command in [
        vec!["HSET", "te:{e}:meta", "epoch", &epoch, "incarnation", &incarnation],
        vec!["HSET", &key("seats"), "v", &version, "3", "B"],
        vec!["SET", &key("map"), "\u{3}"],
        vec!["HSET", &key("reservations"), "", "1"],
        vec!["HSET", &key("customers"), "", "1"],
        vec!["ZADD", &key("expiry"), "+inf", ""],
    ] {
        redis.ask::<()>(&command).await.unwrap();
    }
}

#[tokio::test]
async fn the_gate_is_read_at_the_server_that_carries_the_event() {
    let masters = Masters::start(3).await;
    let servers: Vec<&Redis> = masters.nodes.iter().map(|node| &node.redis).collect();
    for redis in &servers {
        enrol_auditor(redis).await;
    }
    let reader = Reader::new(&stores("redlock", &servers)).unwrap();
    write_gate(servers[2], 1, 40).await;
    assert_eq!(reader.read("e").await.unwrap().version, 40);
    write_gate(servers[0], 2, 7).await;
    let gate = reader.read("e").await.unwrap();
    assert_eq!((gate.epoch, gate.version, gate.seats.get(&3)), (2, 7, Some(&Seat::Blocked)));
    assert_eq!((gate.map, gate.unreadable), (vec![3], Vec::<String>::new()));
}
