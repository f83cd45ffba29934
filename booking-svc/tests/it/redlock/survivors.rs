//! What a takeover finds, and what it leaves behind.

use std::time::{Duration, Instant};

use booking_svc::{
    domain::{Epoch, ReservationState},
    gate::{Built, Frozen},
};

use super::nodes::{Nodes, hold};
use crate::support::{STORE_LIMIT, wait_until};

const MINUTE: Duration = Duration::from_secs(60);

/// Less than the wait that would be added.
const ROUND_TRIPS: Duration = Duration::from_millis(700);

/// Of the node that has to hand the event over: it does not count any more, and can be read.
const FORGETS: [&str; 2] = ["DEL", "test:{rock}:vote"];

#[tokio::test]
async fn an_old_gate_is_dropped_when_its_node_votes_for_all_that_it_knew() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (old, others) = nodes.carrier().await;
    let (held, begun) = (hold(&gate, "ann", &[1]).await, hold(&gate, "eve", &[2]).await);
    gate.begin(&begun.reservation.id, None, MINUTE).await.unwrap().unwrap();
    let () = nodes.ask(old, &FORGETS).await;
    nodes.take_over(&gate, Epoch(2)).await;
    assert_eq!(nodes.carrier().await.0, others[0]);
    let found = gate.get(&begun.reservation.id, None).await.unwrap().unwrap().reservation;
    assert_eq!(found.state, ReservationState::Confirming);
    wait_until("the old gate is dropped", STORE_LIMIT, async || {
        nodes.ask::<Vec<String>>(old, &["KEYS", "test:{rock}:1:*"]).await.is_empty()
    })
    .await;
    for hold in [&held, &begun] {
        assert!(
            nodes.locked_on(hold).await.contains(&old),
            "{hold:?} may have been acknowledged by that gate"
        );
    }
}

#[tokio::test]
async fn who_gives_way_to_a_newer_hold_has_had_its_time() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (_, others) = nodes.carrier().await;
    let ends = nodes.put_lock(others[0], "1.1", 5, Duration::from_millis(1_350)).await;
    nodes.put_lock(others[1], "1.9", 5, MINUTE).await;
    let lasts = nodes.put_lock(others[0], "1.3", 6, MINUTE / 2).await;
    nodes.take_over(&gate, Epoch(2)).await;
    assert!(nodes.now(others[0]).await >= ends, "somebody else has the seat for good already");
    let newer = gate.get(&"rock.1.9".parse().unwrap(), None).await.unwrap().unwrap();
    assert_eq!(newer.reservation.state, ReservationState::Held);
    let other = gate.get(&"rock.1.3".parse().unwrap(), None).await.unwrap().unwrap().reservation;
    assert!(other.deadline <= lasts + ROUND_TRIPS, "it was made longer by the wait: {other:?}, {lasts}");
}

#[tokio::test]
async fn no_hold_is_longer_than_holds_last_whatever_a_clock_says() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (carrier, others) = nodes.carrier().await;
    nodes.put_lock(others[0], "1.1", 5, 60 * MINUTE).await;
    let rebuilt = nodes.take_over(&gate, Epoch(2)).await;
    assert!(rebuilt.live[0].deadline <= nodes.now(carrier).await + MINUTE, "{:?}", rebuilt.live);
}

#[tokio::test]
async fn a_quarantine_goes_on_at_the_next_carrier() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (carrier, others) = nodes.carrier().await;
    let rebuild = gate.rebuild(nodes.id()).await.unwrap().unwrap();
    let Ok(Frozen::Old(old)) = rebuild.freeze(Epoch(2), MINUTE).await else { panic!() };
    let found = rebuild.survivors(old.epoch).await.unwrap();
    let built = Built { quarantine: MINUTE, ..nodes.built(Epoch(2), &[], found.now) };
    assert_eq!(rebuild.publish(&built, old.epoch).await, Ok(true));
    rebuild.finish().await;

    let () = nodes.ask(carrier, &FORGETS).await;
    let rebuild = gate.rebuild(nodes.id()).await.unwrap().unwrap();
    let Ok(Frozen::Old(old)) = rebuild.freeze(Epoch(3), MINUTE).await else { panic!() };
    assert_eq!(nodes.carrier().await.0, others[0]);
    let now = rebuild.survivors(old.epoch).await.unwrap().now;
    assert!(old.quarantine_until.after(now) > MINUTE / 2, "{old:?} at {now}");
}

#[tokio::test]
async fn a_node_that_hangs_in_a_takeover_holds_nobody_up() {
    let (nodes, gate) = Nodes::start(3, MINUTE).await;
    let (_, others) = nodes.carrier().await;
    let rebuild = gate.rebuild(nodes.id()).await.unwrap().unwrap();
    nodes.masters.nodes[others[1]].redis.pause();
    let began = Instant::now();
    assert!(matches!(rebuild.freeze(Epoch(2), MINUTE).await, Ok(Frozen::Old(_))));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    nodes.masters.nodes[others[1]].redis.resume();
}
