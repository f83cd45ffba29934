//! Faults of Redis and PostgreSQL.

use std::time::Duration;

use testkit::{STORE_LIMIT, postgres::connect, wait_until};
use tokio::time::{Instant, sleep};

use super::{Kind, programs::wrong_ms, schedule::Planned};
use crate::system::System;

/// How long commits are made to wait before PostgreSQL is killed.
const COMMITS_WAIT: Duration = Duration::from_millis(300);
/// Bytes that an AOF loses, at most.
const TRUNCATED_BYTES_MAX: u64 = 60_000;
/// Between two raises of an epoch: long enough for a rebuild.
const RAISE_EVERY: Duration = Duration::from_millis(150);

pub(super) async fn strike_redis(system: &System, fault: &Planned) -> bool {
    let redis = &system.redis;
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
    let postgres = &system.postgres;
    match fault.kind {
        Kind::PostgresKilledAtCommit => {
            commits_wait_for(&postgres.admin_url(), "nobody").await;
            sleep(COMMITS_WAIT).await;
            postgres.kill().await;
            sleep(fault.lasts).await;
            postgres.restart().await;
            commits_do_not_wait(&postgres.admin_url()).await;
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
            system.postgres_place.set_environment(system.skew.environment(wrong_ms(fault.dice)));
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
        _ => {
            postgres.pause();
            sleep(fault.lasts).await;
            postgres.resume();
        }
    }
    true
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

/// Commits wait for nobody any more. The server runs.
pub(crate) async fn commits_do_not_wait(url: &str) {
    wait_until("commits wait for no standby", STORE_LIMIT, async || {
        commits_wait_for(url, "").await;
        let Some(session) = connect(url).await else { return false };
        let shown = session.query_one("SHOW synchronous_standby_names", &[]).await;
        shown.is_ok_and(|row| row.get::<_, String>(0).is_empty())
    })
    .await;
}

/// Commits wait for a standby of this name; for none where it is empty. Those that wait are on the disk already: who is
/// killed meanwhile has committed and has told nobody.
async fn commits_wait_for(url: &str, standby: &str) {
    let Some(session) = connect(url).await else { return };
    for statement in [
        format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
        "SELECT pg_reload_conf()".into(),
    ] {
        // A statement alone: ALTER SYSTEM can not run in a transaction block.
        let _ = session.batch_execute(&statement).await;
    }
}
