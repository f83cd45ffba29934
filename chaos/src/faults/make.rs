//! Makes a fault, keeps it up, and undoes it.

use std::time::Duration;

use testkit::{postgres::connect, program::Program, proxy::Proxy};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Kind, kind::Target, schedule::Planned};
use crate::{
    history::Fault,
    system::{Links, System, clock::Clock},
};

/// How long commits are made to wait before PostgreSQL is killed.
const COMMITS_WAIT: Duration = Duration::from_millis(300);
/// Bytes that an AOF loses, at most.
const TRUNCATED_BYTES_MAX: u64 = 60_000;
/// A clock is wrong by at most so much, either way.
const CLOCK_WRONG_MS: i64 = 3_000;
/// Between two raises of an epoch: long enough for a rebuild.
const RAISE_EVERY: Duration = Duration::from_millis(150);
/// Each way; most are far shorter. The longest are longer than the confirm window.
const DELAY_MAX: Duration = Duration::from_millis(1_600);
/// Between two replies that are cut off.
const CUT_EVERY: Duration = Duration::from_millis(120);

/// Who keeps two faults from one target.
pub(crate) struct Locks {
    redis: Mutex<()>,
    postgres: Mutex<()>,
    replicas: Vec<Mutex<()>>,
    gateways: Vec<Mutex<()>>,
    links: Vec<Mutex<()>>,
    hop: Mutex<()>,
}

impl Locks {
    pub(crate) fn of(system: &System) -> Self {
        let free = |count: usize| (0..count).map(|_| Mutex::default()).collect();
        Self {
            redis: Mutex::default(),
            postgres: Mutex::default(),
            replicas: free(system.replicas.len()),
            gateways: free(system.gateways.len()),
            links: free(system.links.len()),
            hop: Mutex::default(),
        }
    }

    fn lock(&self, target: Target) -> &Mutex<()> {
        match target {
            Target::Redis => &self.redis,
            Target::Postgres => &self.postgres,
            Target::Replica(index) => &self.replicas[index],
            Target::Gateway(index) => &self.gateways[index],
            Target::Links(index) => &self.links[index],
            Target::Hop => &self.hop,
        }
    }
}

/// Waits for its time, makes the fault and undoes it. None where the machine does not permit it.
pub(crate) async fn make(
    system: &System,
    locks: &Locks,
    planned: &Planned,
    event: &str,
    clock: Clock,
    began: Instant,
) -> Option<Fault> {
    tokio::time::sleep_until(began + planned.at).await;
    let mut held = Vec::new();
    for target in &planned.targets {
        held.push(locks.lock(*target).lock().await);
    }
    let began_us = clock.us();
    if !strike(system, planned, event).await {
        return None;
    }
    let kind = planned.kind.name().to_owned();
    Some(Fault { kind, target: format!("{:?}", planned.targets), began_us, ended_us: clock.us() })
}

/// False where it can not be made here.
async fn strike(system: &System, fault: &Planned, event: &str) -> bool {
    let lasts = fault.lasts;
    match fault.targets[0] {
        Target::Redis => return strike_redis(system, fault).await,
        Target::Postgres => return strike_postgres(system, fault, event).await,
        Target::Replica(index) => return strike_replica(system, fault, index).await,
        Target::Gateway(index) => {
            let gateway = &system.gateways[index];
            match fault.kind {
                Kind::GatewayPaused => pause(gateway, lasts).await,
                Kind::GatewayRestart => restart(gateway).await,
                _ => kill(gateway, lasts).await,
            }
        }
        Target::Links(index) => strike_links(&system.links[index], fault, event).await,
        Target::Hop => {
            system.hop.lose(true);
            sleep(lasts).await;
            system.hop.lose(false);
        }
    }
    true
}

async fn strike_redis(system: &System, fault: &Planned) -> bool {
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

async fn strike_postgres(system: &System, fault: &Planned, event: &str) -> bool {
    let postgres = &system.postgres;
    match fault.kind {
        Kind::PostgresKilledAtCommit => {
            commits_wait_for(&postgres.admin_url(), "nobody").await;
            sleep(COMMITS_WAIT).await;
            postgres.kill().await;
            sleep(fault.lasts).await;
            postgres.restart().await;
            commits_wait_for(&postgres.admin_url(), "").await;
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

/// Commits wait for a standby of this name; for none where it is empty. Those that wait are on the disk already: who is
/// killed meanwhile has committed and has told nobody.
pub(crate) async fn commits_wait_for(url: &str, standby: &str) {
    let Some(session) = connect(url).await else { return };
    for statement in [
        format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
        "SELECT pg_reload_conf()".into(),
    ] {
        // A statement alone: ALTER SYSTEM can not run in a transaction block.
        let _ = session.batch_execute(&statement).await;
    }
}

async fn strike_replica(system: &System, fault: &Planned, index: usize) -> bool {
    let replica = &system.replicas[index];
    match fault.kind {
        Kind::ReplicaPaused | Kind::ReplicaStalled => pause(replica, fault.lasts).await,
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
                // As an orchestrator does: the next one only when this one is ready.
                sleep(Duration::from_millis(400)).await;
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

async fn strike_links(links: &Links, fault: &Planned, event: &str) {
    let lasts = fault.lasts;
    match fault.kind {
        Kind::RedisCut => cut(&links.redis, lasts).await,
        Kind::RedisDelayed => delay(&links.redis, fault).await,
        Kind::RedisBlackHole => black_hole(&links.redis, lasts).await,
        Kind::RedisReplyCut => cut_replies(&links.redis, lasts, event).await,
        Kind::PostgresCut => cut(&links.postgres, lasts).await,
        Kind::PostgresDelayed => delay(&links.postgres, fault).await,
        Kind::PostgresBlackHole => black_hole(&links.postgres, lasts).await,
        Kind::PostgresReplyCut => cut_replies(&links.postgres, lasts, event).await,
        Kind::ClientsCut => cut(&links.clients, lasts).await,
        Kind::ClientsBlackHole => black_hole(&links.clients, lasts).await,
        Kind::ClientsReplyCut => cut_replies(&links.clients, lasts, event).await,
        Kind::GatewaysBlackHole => black_hole(&links.gateways, lasts).await,
        _ => cut(&links.gateways, lasts).await,
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

async fn cut(proxy: &Proxy, lasts: Duration) {
    proxy.refuse().await;
    sleep(lasts).await;
    proxy.pass().await;
}

async fn delay(proxy: &Proxy, fault: &Planned) {
    let share = (fault.dice % 100) as f64 / 100.0;
    proxy.delay(DELAY_MAX.mul_f64(share.powi(2))).await;
    sleep(fault.lasts).await;
    proxy.pass().await;
}

async fn black_hole(proxy: &Proxy, lasts: Duration) {
    proxy.black_hole().await;
    sleep(lasts).await;
    proxy.pass().await;
}

/// One request after the other is served and its reply lost.
async fn cut_replies(proxy: &Proxy, lasts: Duration, event: &str) {
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        proxy.cut_reply_to(event).await;
        sleep(CUT_EVERY).await;
    }
    proxy.pass().await;
}

fn wrong_ms(dice: u64) -> i64 {
    (dice % (2 * CLOCK_WRONG_MS as u64)) as i64 - CLOCK_WRONG_MS
}

/// Whether the machine permits file systems and clocks of one's own: what can not be made here.
pub(crate) fn not_possible(system: &System) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    if !system.redis_disk.is_small() {
        lacking.extend([Kind::RedisDiskFull.name(), Kind::PostgresDiskFull.name()]);
    }
    if !system.skew.is_there() {
        lacking.extend([Kind::ReplicaClock.name(), Kind::PostgresClock.name()]);
    }
    lacking
}

/// Shows a schedule.
pub(crate) fn describe(planned: &[Planned]) -> String {
    let line = |fault: &Planned| {
        format!(
            "{:>5} ms for {:>4} ms  {} {:?}",
            fault.at.as_millis(),
            fault.lasts.as_millis(),
            fault.kind.name(),
            fault.targets
        )
    };
    planned.iter().map(line).collect::<Vec<_>>().join("\n")
}
