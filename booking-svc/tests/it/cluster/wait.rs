//! What is acknowledged only when a replica has it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use booking_svc::gate::Wait;
use futures_util::future::join_all;
use tokio::time::sleep;
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, reason, refused, until_definite},
    database::Database,
    redis::{Cluster, Replicated},
    wait_until,
    witness::Witness,
    world::{Replica, Settings, hold_ttl},
};

const EVENT: &str = "rock";
const ONE_REPLICA: Wait = Wait { replicas: 1, timeout: Duration::from_millis(400) };

async fn replica_of(redis_url: &str, database: &Database) -> Replica {
    let mut settings = Settings::new(redis_url, &database.url());
    settings.redis_wait = ONE_REPLICA;
    // What heals must not get in between.
    settings.engine.reconcile_every = None;
    Replica::start(settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_that_no_replica_has_and_the_repeat_finds_it() {
    let (redis, database) = tokio::join!(Replicated::start(0, ""), Database::create());
    let a = replica_of(&redis.nodes[0].url(), &database).await;
    a.open_event(EVENT, 40, hold_ttl(Duration::from_secs(120))).await;
    let before = until_definite(async || a.reserve(EVENT, "ann", "r1", &[1]).await).await.unwrap();

    redis.nodes[1].pause();
    let unavailable = |answer| drop(refused::<Held>(answer, Code::Unavailable, "BACKEND_UNAVAILABLE"));
    unavailable(a.reserve(EVENT, "bob", "r1", &[2]).await);
    unavailable(a.reserve(EVENT, "bob", "r1", &[2]).await);
    unavailable(a.extend(&before).await);
    refused(a.reservation(&before).await, Code::Unavailable, "BACKEND_UNAVAILABLE");
    // What a replica has nothing to do with is answered as ever.
    let taken = a.reserve(EVENT, "cid", "r1", &[1]).await.unwrap_err();
    assert_eq!(reason(&taken), "SEAT_UNAVAILABLE");
    until_definite(async || a.confirm(&before, "pay").await).await.unwrap();

    redis.nodes[1].resume();
    let held = until_definite(async || a.reserve(EVENT, "bob", "r1", &[2]).await).await.unwrap();
    let again = until_definite(async || a.reserve(EVENT, "bob", "r1", &[2]).await).await.unwrap();
    assert_eq!(held.id(), again.id());
    assert_eq!(held.id(), format!("{EVENT}.1.2"), "the reservation that was made while the replica was away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_misses_its_replicas_grants_nothing() {
    let options = "--min-replicas-to-write 1 --min-replicas-max-lag 2";
    let (redis, database) = tokio::join!(Replicated::start(0, options), Database::create());
    let a = Replica::start(Settings::new(&redis.nodes[0].url(), &database.url())).await;
    a.open_event(EVENT, 40, hold_ttl(Duration::from_secs(120))).await;
    redis.nodes[1].pause();
    wait_until("it notices", STORE_LIMIT, async || {
        let info: String = redis.nodes[0].ask(&["INFO", "replication"]).await.unwrap();
        info.contains("min_slaves_good_slaves:0")
    })
    .await;
    let answer = a.reserve(EVENT, "ann", "r1", &[1]).await;
    refused(answer, Code::Unavailable, "BACKEND_UNAVAILABLE");
    redis.nodes[1].resume();
    until_definite(async || a.reserve(EVENT, "ann", "r1", &[1]).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_on_the_replica_that_takes_over() {
    let (cluster, database) = tokio::join!(Cluster::start(""), Database::create());
    let a = replica_of(&cluster.url(), &database).await;
    a.open_event(EVENT, 400, hold_ttl(Duration::from_secs(120))).await;
    let victim = cluster.primary_of(EVENT).await;
    let (acknowledged, next) = (Mutex::<Vec<Held>>::default(), AtomicU32::new(0));
    let told = || acknowledged.lock().unwrap().len();
    // Several at a time, until the primary is dead in the middle of it. Its replica has not heard the last of what it wrote.
    let reserve = async || {
        loop {
            let seat = next.fetch_add(1, Ordering::SeqCst);
            match a.reserve(EVENT, &format!("c{seat}"), "r1", &[seat]).await {
                Ok(held) => acknowledged.lock().unwrap().push(held),
                Err(_) if !cluster.nodes[victim].redis.runs() => return,
                Err(_) => {}
            }
        }
    };
    let kill = async {
        wait_until("some holds are acknowledged", STORE_LIMIT, async || told() >= 20).await;
        cluster.cut_replica_off(victim);
        sleep(Duration::from_millis(300)).await;
        cluster.nodes[victim].redis.kill().await;
    };
    tokio::join!(join_all((0..8).map(|_| reserve())), kill);
    let acknowledged = acknowledged.into_inner().unwrap();
    wait_until("another node takes over", STORE_LIMIT, async || cluster.primary_of(EVENT).await != victim)
        .await;
    let witness =
        Witness { redis_url: cluster.admin_url_of(EVENT).await, database_url: database.admin_url() };
    wait_until("it is rebuilt", STORE_LIMIT, async || a.seat_states(EVENT, 1).await.is_ok()).await;
    for held in &acknowledged {
        let seat = held.reservation.seat_ids[0];
        let value = witness.seat(EVENT, seat).await;
        assert!(
            value.starts_with("H ") && held.id().ends_with(value.rsplit(' ').next().unwrap()),
            "{value:?}"
        );
        // Without its token.
        let held = Held { token: String::new(), ..held.clone() };
        until_definite(async || a.confirm(&held, "pay").await).await.unwrap();
    }
    testkit::say(&format!("{} acknowledged holds were all there", acknowledged.len()));
}
