//! A primary of a cluster is cut off from the other nodes, and not from the service: two answer for the same slots.

use std::time::Instant;

use super::sale::Sale;
use crate::support::{STORE_LIMIT, redis::Cluster, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hold_is_lost_between_a_primary_that_was_cut_off_and_the_next() {
    let cluster = Cluster::start("").await;
    let sale = Sale::on(&cluster, |_| {}).await;
    let victim = cluster.primary_of(&sale.events[0]).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        cluster.cut_off(victim);
        let cut = Instant::now();
        wait_until("another node takes over", STORE_LIMIT, async || {
            cluster.primary_of(&sale.events[0]).await != victim
        })
        .await;
        testkit::say(&format!("another took over {:?} after the cut", cut.elapsed()));
        sale.goes_on_everywhere().await;
        testkit::say(&format!("all sells again {:?} after the cut", cut.elapsed()));
        cluster.heal();
        cluster.wait_until_whole().await;
        sale.goes_on_everywhere().await;
    };
    sale.during(faults).await;
    sale.agrees_with(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_frozen_grants_nothing_when_it_wakes() {
    let cluster = Cluster::start("").await;
    let sale = Sale::on(&cluster, |_| {}).await;
    let victim = cluster.primary_of(&sale.events[0]).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        cluster.nodes[victim].redis.pause();
        wait_until("another node takes over", STORE_LIMIT, async || {
            cluster.primary_of(&sale.events[0]).await != victim
        })
        .await;
        sale.goes_on(&sale.events[0]).await;
        cluster.nodes[victim].redis.resume();
        cluster.wait_until_whole().await;
        sale.goes_on_everywhere().await;
    };
    sale.during(faults).await;
    sale.agrees_with(&cluster).await;
}
