//! A node that may have forgotten votes does not count for as long as a hold may last.

use std::time::{Duration, Instant};

use booking_svc::{domain::Epoch, gate::Granted};
use tokio::time::sleep;

use super::nodes::{Nodes, grant, hold, refused};
use crate::support::{STORE_LIMIT, wait_until};

const TTL: Duration = Duration::from_secs(2);
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_node_that_was_restarted_empty_does_not_count_for_one_hold_time_and_counts_then() {
    let (nodes, gate) = Nodes::start(3, TTL).await;
    let (_, others) = nodes.carrier().await;
    nodes.masters.nodes[others[0]].redis.kill().await;
    nodes.masters.nodes[others[1]].redis.restart_empty().await;
    let restarted = Instant::now();
    let mut tries = 0;
    let counted = loop {
        match grant(&gate, &format!("c{tries}"), &[tries]).await {
            Ok(Granted::New(_)) => break restarted.elapsed(),
            Ok(other) => panic!("{other:?}"),
            refusal => refused(&refusal),
        }
        assert!(restarted.elapsed() < STORE_LIMIT, "it never counts again");
        tries += 1;
        sleep(Duration::from_millis(20)).await;
    };
    assert!(counted >= TTL, "a majority with a node that forgot, after {counted:?}");
}

#[tokio::test]
async fn a_carrier_that_is_back_with_its_gate_of_before_counts_after_one_hold_time() {
    let (nodes, gate) = Nodes::start(3, TTL).await;
    let (carrier, others) = nodes.carrier().await;
    let redis = |node: usize| &nodes.masters.nodes[node].redis;
    redis(carrier).kill().await;
    nodes.take_over(&gate, Epoch(2)).await;
    assert_eq!(nodes.carrier().await.0, others[0]);
    redis(carrier).restart().await;
    redis(others[1]).pause();
    let mut tries = 0;
    wait_until("it counts for a grant", STORE_LIMIT, async || {
        tries += 1;
        matches!(grant(&gate, &format!("c{tries}"), &[tries]).await, Ok(Granted::New(_)))
    })
    .await;
    redis(others[1]).resume();
    redis(others[0]).kill().await;
    assert!(nodes.take_over(&gate, Epoch(3)).await.by_majority, "so it does for a takeover");
}

#[tokio::test]
async fn a_takeover_does_not_rely_on_what_was_restarted() {
    let (nodes, gate) = Nodes::start(5, LONG).await;
    let (carrier, others) = nodes.carrier().await;
    // Nobody else has it: these two and the carrier are the majority.
    others[2..].iter().for_each(|node| nodes.masters.nodes[*node].redis.pause());
    hold(&gate, "ann", &[1]).await;
    others[2..].iter().for_each(|node| nodes.masters.nodes[*node].redis.resume());
    for node in &others[..2] {
        nodes.masters.nodes[*node].redis.restart_empty().await;
    }
    nodes.masters.nodes[carrier].redis.kill().await;
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    assert!(!rebuilt.by_majority, "two of four do not count: newcomers have to wait out what may be lost");
}

#[tokio::test]
async fn a_node_that_lost_a_part_or_can_not_be_read_does_not_count() {
    let (nodes, gate) = Nodes::start(3, LONG).await;
    let (carrier, others) = nodes.carrier().await;
    nodes.masters.nodes[others[1]].redis.kill().await;
    let () = nodes.ask(carrier, &["DEL", "test:{rock}:1:customers"]).await;
    assert!(!nodes.take_over(&gate, Epoch(2)).await.by_majority, "a part of its gate is gone");
    assert!(nodes.take_over(&gate, Epoch(3)).await.by_majority, "the next gate is whole");
    nodes.put_lock(others[0], "1.5", 5, LONG).await;
    let () = nodes.ask(others[0], &["HSET", "test:{rock}:locks", "1.5", "99999999999999 1 torn"]).await;
    assert!(!nodes.take_over(&gate, Epoch(4)).await.by_majority, "nobody knows whose lock that is");
}

#[tokio::test]
async fn a_carrier_that_was_restarted_hands_over_to_one_that_was_not() {
    let (nodes, gate) = Nodes::start(3, LONG).await;
    let (carrier, others) = nodes.carrier().await;
    let held = hold(&gate, "ann", &[1]).await;
    nodes.masters.nodes[carrier].redis.restart_empty().await;
    wait_until("it is noticed", STORE_LIMIT, async || {
        matches!(grant(&gate, "bob", &[2]).await, Err(booking_svc::gate::Error::Cold(_)))
    })
    .await;
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    assert!(rebuilt.by_majority);
    assert_eq!(nodes.carrier().await.0, others[0]);
    assert_eq!(rebuilt.live[0].id, held.reservation.id);
    hold(&gate, "bob", &[2]).await;
}
