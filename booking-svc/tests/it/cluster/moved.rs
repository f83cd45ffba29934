//! Slots move from node to node in the middle of a sale.

use std::time::Instant;

use booking_svc::gate::Error;

use super::sale::{FAILOVER_LAG, HOLD_TTL, Sale};
use crate::{
    gate::house::House,
    support::redis::{Cluster, PATIENT},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_move_under_load_and_nobody_loses_a_hold() {
    let cluster = Cluster::start(PATIENT).await;
    let sale = Sale::on(&cluster, |_| {}).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        let moved = Instant::now();
        cluster.move_slot(&sale.events[0], 1).await;
        cluster.move_slot(&sale.events[1], 2).await;
        testkit::say(&format!("moved within {:?}", moved.elapsed()));
        // Those that moved wait for holds that may have been lost.
        sale.goes_on_everywhere().await;
        assert!(moved.elapsed() > HOLD_TTL + FAILOVER_LAG);
        testkit::say(&format!("all sells again {:?} after the moves", moved.elapsed()));
    };
    sale.during(faults).await;
    assert_eq!(
        (cluster.primary_of(&sale.events[0]).await, cluster.primary_of(&sale.events[1]).await),
        (1, 2)
    );
    sale.agrees_with(&cluster).await;
    let mut epochs = Vec::new();
    for event in &sale.events {
        let node = &cluster.nodes[cluster.primary_of(event).await];
        epochs.push(node.ask::<u64>(&["HGET", &format!("te:{{{event}}}:meta"), "epoch"]).await.unwrap());
    }
    assert!(
        epochs[0] > 1 && epochs[1] > 1 && epochs[2] == 1,
        "an event that stays is not rebuilt: {epochs:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_follows_its_event_and_finds_it_cold() {
    let cluster = Cluster::start(PATIENT).await;
    let house = House::open_at(&cluster.url(), "rock", 100).await;
    house.hold("ann", &[1]).await;
    for step in 1..3 {
        let to = (cluster.primary_of("rock").await + 1) % 3;
        cluster.move_slot("rock", to).await;
        let alive = house.gate.alive(house.id()).await;
        assert_eq!(alive, Err(Error::Cold("incarnation".into())), "move {step}");
    }
}
