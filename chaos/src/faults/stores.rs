//! Faults of Redis and PostgreSQL.

use std::time::Duration;

use testkit::{postgres::connect, redis::Redis};
use tokio::time::{Instant, sleep};

use super::{Kind, programs::wrong_ms, schedule::Planned};
use crate::system::{System, vault::Vault};

/// How long commits are made to wait before PostgreSQL is killed.
const COMMITS_WAIT: Duration = Duration::from_millis(300);
/// Bytes that an AOF loses, at most.
pub(super) const TRUNCATED_BYTES_MAX: u64 = 60_000;
/// Between two raises of an epoch: long enough for a rebuild.
const RAISE_EVERY: Duration = Duration::from_millis(150);

pub(super) async fn strike_redis(system: &System, redis: &Redis, fault: &Planned) -> bool {
    match fault.kind {
        Kind::RedisRestarted => {
            redis.kill().await;
            sleep(fault.lasts).await;
            redis.restart().await;
        }
        Kind::RedisTruncated => {
            redis.kill_and_truncate(fault.dice % TRUNCATED_BYTES_MAX).await;
            sleep(fault.lasts).await;
            redis.restart().await;
        }
        Kind::RedisEmpty => redis.restart_empty().await,
        Kind::RedisFlushed => redis.flush().await,
        Kind::RedisScriptsFlushed => redis.script_flush().await,
        Kind::RedisClientsKilled => redis.kill_clients().await,
        Kind::RedisDiskFull => {
            if !system.redis_disk.is_small() {
                return false;
            }
            system.redis_disk.fill();
            sleep(fault.lasts).await;
            system.redis_disk.relieve();
        }
        _ => {
            redis.pause();
            sleep(fault.lasts).await;
            redis.resume();
        }
    }
    true
}

pub(super) async fn strike_postgres(system: &System, fault: &Planned, event: &str) -> bool {
    let (vault, postgres) = (&system.vault, system.vault.primary());
    match fault.kind {
        Kind::PostgresKilledAtCommit => {
            vault.commits_wait_for("nobody").await;
            sleep(COMMITS_WAIT).await;
            postgres.kill().await;
            sleep(fault.lasts).await;
            postgres.restart().await;
            vault.commits_wait_as_usual().await;
        }
        Kind::PostgresKilled => {
            postgres.kill().await;
            sleep(fault.lasts).await;
            postgres.restart().await;
        }
        Kind::PostgresRestarted => postgres.restart().await,
        Kind::EpochsRaised => raise_epochs(&postgres.admin_url(), event, fault.lasts).await,
        Kind::PostgresClock => {
            if !system.skew.is_there() {
                return false;
            }
            vault.set_environment(system.skew.environment(wrong_ms(fault.dice)));
            postgres.restart().await;
        }
        Kind::PostgresDiskFull => {
            if !system.postgres_disk.is_small() {
                return false;
            }
            system.postgres_disk.fill();
            sleep(fault.lasts).await;
            system.postgres_disk.relieve();
            // It ends by itself where its log can not be written.
            if !postgres.runs() || connect(&postgres.admin_url()).await.is_none() {
                postgres.restart().await;
            }
        }
        Kind::PostgresFailedOver | Kind::PostgresOldPrimary => {
            if vault.standby().is_none() {
                return false;
            }
            fail_over(vault, fault).await;
        }
        Kind::StandbyKilled => {
            let Some(standby) = vault.standby() else { return false };
            standby.kill().await;
            sleep(fault.lasts).await;
            standby.restart().await;
        }
        Kind::StandbyPaused => {
            let Some(standby) = vault.standby() else { return false };
            standby.pause();
            sleep(fault.lasts).await;
            standby.resume();
        }
        _ => {
            postgres.pause();
            sleep(fault.lasts).await;
            postgres.resume();
        }
    }
    true
}

/// All ran before: a standby that lacks acknowledged commits would take over otherwise, as no operator lets it.
async fn fail_over(vault: &Vault, fault: &Planned) {
    vault.heal().await;
    let old = vault.primary();
    if fault.kind == Kind::PostgresFailedOver {
        old.kill().await;
        sleep(fault.lasts).await;
        vault.fail_over().await;
    } else {
        old.pause();
        sleep(fault.lasts).await;
        vault.fail_over().await;
        old.resume();
        sleep(fault.lasts).await;
        old.kill().await;
    }
    vault.rejoin().await;
}

async fn raise_epochs(url: &str, event: &str, lasts: Duration) {
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        if let Some(session) = connect(url).await {
            let _ = session.query("SELECT vault_raise_epoch($1, 0)", &[&event]).await;
        }
        sleep(RAISE_EVERY).await;
    }
}
