//! pgbouncer dies, PostgreSQL dies behind it, replies are lost on either side of it.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use ticketengine::v1::{Booking, SalesSettings};
use tokio::time::sleep;
use tonic::{Code, Status};

use super::{EVENT, Stage, few_sessions, sessions::holds};
use crate::support::{
    STORE_LIMIT,
    calls::{Held, until_definite},
    pgbouncer::Pgbouncer,
    postgres::address,
    proxy::Proxy,
    wait_until,
    world::{Replica, hold_ttl},
};

const CUSTOMERS: u32 = 300;

/// Two replicas confirm for all customers while something breaks; then all acknowledged bookings are there, each unknown
/// outcome is found by a repeat, and it stays.
async fn storm(stage: &Stage, breaks: impl AsyncFnOnce()) {
    let (a, b) = tokio::join!(stage.replica(), stage.replica());
    a.open_event(EVENT, CUSTOMERS, hold_ttl(Duration::from_secs(300))).await;
    let holds = holds(&a, CUSTOMERS).await;
    let acknowledged = AtomicU32::new(0);
    let customers = join_all(holds.iter().enumerate().map(async |(n, held)| {
        let replica = if n % 2 == 0 { &a } else { &b };
        sleep(Duration::from_millis(5 * n as u64)).await;
        let answer = replica.confirm(held, "pay").await;
        acknowledged.fetch_add(answer.is_ok().into(), Ordering::Relaxed);
        answer
    }));
    let breaking = async {
        let enough = || acknowledged.load(Ordering::Relaxed) >= CUSTOMERS / 4;
        wait_until("some are booked", STORE_LIMIT, async || enough()).await;
        breaks().await;
    };
    let (first, ()): (Vec<Result<Booking, Status>>, _) = tokio::join!(customers, breaking);
    assert!(first.iter().any(Result::is_err), "it broke when all was over");
    for ((n, held), first) in holds.iter().enumerate().zip(first) {
        let (one, other) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
        outcome(stage, n, held, first, one, other).await;
    }
    stage.witness().agree(EVENT).await;
}

async fn outcome(
    stage: &Stage,
    seat: usize,
    held: &Held,
    first: Result<Booking, Status>,
    one: &Replica,
    other: &Replica,
) {
    let repeat = until_definite(async || one.confirm(held, "pay").await).await;
    let again = until_definite(async || other.confirm(held, "pay").await).await;
    assert_eq!(repeat.as_ref().ok(), again.as_ref().ok(), "one stable answer");
    match first {
        Ok(booking) => assert_eq!(repeat.as_ref().ok(), Some(&booking), "an acknowledged booking is lost"),
        Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
    }
    let owner = stage.witness().owners(EVENT).await.get(&(seat as i32)).cloned();
    assert_eq!(owner, repeat.is_ok().then(|| held.id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_is_killed_and_starts_again() {
    let stage = Stage::new().await;
    storm(&stage, async || {
        stage.pooler.kill().await;
        stage.pooler.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_killed_behind_it() {
    let stage = Stage::new().await;
    storm(&stage, async || {
        stage.server.kill().await;
        stage.server.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_killed_at_commit() {
    let stage = Stage::new().await;
    storm(&stage, async || {
        // Commits are on disk, and wait for a standby that there is not: nobody is told.
        let admin = stage.server.client().await;
        let wait_for_one = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'";
        admin.batch_execute(wait_for_one).await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        wait_until("a commit waits", STORE_LIMIT, async || {
            admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        // Known to the next start only.
        admin.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
        stage.server.kill().await;
        stage.server.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_lost_on_either_side_changes_no_answer() {
    let stage = Stage::new().await;
    let behind = Proxy::start(address(&stage.server.url())).await;
    let pooler = Pgbouncer::start(&stage.server.url_at(&behind), &few_sessions()).await;
    let before = Proxy::start(address(&pooler.url(&stage.server.url()))).await;
    let mut settings = stage.settings();
    settings.database_url = stage.server.url_at(&before);
    let replica = Replica::start(settings).await;
    replica.open_event(EVENT, 40, SalesSettings::default()).await;
    for (n, proxy) in [&before, &behind, &before, &behind].into_iter().enumerate() {
        let seat = n as u32;
        let held = replica.reserve(EVENT, "ann", &format!("r{seat}"), &[seat]).await.unwrap();
        let cut = proxy.replies_cut();
        proxy.cut_reply_to(held.id()).await;
        let booking = until_definite(async || replica.confirm(&held, "pay").await).await.unwrap();
        assert_eq!(proxy.replies_cut(), cut + 1);
        assert_eq!(replica.confirm(&held, "pay").await.unwrap(), booking);
        assert_eq!(stage.witness().owners(EVENT).await[&(n as i32)], held.id());
    }
    stage.witness().agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_behind_it_answers_nothing() {
    let stage = Stage::new().await;
    let standby = stage.server.standby().await;
    let replica = stage.replica().await;
    replica.open_event(EVENT, 4, SalesSettings::default()).await;
    let held = replica.reserve(EVENT, "ann", "r", &[1]).await.unwrap();
    let booking = replica.confirm(&held, "pay").await.unwrap();
    stage.pooler.lead_to(&standby.url(), &few_sessions()).await;
    // The connections to the pooler are those of before, and so is what the standby has.
    for _ in 0..50 {
        let status = replica.booking(&booking.booking_id).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
    stage.pooler.lead_to(&stage.server.url(), &few_sessions()).await;
    assert_eq!(until_definite(async || replica.booking(&booking.booking_id).await).await.unwrap(), booking);
}
