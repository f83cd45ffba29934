//! Clocks that are set, and nodes that sleep: nobody gets a seat that another was promised.

use std::time::{Duration, Instant};

use booking_svc::{
    domain::Epoch,
    gate::{Gate, Granted},
};
use tokio::time::sleep;

use super::nodes::{Nodes, grant, hold, is_held, refused};
use crate::support::{STORE_LIMIT, wait_until};

const HOUR_MS: i64 = 3_600_000;
const TTL: Duration = Duration::from_secs(4);

/// Asks for a seat until somebody gets it; how long after `began` that was.
async fn next_owner(gate: &Gate, seat: u32, began: Instant) -> Duration {
    for n in 0.. {
        // Each wants it for himself: what a repeat finds is not asked.
        if let Ok(Granted::New(_)) = grant(gate, &format!("n{n}"), &[seat]).await {
            break;
        }
        assert!(began.elapsed() < STORE_LIMIT, "nobody gets the seat any more");
        sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn the_carriers_clock_is_set_forward_and_its_holds_have_no_second_owner() {
    let (nodes, gate) = Nodes::start(5, TTL).await;
    let (carrier, _) = nodes.carrier().await;
    let began = Instant::now();
    let held = hold(&gate, "ann", &[1]).await;
    nodes.everywhere(&gate, &held).await;
    nodes.masters.nodes[carrier].clock.set_ahead_ms(HOUR_MS);
    let next = next_owner(&gate, 1, began).await;
    assert!(next >= TTL, "a second owner after {next:?}");
}

#[tokio::test]
async fn the_clock_of_another_node_is_set_forward_and_nothing_happens() {
    let (nodes, gate) = Nodes::start(5, Duration::from_secs(8)).await;
    let (_, others) = nodes.carrier().await;
    let began = Instant::now();
    let held = hold(&gate, "ann", &[1]).await;
    nodes.masters.nodes[others[0]].clock.set_ahead_ms(HOUR_MS);
    let later = hold(&gate, "eve", &[2]).await;
    nodes.everywhere(&gate, &later).await;
    assert!(next_owner(&gate, 1, began).await >= Duration::from_secs(8));
    assert!(!is_held(&gate, &held).await);
}

#[tokio::test]
async fn a_takeover_to_a_node_with_another_time_keeps_what_is_left_of_each_hold() {
    for ahead_ms in [HOUR_MS, -HOUR_MS] {
        let (nodes, _) = Nodes::start(3, TTL).await;
        let (carrier, others) = nodes.carrier().await;
        nodes.masters.nodes[others[0]].clock.set_ahead_ms(ahead_ms);
        // One that has not seen it set.
        let (gate, _tasks) = nodes.gate().await;
        let began = Instant::now();
        let held = hold(&gate, "ann", &[1]).await;
        nodes.masters.nodes[carrier].redis.kill().await;
        assert!(nodes.take_over(&gate, Epoch(2)).await.by_majority);
        assert_eq!(nodes.carrier().await.0, others[0]);
        assert!(is_held(&gate, &held).await || began.elapsed() > TTL);
        let next = next_owner(&gate, 1, began).await;
        // The clocks differ by an hour, and the hold is not told by it.
        assert!(next >= TTL && next < STORE_LIMIT, "{next:?} at {ahead_ms}");
    }
}

#[tokio::test]
async fn a_hold_that_a_wrong_clock_ended_is_back_after_a_takeover() {
    let (nodes, gate) = Nodes::start(5, Duration::from_secs(60)).await;
    let (carrier, _) = nodes.carrier().await;
    let held = hold(&gate, "ann", &[1]).await;
    nodes.everywhere(&gate, &held).await;
    nodes.masters.nodes[carrier].clock.set_ahead_ms(HOUR_MS);
    assert!(grant(&gate, "bob", &[1]).await.is_err(), "the carrier has given it away, the others have not");
    nodes.masters.nodes[carrier].clock.set_ahead_ms(0);
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    let owner = rebuilt.live.iter().find(|hold| hold.seats.iter().any(|seat| seat.0 == 1)).unwrap();
    assert_eq!(owner.id, held.reservation.id, "who was acknowledged");
}

#[tokio::test]
async fn a_node_whose_clock_was_set_forward_does_not_count_for_a_takeover() {
    let (nodes, gate) = Nodes::start(3, Duration::from_secs(60)).await;
    let (_, others) = nodes.carrier().await;
    let held = hold(&gate, "ann", &[1]).await;
    nodes.everywhere(&gate, &held).await;
    // Its locks are over now, and it knows of nothing that it has forgotten.
    nodes.masters.nodes[others[0]].clock.set_ahead_ms(HOUR_MS);
    nodes.masters.nodes[others[1]].redis.kill().await;
    assert!(!nodes.take_over(&gate, Epoch(2)).await.by_majority);
    nodes.masters.nodes[others[0]].clock.set_ahead_ms(0);
    assert!(!nodes.take_over(&gate, Epoch(3)).await.by_majority, "that does not bring its locks back");
}

#[tokio::test]
async fn a_lock_that_a_clock_cut_short_is_asked_for_again() {
    let (nodes, gate) = Nodes::start(3, Duration::from_secs(60)).await;
    let (_, others) = nodes.carrier().await;
    nodes.masters.nodes[others[1]].redis.kill().await;
    let voter = &nodes.masters.nodes[others[0]];
    voter.redis.pause();
    voter.clock.set_ahead_ms(30_000);
    // A look waits for the clock by then: it hears of it first, and the lock still goes by what was known before.
    sleep(Duration::from_millis(300)).await;
    let wakes = async {
        sleep(Duration::from_millis(50)).await;
        voter.redis.resume();
    };
    tokio::join!(hold(&gate, "ann", &[1]), wakes);
    let left = nodes.locked_until(others[0], 1).await.unwrap().after(nodes.now(others[0]).await);
    assert!(
        left > Duration::from_secs(50),
        "{left:?}: the node would forget a hold that it is relied on for"
    );
}

#[tokio::test]
async fn a_majority_that_answers_when_the_hold_is_over_acknowledges_nothing() {
    let (nodes, gate) = Nodes::start(3, Duration::from_millis(100)).await;
    let (_, others) = nodes.carrier().await;
    for node in others.iter().map(|node| &nodes.masters.nodes[*node]) {
        node.redis.pause();
        // By its clock there is time enough.
        node.clock.set_ahead_ms(-HOUR_MS);
    }
    let wake = async {
        sleep(Duration::from_millis(150)).await;
        others.iter().for_each(|node| nodes.masters.nodes[*node].redis.resume());
    };
    let (answer, ()) = tokio::join!(grant(&gate, "ann", &[1]), wake);
    refused(&answer);
}

#[tokio::test]
async fn nodes_that_slept_through_a_hold_stand_in_nobodys_way() {
    let ttl = Duration::from_secs(2);
    let (nodes, gate) = Nodes::start(5, ttl).await;
    let (_, others) = nodes.carrier().await;
    let asleep = &others[..2];
    asleep.iter().for_each(|node| nodes.masters.nodes[*node].redis.pause());
    let held = hold(&gate, "ann", &[1]).await;
    sleep(ttl + Duration::from_millis(500)).await;
    asleep.iter().for_each(|node| nodes.masters.nodes[*node].redis.resume());
    // What waited in their queues is too late. Were it not, no majority could have the seat for another hold time.
    others[2..].iter().for_each(|node| nodes.masters.nodes[*node].redis.pause());
    let mut seat = 50;
    wait_until("they vote again", STORE_LIMIT, async || {
        seat += 1;
        matches!(grant(&gate, "eve", &[seat]).await, Ok(Granted::New(_)))
    })
    .await;
    for node in asleep {
        let ends = nodes.locked_until(*node, 1).await;
        let latest = held.reservation.deadline + Duration::from_secs(1);
        assert!(
            ends.is_none_or(|ends| ends < latest),
            "{ends:?} on {node}: it locks for longer than it was to"
        );
    }
    hold(&gate, "bob", &[1]).await;
    others[2..].iter().for_each(|node| nodes.masters.nodes[*node].redis.resume());
}
