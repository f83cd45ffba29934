//! PostgreSQL's primary dies under load and its standby takes over: what was acknowledged is there, and sales go on.

use std::{sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use ticketengine::v1::{Booking, SalesSettings};
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, until_definite},
    postgres::{Server, address},
    proxy::Proxy,
    wait_until,
    witness::Witness,
    world::{Replica, World, hold_ttl},
};

const EVENT: &str = "rock";
const SEATS: u32 = 400;
/// From the promotion on: the pools find the new primary.
const FOUND_LIMIT: Duration = Duration::from_secs(10);
/// A promotion is known by then; the hosts are asked once a second.
const KNOWN_AFTER: Duration = Duration::from_secs(2);
/// At once, and so often: all connections are used.
const READS: usize = 16;

/// The service's URL of both.
fn either(first: &str, second: &Server) -> String {
    let address = address(&second.url());
    let (head, tail) = first.rsplit_once('/').unwrap();
    format!("{head},{address}/{tail}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_booking_is_on_the_standby_that_takes_over() {
    let (world, primary) = tokio::join!(World::new(), Server::start());
    let standby = primary.standby().await;
    let mut settings = world.settings();
    settings.database_url = either(&primary.url(), &standby);
    let (a, b) = (Replica::start(settings.clone()).await, Replica::start(settings).await);
    a.open_event(EVENT, SEATS, hold_ttl(Duration::from_secs(300))).await;
    let holds: Vec<Held> =
        join_all((0..SEATS).map(async |n| a.reserve(EVENT, &format!("c{n}"), "r", &[n]).await.unwrap()))
            .await;

    let acknowledged = AtomicU32::new(0);
    let customers = join_all(holds.iter().enumerate().map(async |(n, held)| {
        let replica = if n % 2 == 0 { &a } else { &b };
        // They come over two seconds or so, so that some are on their way whenever the primary dies.
        sleep(Duration::from_millis(5 * n as u64)).await;
        let answer = replica.confirm(held, "pay").await;
        acknowledged.fetch_add(answer.is_ok().into(), Ordering::Relaxed);
        answer
    }));
    let failover = async {
        let enough = || acknowledged.load(Ordering::Relaxed) >= SEATS / 4;
        wait_until("some are booked", STORE_LIMIT, async || enough()).await;
        primary.kill().await;
        let before = acknowledged.load(Ordering::Relaxed);
        assert!(before < SEATS, "the primary died when all was over");
        standby.promote().await;
        let promoted = Instant::now();
        wait_until("the new primary is found", FOUND_LIMIT, async || a.healthy().await && b.healthy().await)
            .await;
        (before, promoted.elapsed())
    };
    let (first, (before, found)): (Vec<Result<Booking, Status>>, _) = tokio::join!(customers, failover);

    let witness = Witness { database_url: standby.url(), ..world.witness() };
    let kept = witness.owners(EVENT).await;
    for (n, (held, answer)) in holds.iter().zip(&first).enumerate() {
        let repeat = until_definite(async || b.confirm(held, "pay").await).await;
        if let Ok(booking) = answer {
            assert_eq!(kept.get(&(n as i32)), Some(&held.id()), "an acknowledged booking is lost");
            assert_eq!(repeat.as_ref().ok(), Some(booking));
        }
        let again = until_definite(async || a.confirm(held, "pay").await).await;
        assert_eq!(repeat.ok(), again.ok(), "one stable answer");
    }
    let refused = first.iter().filter(|answer| answer.is_err()).count();
    let said = format!("{before} of {SEATS} were booked when the primary died; {refused} had to be repeated");
    testkit::say(&format!("{said}; both replicas served again {found:?} after the promotion"));
    witness.agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_paused_over_the_failover_is_left_when_it_wakes() {
    let (world, primary) = tokio::join!(World::new(), Server::start());
    let standby = primary.standby().await;
    let mut settings = world.settings();
    settings.database_url = either(&primary.url(), &standby);
    let replica = Replica::start(settings).await;
    replica.open_event(EVENT, 2, hold_ttl(Duration::from_secs(300))).await;
    let held = replica.reserve(EVENT, "ann", "r", &[1]).await.unwrap();

    primary.pause();
    standby.promote().await;
    // It takes reads again, on all connections that it had, and waits with each commit for a standby that has left.
    primary.resume();
    let booking = until_definite(async || replica.confirm(&held, "pay").await).await.unwrap();
    sleep(KNOWN_AFTER).await;
    for _ in 0..READS {
        let read =
            join_all((0..READS).map(|_| until_definite(async || replica.booking(&booking.booking_id).await)));
        for answer in read.await {
            assert_eq!(answer.as_ref().ok(), Some(&booking), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_host_that_hangs_does_not_keep_the_service_from_the_one_that_answers() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    let hangs = Proxy::start(address(&server.url())).await;
    hangs.black_hole().await;
    let mut settings = world.settings();
    settings.database_url = either(&server.url_at(&hangs), &server);
    let replica = Replica::start(settings).await;
    replica.open_event(EVENT, 2, SalesSettings::default()).await;
    let held = replica.reserve(EVENT, "ann", "r", &[1]).await.unwrap();
    until_definite(async || replica.confirm(&held, "pay").await).await.unwrap();
}
