//! PostgreSQL is killed during confirms, and replies to a COMMIT are lost.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use futures_util::future::join_all;
use ticketengine::v1::{Booking, ReservationState, SalesSettings};
use tonic::{Code, Status};

use crate::support::{
    STORE_LIMIT,
    calls::{Held, reason, until_definite},
    postgres::{Server, address},
    proxy::Proxy,
    wait_until,
    witness::Witness,
    world::{Replica, World},
};

const EVENT: &str = "rock";
const CUSTOMERS: u32 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_booking_outlives_a_kill_of_postgres() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    let mut settings = world.settings();
    settings.database_url = server.url();
    let witness = Witness { database_url: server.url(), ..world.witness() };
    let (a, b) = (Replica::start(settings.clone()).await, Replica::start(settings).await);
    a.open_event(EVENT, CUSTOMERS, SalesSettings::default()).await;
    let holds: Vec<Held> =
        join_all((0..CUSTOMERS).map(async |n| a.reserve(EVENT, &format!("c{n}"), "r", &[n]).await.unwrap()))
            .await;

    let first: Mutex<HashMap<String, Result<Booking, Status>>> = Mutex::default();
    let customers = join_all(holds.iter().enumerate().map(async |(n, held)| {
        let replica = if n % 2 == 0 { &a } else { &b };
        // They come over a second or so, so that some are on their way whenever the server dies.
        tokio::time::sleep(Duration::from_millis(4 * n as u64)).await;
        let answer = replica.confirm(held, "pay").await;
        first.lock().unwrap().insert(held.id(), answer);
    }));
    let acknowledged = || first.lock().unwrap().values().filter(|answer| answer.is_ok()).count();
    let killer = async {
        wait_until("some are booked", STORE_LIMIT, async || acknowledged() >= CUSTOMERS as usize / 4).await;
        server.kill().await;
        server.restart().await;
    };
    tokio::join!(customers, killer);

    let first = first.into_inner().unwrap();
    assert!(first.values().any(Result::is_err), "the kill came when all was over");
    for (n, held) in holds.iter().enumerate() {
        let replica = if n % 2 == 0 { &b } else { &a };
        let repeat = until_definite(async || replica.confirm(held, "pay").await).await;
        let again = until_definite(async || a.confirm(held, "pay").await).await;
        assert_eq!(repeat.as_ref().ok(), again.as_ref().ok(), "one stable answer");
        match &first[&held.id()] {
            Ok(booking) => assert_eq!(repeat.as_ref().ok(), Some(booking), "an acknowledged booking is lost"),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
        let owner = witness.owners(EVENT).await.get(&(n as i32)).cloned();
        assert_eq!(owner, repeat.is_ok().then(|| held.id()));
    }
    witness.agree(EVENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_lost_at_commit_changes_no_answer() {
    let world = World::new().await;
    let witness = world.witness();
    let proxy = Proxy::start(address(&world.database.url())).await;
    let mut settings = world.settings();
    settings.database_url = world.database.url_at(&proxy);
    let replica = Replica::start(settings).await;
    replica.open_event(EVENT, 40, SalesSettings::default()).await;

    for seat in 0..5 {
        let held = replica.reserve(EVENT, "ann", &format!("r{seat}"), &[seat]).await.unwrap();
        proxy.cut_reply_to(held.id()).await;
        let booking = until_definite(async || replica.confirm(&held, "pay").await).await.unwrap();
        assert_eq!(proxy.replies_cut(), seat as usize + 1);
        assert_eq!(replica.confirm(&held, "pay").await.unwrap(), booking);
        assert_eq!(witness.owners(EVENT).await[&(seat as i32)], held.id());
    }
    let held = replica.reserve(EVENT, "bob", "r", &[9]).await.unwrap();
    proxy.cut_reply_to(held.id()).await;
    let released = until_definite(async || replica.release(&held).await).await.unwrap();
    assert_eq!(released.state(), ReservationState::Released);
    assert_eq!(proxy.replies_cut(), 6);
    assert_eq!(reason(&replica.confirm(&held, "pay").await.unwrap_err()), "HOLD_RELEASED");
    witness.agree(EVENT).await;
}
