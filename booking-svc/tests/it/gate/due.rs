//! What gets due, without a sweep.

use std::time::Duration;

use booking_svc::domain::{Epoch, EventId};
use tokio::time::sleep;

use super::house::House;
use crate::support::redis::Redis;

async fn all_due(house: &House, events: &[(EventId, Epoch)]) -> Vec<Option<Duration>> {
    let shard = house.gate.shards().now().remove(0);
    house.gate.next_due(&shard, events).await.unwrap()
}

async fn next_due(house: &House) -> Option<Duration> {
    all_due(house, &[(house.id().clone(), Epoch(1))]).await[0]
}

#[tokio::test]
async fn what_gets_due_is_told_and_what_is_not_well_is_left_to_a_sweep() {
    let redis = Redis::start().await;
    let mut house = House::open(&redis, "rock", 100).await;
    house.set_hold_ttl(Duration::from_secs(2)).await;
    assert_eq!(next_due(&house).await, Some(Duration::MAX));
    house.hold("ann", &[1]).await;
    let due = next_due(&house).await.unwrap();
    assert!(due > Duration::from_secs(1) && due <= Duration::from_secs(2), "{due:?}");
    sleep(due).await;
    assert_eq!(next_due(&house).await, Some(Duration::ZERO));

    let unknown = "jazz".parse().unwrap();
    let both = all_due(&house, &[(unknown, Epoch(1)), (house.id().clone(), Epoch(1))]).await;
    assert_eq!(both, [None, Some(Duration::ZERO)]);

    let raised = all_due(&house, &[(house.id().clone(), Epoch(2))]).await;
    assert_eq!(raised, [None], "the vault is of a later epoch");

    let mut client = redis.client().await;
    let frozen = redis::cmd("HSET").arg("test:{rock}:meta").arg("frozen").arg("2").clone();
    let thawed = redis::cmd("HDEL").arg("test:{rock}:meta").arg("frozen").clone();
    let other = redis::cmd("HSET").arg("test:{rock}:meta").arg("incarnation").arg("another").clone();
    let () = frozen.query_async(&mut client).await.unwrap();
    assert_eq!(next_due(&house).await, None, "frozen");
    let () = thawed.query_async(&mut client).await.unwrap();
    assert_eq!(next_due(&house).await, Some(Duration::ZERO));
    let () = other.query_async(&mut client).await.unwrap();
    assert_eq!(next_due(&house).await, None, "another Redis");
}

#[tokio::test]
async fn another_epoch_and_a_lost_key_are_left_to_a_sweep() {
    let redis = Redis::start().await;
    let house = House::open(&redis, "rock", 100).await;
    house.hold("ann", &[1]).await;
    let mut client = redis.client().await;
    let () = redis::cmd("DEL").arg("test:{rock}:1:expiry").query_async(&mut client).await.unwrap();
    assert_eq!(next_due(&house).await, None, "lost");
    let () = redis::cmd("SET").arg("test:{rock}:1:expiry").arg("x").query_async(&mut client).await.unwrap();
    assert_eq!(next_due(&house).await, None, "damaged");

    let mut client = redis.client().await;
    let stale = House::open(&redis, "jazz", 100).await;
    stale.hold("ann", &[1]).await;
    let () = redis::cmd("HSET")
        .arg("test:{jazz}:meta")
        .arg("epoch")
        .arg("2")
        .query_async(&mut client)
        .await
        .unwrap();
    assert_eq!(next_due(&stale).await, None);
}
