//! The carrier is gone, and another takes over with all that was acknowledged.

use std::time::Duration;

use booking_svc::{
    domain::{Epoch, ReservationState},
    gate::{Error, Frozen},
};
use tokio::time::sleep;

use super::nodes::{Nodes, PREFIX, extend, grant, hold, is_held, refused, taken};
use crate::support::{STORE_LIMIT, wait_until};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn two_die_with_the_carrier_and_every_hold_lives_on() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let (carrier, others) = nodes.carrier().await;
    let mut holds = Vec::new();
    for seat in 0..40 {
        // Whom each has is left to chance: one node at a time is deaf.
        let deaf = &nodes.masters.nodes[others[seat as usize % 4]].redis;
        deaf.pause();
        holds.push(hold(&gate, &format!("c{seat}"), &[seat]).await);
        deaf.resume();
    }
    let extended = extend(&gate, &holds[0]).await;
    let dies = |node: usize| nodes.masters.nodes[node].redis.kill();
    tokio::join!(dies(carrier), dies(others[1]));
    wait_until("the carrier is given up", STORE_LIMIT, async || {
        grant(&gate, "new", &[90]).await == Err(Error::Cold("carrier".into()))
    })
    .await;
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    assert!(rebuilt.by_majority, "nothing can be missing, so nobody waits");
    assert_eq!(rebuilt.live.len(), 40);
    assert_eq!(nodes.carrier().await.0, others[0], "the next one");
    for held in &holds {
        assert!(is_held(&gate, held).await, "{held:?}");
        let found = gate.get(&held.reservation.id, None).await.unwrap().unwrap().reservation;
        assert!(found.deadline >= held.reservation.deadline, "not a moment less than was promised");
        assert_eq!(
            (found.customer, found.seats),
            (held.reservation.customer.clone(), held.reservation.seats.clone())
        );
    }
    let first = gate.get(&holds[0].reservation.id, None).await.unwrap().unwrap().reservation;
    assert!(first.deadline >= extended.reservation.deadline, "nor of the extension");
    hold(&gate, "new", &[90]).await;
    wait_until("all that are left have the survivors", STORE_LIMIT, async || {
        nodes.locked_on(&holds[3]).await == others[2..]
    })
    .await;
    assert_eq!(
        hold(&gate, "c7", &[7]).await.reservation.id,
        holds[7].reservation.id,
        "a repeat finds its hold"
    );
    taken(&gate, "bob", 7).await;
}

#[tokio::test]
async fn a_takeover_needs_a_majority() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let held = hold(&gate, "ann", &[1]).await;
    nodes.everywhere(&gate, &held).await;
    let (carrier, others) = nodes.carrier().await;
    for node in [carrier, others[0], others[1]] {
        nodes.masters.nodes[node].redis.kill().await;
    }
    sleep(Duration::from_secs(3)).await;
    assert!(matches!(nodes.rebuild(&gate, Epoch(2)).await, Err(Error::Unavailable(_))));
    assert!(
        matches!(grant(&gate, "bob", &[2]).await, Err(Error::Unavailable(_))),
        "cold would call for a rebuild"
    );
    nodes.masters.nodes[others[0]].redis.restart().await;
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    assert!(!rebuilt.by_majority, "a node that was restarted may have forgotten something");
    assert_eq!(rebuilt.live.len(), 1, "and yet two remember");
}

/// It can grant as long as it lives, but it is not believed.
#[tokio::test]
async fn a_carrier_that_was_cut_off_acknowledges_nothing() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let (stale, tasks) = nodes.gate().await;
    let held = hold(&stale, "ann", &[1]).await;
    tasks.stop(Duration::ZERO).await;
    let (carrier, _) = nodes.carrier().await;
    nodes.masters.nodes[carrier].redis.pause();
    assert!(nodes.take_over(&gate, Epoch(2)).await.by_majority);
    nodes.masters.nodes[carrier].redis.resume();
    let other = hold(&gate, "eve", &[2]).await;

    // This replica has not heard of it, and its carrier has not either: it grants what another has.
    refused(&grant(&stale, "bob", &[2]).await);
    let old: String = nodes.ask(carrier, &["HGET", "test:{rock}:1:seats", "2"]).await;
    assert!(old.starts_with("H "), "the old carrier was asked: {old}");
    for held in [&held, &other] {
        assert!(is_held(&gate, held).await);
    }
    // The refusal has told it who carries the event now.
    taken(&stale, "bob", 2).await;
    hold(&stale, "bob", &[3]).await;
    // Its gate is dropped by the next takeover, and brings nothing back.
    let rebuilt = nodes.take_over(&gate, Epoch(3)).await;
    let customers: Vec<_> = rebuilt.live.iter().map(|hold| hold.customer.as_str()).collect();
    assert!(customers.contains(&"ann") && customers.contains(&"eve"), "{customers:?}");
    assert!(is_held(&gate, &other).await, "who was acknowledged has the seat");
}

#[tokio::test]
async fn a_takeover_that_is_overtaken_publishes_nothing() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let held = hold(&gate, "ann", &[1]).await;
    let slow = gate.rebuild(nodes.id()).await.unwrap().unwrap();
    let (carrier, _) = nodes.carrier().await;
    let Frozen::Old(_) = slow.freeze(Epoch(2), MINUTE).await.unwrap() else { panic!() };
    let () = nodes.ask(carrier, &["DEL", "test:{rock}:rebuild"]).await;
    assert_eq!(nodes.take_over(&gate, Epoch(3)).await.live.len(), 1);
    let late = gate.rebuild(nodes.id()).await.unwrap().unwrap();
    assert_eq!(late.freeze(Epoch(2), MINUTE).await, Ok(Frozen::Superseded(Epoch(3))));
    assert!(is_held(&gate, &held).await);
}

/// It froze another node's gate, which it was to build: that one must not come up beside the one that was published since.
#[tokio::test]
async fn a_takeover_to_a_node_that_another_passed_over_publishes_nothing() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (carrier, others) = nodes.carrier().await;
    nodes.masters.nodes[carrier].redis.pause();
    let mut slow = None;
    wait_until("the carrier is given up", STORE_LIMIT, async || {
        slow = gate.rebuild(nodes.id()).await.ok().flatten();
        slow.is_some()
    })
    .await;
    let slow = slow.unwrap();
    let Ok(Frozen::Old(old)) = slow.freeze(Epoch(2), MINUTE).await else { panic!() };
    nodes.masters.nodes[carrier].redis.resume();
    // Now it has lost its memory, and the next one is asked.
    let () = nodes.ask(others[0], &["DEL", "test:{rock}:vote"]).await;
    nodes.take_over(&gate, Epoch(3)).await;
    assert_ne!(nodes.carrier().await.0, others[0]);
    let found = slow.survivors(old.epoch).await.unwrap();
    let built = nodes.built(Epoch(2), &found.reservations, found.now);
    assert_eq!(slow.publish(&built, old.epoch).await, Ok(false));
}

/// A minority has voted for what was never acknowledged, and outnumbers who is left of the majority.
#[tokio::test]
async fn what_an_old_carrier_granted_does_not_beat_what_was_acknowledged_since() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let (stale, tasks) = nodes.gate().await;
    hold(&stale, "ann", &[1]).await;
    tasks.stop(Duration::ZERO).await;
    let (carrier, others) = nodes.carrier().await;
    let redis = |node: usize| &nodes.masters.nodes[node].redis;
    // Of those who vote with the new carrier these do not hear.
    let cut_off = [carrier, others[3]];
    cut_off.iter().for_each(|node| redis(*node).pause());
    assert!(nodes.take_over(&gate, Epoch(2)).await.by_majority);
    let mut acknowledged = None;
    wait_until("they are silent, and nothing waits for them", STORE_LIMIT, async || {
        acknowledged = Some(hold(&gate, "eve", &[2]).await);
        nodes.locked_on(acknowledged.as_ref().unwrap()).await.len() >= 2
    })
    .await;
    let acknowledged = acknowledged.unwrap();
    cut_off.iter().for_each(|node| redis(*node).resume());
    refused(&grant(&stale, "bob", &[2]).await);
    tokio::join!(redis(others[0]).kill(), redis(others[1]).kill());
    nodes.take_over(&gate, Epoch(3)).await;
    assert!(is_held(&gate, &acknowledged).await);
}

#[tokio::test]
async fn a_carrier_that_is_well_stays_with_its_deadlines_and_confirms() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (carrier, _) = nodes.carrier().await;
    let (held, begun) = (hold(&gate, "ann", &[1]).await, hold(&gate, "eve", &[2]).await);
    gate.begin(&begun.reservation.id, None, MINUTE).await.unwrap().unwrap();
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    assert!(rebuilt.by_majority);
    assert_eq!(nodes.carrier().await.0, carrier);
    let found = gate.get(&held.reservation.id, None).await.unwrap().unwrap().reservation;
    assert_eq!(found, held.reservation);
    let found = gate.get(&begun.reservation.id, None).await.unwrap().unwrap().reservation;
    assert_eq!(found.state, ReservationState::Confirming);
}

#[tokio::test]
async fn a_replica_that_comes_later_finds_the_carrier_and_old_gates_are_dropped() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (carrier, _) = nodes.carrier().await;
    let held = hold(&gate, "ann", &[1]).await;
    nodes.masters.nodes[carrier].redis.pause();
    nodes.take_over(&gate, Epoch(2)).await;
    let next = nodes.carrier().await.0;
    nodes.masters.nodes[carrier].redis.resume();
    let (other, _tasks) = nodes.gate().await;
    wait_until("it has looked", STORE_LIMIT, async || {
        other.get(&held.reservation.id, None).await.is_ok_and(|found| found.is_some())
            && other.shard_of(nodes.id()).unwrap() == gate.shard_of(nodes.id()).unwrap()
    })
    .await;
    nodes.masters.nodes[next].redis.kill().await;
    let third = nodes.take_over(&gate, Epoch(3)).await;
    assert!(third.by_majority && third.live.len() == 1);
    let last = nodes.masters.wait_for_carrier(PREFIX, "rock", Some(next)).await;
    for node in (0..3).filter(|node| ![next, last].contains(node)) {
        wait_until("an old gate is dropped", STORE_LIMIT, async || {
            nodes.ask::<Vec<String>>(node, &["KEYS", "test:{rock}:1:*"]).await.is_empty()
        })
        .await;
    }
}
