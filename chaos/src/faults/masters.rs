//! Faults of several Redis servers that vote, counted from the one that carries the event.

use std::time::Duration;

use futures_util::future::join_all;
use testkit::redis::{Master, Masters, Redis};
use tokio::time::sleep;

use super::{Kind, schedule::Planned, stores::TRUNCATED_BYTES_MAX};
use crate::system::{GATE_AHEAD_MS, gate::PREFIX};

/// A clock is set by at most so much, either way: as long as a hold lasts.
const CLOCK_SET_MS: i64 = 2_000;

pub(super) async fn strike(masters: &Masters, fault: &Planned, event: &str) {
    // All run: no two faults are made here at a time. Where nobody carries the event yet, anybody will do.
    let carrier = masters.carrier_of(PREFIX, event).await.unwrap_or(0);
    let node = |after: usize| &masters.nodes[(carrier + after) % masters.nodes.len()];
    let some = |from: usize, count: usize| (from..from + count).map(|after| &node(after).redis).collect();
    let others = masters.nodes.len() - 1;
    let other = 1 + fault.dice as usize % others;
    match fault.kind {
        Kind::CarrierKilled => kill(some(0, 1), fault.lasts).await,
        Kind::CarrierRestarted => {
            node(0).redis.kill_and_truncate(fault.dice % TRUNCATED_BYTES_MAX).await;
            sleep(fault.lasts).await;
            node(0).redis.restart().await;
        }
        Kind::CarrierEmpty => node(0).redis.restart_empty().await,
        Kind::CarrierPaused | Kind::CarrierStalled => pause(some(0, 1), fault.lasts).await,
        Kind::CarrierClock => set_clock(node(0), fault).await,
        Kind::NodeKilled => kill(some(other, 1), fault.lasts).await,
        Kind::NodePaused => pause(some(other, 1), fault.lasts).await,
        Kind::NodeEmpty => node(other).redis.restart_empty().await,
        // The carrier, too.
        Kind::NodeFlushed => node(other % others).redis.flush().await,
        Kind::NodeClock => set_clock(node(other), fault).await,
        // With the carrier, or without.
        Kind::TwoNodesKilled => kill(some(other % 2, 2), fault.lasts).await,
        Kind::ThreeNodesKilled => kill(some(other % 2, 3), fault.lasts).await,
        _ => pause(some(other % 2, 3), fault.lasts).await,
    }
}

async fn kill(nodes: Vec<&Redis>, lasts: Duration) {
    join_all(nodes.iter().map(|redis| redis.kill())).await;
    sleep(lasts).await;
    join_all(nodes.iter().map(|redis| redis.restart())).await;
}

async fn pause(nodes: Vec<&Redis>, lasts: Duration) {
    nodes.iter().for_each(|redis| redis.pause());
    sleep(lasts).await;
    nodes.iter().for_each(|redis| redis.resume());
}

async fn set_clock(node: &Master, fault: &Planned) {
    node.clock.set_ahead_ms(GATE_AHEAD_MS + jump_ms(fault.dice));
    sleep(fault.lasts).await;
    node.clock.set_ahead_ms(GATE_AHEAD_MS);
}

/// Either way.
fn jump_ms(dice: u64) -> i64 {
    (dice % (2 * CLOCK_SET_MS as u64 + 1)) as i64 - CLOCK_SET_MS
}

/// How far all these faults set clocks, each in one direction and back.
pub(crate) fn jumps_us(faults: &[Planned]) -> i64 {
    let set = faults.iter().filter(|fault| matches!(fault.kind, Kind::CarrierClock | Kind::NodeClock));
    set.map(|fault| jump_ms(fault.dice).abs() * 1_000).sum()
}
