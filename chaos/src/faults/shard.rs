//! Faults of the shard of a Redis Cluster that has the event.

use testkit::{STORE_LIMIT, redis::Cluster, wait_until};
use tokio::time::sleep;

use super::{Kind, schedule::Planned};

pub(super) async fn strike(cluster: &Cluster, fault: &Planned, event: &str) {
    // All ran before: else nobody could take over.
    cluster.wait_until_whole().await;
    let primary = cluster.primary_of(event).await;
    let redis = &cluster.nodes[primary].redis;
    match fault.kind {
        Kind::ShardFailedOver => {
            redis.kill().await;
            replaced(cluster, event, primary).await;
            sleep(fault.lasts).await;
            redis.restart().await;
        }
        Kind::ShardRestarted => {
            redis.kill().await;
            sleep(fault.lasts).await;
            redis.restart().await;
        }
        Kind::ShardOldPrimary => {
            redis.pause();
            replaced(cluster, event, primary).await;
            sleep(fault.lasts).await;
            redis.resume();
        }
        Kind::ShardCutOff => {
            cluster.cut_off(primary);
            replaced(cluster, event, primary).await;
            sleep(fault.lasts).await;
            cluster.heal();
        }
        Kind::ShardMoved => {
            let to = cluster.another_primary(event, fault.dice).await;
            cluster.move_slot(event, to).await;
        }
        _ => {
            let replica = &cluster.nodes[Cluster::partner_of(primary)].redis;
            replica.kill().await;
            sleep(fault.lasts).await;
            replica.restart().await;
        }
    }
}

/// Waits until another node has the event.
async fn replaced(cluster: &Cluster, event: &str, primary: usize) {
    wait_until("a replica takes over", STORE_LIMIT, async || cluster.primary_of(event).await != primary)
        .await;
}
