//! A hold is acknowledged when a majority has it, and never else.

use std::time::{Duration, Instant};

use booking_svc::{
    domain::ReservationState,
    gate::{Error, Granted},
};
use tokio::time::sleep;

use super::nodes::{Nodes, extend, grant, hold, refused};
use crate::support::{STORE_LIMIT, wait_until};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_node_gets_to_have_a_hold_until_it_is_released() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let held = hold(&gate, "ann", &[1, 2]).await;
    nodes.everywhere(&gate, &held).await;
    let ann = &held.reservation;
    wait_until("all votes are taken back", STORE_LIMIT, async || {
        let (seats, request) = (&ann.seats, &ann.request);
        let settled = gate.settle(&ann.id, ReservationState::Released, seats, request, &ann.customer).await;
        settled.is_ok() && nodes.locked_on(&held).await.is_empty()
    })
    .await;
    hold(&gate, "bob", &[2]).await;
}

#[tokio::test]
async fn two_of_five_may_die_and_three_may_not() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let (_, others) = nodes.carrier().await;
    let dies = |node: usize| nodes.masters.nodes[node].redis.kill();
    tokio::join!(dies(others[0]), dies(others[1]));
    let held = hold(&gate, "ann", &[1]).await;
    assert_eq!(nodes.locked_on(&held).await, others[2..]);
    dies(others[2]).await;
    refused(&grant(&gate, "bob", &[2]).await);
    refused(&grant(&gate, "bob", &[2]).await);
    assert!(matches!(gate.extend(&held.reservation.id, None).await, Err(Error::Unavailable(_))));
    assert!(matches!(gate.show(&held.reservation.id, None).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_repeat_finds_the_hold_that_no_majority_had_and_gets_one() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let (_, others) = nodes.carrier().await;
    others[..3].iter().for_each(|node| nodes.masters.nodes[*node].redis.pause());
    refused(&grant(&gate, "ann", &[1]).await);
    assert!(
        matches!(grant(&gate, "bob", &[1]).await, Ok(Granted::Taken(_))),
        "nobody else gets it meanwhile"
    );
    others[..3].iter().for_each(|node| nodes.masters.nodes[*node].redis.resume());
    let mut same = None;
    wait_until("a repeat is acknowledged", STORE_LIMIT, async || {
        same = grant(&gate, "ann", &[1]).await.ok();
        same.is_some()
    })
    .await;
    let Some(Granted::Same(found)) = same else { panic!("{same:?}") };
    assert!(nodes.locked_on(&found).await.len() >= 2);
}

#[tokio::test]
async fn an_extension_is_acknowledged_by_a_majority_and_lasts_there() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let held = hold(&gate, "ann", &[1]).await;
    sleep(Duration::from_secs(1)).await;
    let extended = extend(&gate, &held).await;
    assert!(extended.reservation.deadline > held.reservation.deadline);
    let (_, others) = nodes.carrier().await;
    let mut later = 0;
    for node in others {
        later += usize::from(nodes.locked_until(node, 1).await >= Some(extended.reservation.deadline));
    }
    assert!(later >= 2, "{later}");
}

#[tokio::test]
async fn a_lock_outlasts_its_hold_by_the_drift_allowance() {
    let (nodes, gate) = Nodes::start(3, Duration::from_secs(30)).await;
    let (carrier, others) = nodes.carrier().await;
    let began = Instant::now();
    let held = hold(&gate, "ann", &[1]).await;
    nodes.everywhere(&gate, &held).await;
    let took = began.elapsed().as_millis() as i64;
    for node in others {
        let allowance = nodes.locked_until(node, 1).await.unwrap() - held.reservation.deadline;
        // All clocks are right here: a hundredth of 30 s and 2 ms, and what answers took.
        assert!(
            (300..=302 + 2 * took).contains(&allowance),
            "{allowance} ms on {node}, carried by {carrier}"
        );
    }
}

#[tokio::test]
async fn a_newcomer_waits_until_the_locks_of_what_ended_are_over() {
    let ttl = Duration::from_secs(4);
    let (_nodes, gate) = Nodes::start(3, ttl).await;
    let began = Instant::now();
    let held = hold(&gate, "ann", &[1]).await;
    sleep(ttl - Duration::from_millis(200)).await;
    let mut next = None;
    wait_until("somebody else gets the seat", STORE_LIMIT, async || {
        next = match grant(&gate, "bob", &[1]).await {
            Ok(Granted::New(found) | Granted::Same(found)) => Some(found),
            _ => None,
        };
        next.is_some()
    })
    .await;
    assert!(next.unwrap().reservation.id != held.reservation.id);
    assert!(began.elapsed() >= ttl - Duration::from_millis(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_node_that_hangs_slows_nobody() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let (_, others) = nodes.carrier().await;
    nodes.masters.nodes[others[0]].redis.pause();
    let mut fastest = MINUTE;
    // It is not known yet that it is silent: each call asks it, for 200 ms.
    for seat in 0..5 {
        let began = Instant::now();
        let ann = hold(&gate, &format!("c{seat}"), &[seat]).await.reservation;
        let released = ReservationState::Released;
        gate.settle(&ann.id, released, &ann.seats, &ann.request, &ann.customer).await.unwrap();
        fastest = fastest.min(began.elapsed());
    }
    nodes.masters.nodes[others[0]].redis.resume();
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
}

/// Who released it died between the vault and the nodes.
#[tokio::test]
async fn a_lock_that_was_left_behind_blocks_nobody() {
    let (nodes, gate) = Nodes::start(5, MINUTE).await;
    let held = hold(&gate, "ann", &[1]).await;
    let (_, others) = nodes.carrier().await;
    nodes.everywhere(&gate, &held).await;
    let lock: String = nodes.ask(others[0], &["HGET", "test:{rock}:locks", "1"]).await;
    let ann = &held.reservation;
    gate.settle(&ann.id, ReservationState::Released, &ann.seats, &ann.request, &ann.customer).await.unwrap();
    wait_until("its votes are taken back", STORE_LIMIT, async || nodes.locked_on(&held).await.is_empty())
        .await;
    for node in others {
        let () = nodes.ask(node, &["HSET", "test:{rock}:locks", "1", &lock]).await;
    }
    hold(&gate, "bob", &[1]).await;
}
