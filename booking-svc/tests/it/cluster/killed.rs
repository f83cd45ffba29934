//! A primary of a cluster dies in the middle of a sale.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::sale::{FAILOVER_LAG, HOLD_TTL, Sale};
use crate::support::{
    STORE_LIMIT,
    calls::{reason, retry_after},
    redis::Cluster,
    wait_until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_costs_its_events_a_moment_and_the_others_nothing() {
    let cluster = Cluster::start("").await;
    let sale = Sale::on(&cluster, |_| {}).await;
    let victim = cluster.primary_of(&sale.events[0]).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        cluster.nodes[victim].redis.kill().await;
        let killed = Instant::now();
        // The others sell on while nobody has these slots.
        for event in &sale.events[1..] {
            sale.goes_on(event).await;
        }
        assert!(sale.replicas[0].healthy().await, "one shard of three is no reason to go out of service");
        wait_until("the replica takes over", STORE_LIMIT, async || {
            cluster.primary_of(&sale.events[0]).await != victim
        })
        .await;
        let mut cold = killed;
        wait_until("the event is rebuilt", STORE_LIMIT, async || {
            let asked = Instant::now();
            let states = sale.replicas[0].seat_states(&sale.events[0], 1).await;
            // Else it may be rebuilt, and only the answer is lacking.
            if states.as_ref().is_err_and(|status| reason(status) == "GATE_REBUILDING") {
                cold = asked;
            }
            states.is_ok()
        })
        .await;
        testkit::say(&format!("back {:?} after the kill", killed.elapsed()));
        let refused = loop {
            // A seat that is free: the last ones are asked for until one is.
            let seat = (killed.elapsed().as_millis() % 60) as u32;
            match sale.replicas[1].reserve(&sale.events[0], "new", &format!("r{seat}"), &[seat]).await {
                Err(status) if reason(&status) == "GATE_REBUILDING" => break status,
                Err(_) => sleep(Duration::from_millis(20)).await,
                Ok(held) => panic!("a newcomer got a seat that a lost hold may have: {held:?}"),
            }
        };
        assert!(retry_after(&refused).is_some_and(|wait| wait <= HOLD_TTL + FAILOVER_LAG));
        sale.goes_on_everywhere().await;
        let waited = sale.first_granted(&sale.events[0], cold).unwrap() - cold;
        assert!(waited >= HOLD_TTL + FAILOVER_LAG, "newcomers wait for holds of before; not {waited:?}");
    };
    sale.during(faults).await;
    sale.agrees_with(&cluster).await;
}
