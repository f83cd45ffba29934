//! Faults of replicas and gateways.

use std::time::Duration;

use testkit::program::Program;
use tokio::time::sleep;

use super::{Kind, schedule::Planned};
use crate::system::System;

/// A clock is wrong by at most so much, either way.
const CLOCK_WRONG_MS: i64 = 3_000;
/// Between two restarts of a deploy: time to become ready, not on every machine enough.
const NEXT_AFTER: Duration = Duration::from_millis(400);

pub(super) async fn strike_replica(system: &System, fault: &Planned, index: usize) -> bool {
    let replica = &system.replicas[index];
    match fault.kind {
        Kind::ReplicaPaused | Kind::ReplicaStalled | Kind::RelayAsleep => pause(replica, fault.lasts).await,
        Kind::ReplicaClock => {
            if !system.skew.is_there() {
                return false;
            }
            for (name, value) in system.skew.environment(wrong_ms(fault.dice)) {
                let name = if name == "LD_PRELOAD" { "LD_PRELOAD" } else { "TE_SKEW_MS" };
                replica.set(name, value);
            }
            restart(replica).await;
        }
        Kind::RollingRestart => {
            for replica in &system.replicas {
                restart(replica).await;
                sleep(NEXT_AFTER).await;
            }
        }
        Kind::AllReplicasKilled => {
            for replica in &system.replicas {
                replica.kill().await;
            }
            sleep(fault.lasts).await;
            system.replicas.iter().for_each(Program::start);
        }
        _ => kill(replica, fault.lasts).await,
    }
    true
}

pub(super) async fn strike_gateway(gateway: &Program, fault: &Planned) {
    match fault.kind {
        Kind::GatewayPaused => pause(gateway, fault.lasts).await,
        Kind::GatewayRestart => restart(gateway).await,
        _ => kill(gateway, fault.lasts).await,
    }
}

async fn kill(program: &Program, lasts: Duration) {
    program.kill().await;
    sleep(lasts).await;
    program.start();
}

async fn pause(program: &Program, lasts: Duration) {
    program.pause();
    sleep(lasts).await;
    program.resume();
}

async fn restart(program: &Program) {
    program.stop().await;
    program.start();
}

/// Either way.
pub(super) fn wrong_ms(dice: u64) -> i64 {
    (dice % (2 * CLOCK_WRONG_MS as u64)) as i64 - CLOCK_WRONG_MS
}
