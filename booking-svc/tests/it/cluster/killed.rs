//! A primary of a cluster dies in the middle of a sale.

use std::time::{Duration, Instant};

use super::sale::{FAILOVER_LAG, HOLD_TTL, Sale};
use crate::support::{STORE_LIMIT, redis::Cluster, wait_until};

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
        // When nobody had taken over yet, as nobody does within a second: what is granted later, the next one grants.
        let mut cold = killed + Duration::from_secs(1);
        wait_until("the replica takes over", STORE_LIMIT, async || {
            let asked = Instant::now();
            let replaced = cluster.primary_of(&sale.events[0]).await != victim;
            if !replaced {
                cold = cold.max(asked);
            }
            replaced
        })
        .await;
        wait_until("the event is rebuilt", STORE_LIMIT, async || {
            sale.replicas[0].seat_states(&sale.events[0], 1).await.is_ok()
        })
        .await;
        testkit::say(&format!("back {:?} after the kill", killed.elapsed()));
        sale.goes_on_everywhere().await;
        let waited = sale.first_granted(&sale.events[0], cold).unwrap() - cold;
        assert!(waited >= HOLD_TTL + FAILOVER_LAG, "newcomers wait for holds of before; not {waited:?}");
    };
    sale.during(faults).await;
    sale.agrees_with(&cluster).await;
}
