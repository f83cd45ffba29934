//! Calls of events on all shards of a cluster, and their watchers.

use std::time::Duration;

use booking_svc::domain::SeatState;
use futures_util::{StreamExt, stream};
use testkit::token::as_role;
use ticketengine::v1::{BlockSeatsRequest, UnblockSeatsRequest};

use super::sale::{events_on, one_event_a_shard};
use crate::{
    support::{
        STORE_LIMIT,
        calls::until_definite,
        database::Database,
        redis::{Cluster, PATIENT},
        wait_until,
        witness::Witness,
        world::{Replica, Settings, hold_ttl},
    },
    watch::reader::Reader,
};

/// Far more than it takes, and less than whoever waits for a node that does not answer.
const TOLD_WITHIN: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_finds_its_event_and_each_watcher_its_changes() {
    let (cluster, database) = tokio::join!(Cluster::start(PATIENT), Database::create());
    let settings = Settings::new(&cluster.url(), &database.url());
    let (a, b) = (Replica::start(settings.clone()).await, Replica::start(settings).await);
    let events = [one_event_a_shard(&cluster).await, events_on(&cluster, 0, 4).await.split_off(1)].concat();
    for event in &events {
        a.open_event(event, 40, hold_ttl(Duration::from_secs(4))).await;
    }
    let mut readers = Vec::new();
    for event in &events {
        readers.push(Reader::begun(&b, event).await);
    }
    for (event, reader) in events.iter().zip(&mut readers) {
        let held = until_definite(async || a.reserve(event, "ann", "r1", &[1, 2]).await).await.unwrap();
        let told = reader.until_seat(2, SeatState::Held).await;
        assert!(told < TOLD_WITHIN, "{told:?}");
        let held = until_definite(async || b.extend(&held).await).await.unwrap();
        let booking = until_definite(async || b.confirm(&held, "pay").await).await.unwrap();
        reader.until_seat(1, SeatState::Sold).await;
        until_definite(async || a.cancel(&booking).await).await.unwrap();
        reader.until_seat(1, SeatState::Free).await;
        let held = until_definite(async || b.reserve(event, "bob", "r1", &[3]).await).await.unwrap();
        until_definite(async || a.release(&held).await).await.unwrap();
        let block = BlockSeatsRequest { event_id: event.clone(), seat_ids: vec![9] };
        let block = || as_role("admin", "boss", block.clone());
        until_definite(async || a.events().block_seats(block()).await).await.unwrap();
        reader.until_seat(9, SeatState::Blocked).await;
        let unblock = UnblockSeatsRequest { event_id: event.clone(), seat_ids: vec![9] };
        let unblock = || as_role("admin", "boss", unblock.clone());
        until_definite(async || a.events().unblock_seats(unblock()).await).await.unwrap();
        until_definite(async || a.reserve(event, "cid", "r1", &[5]).await).await.unwrap();
        reader.until_seat(5, SeatState::Held).await;
    }
    // The sweepers end what is due, on each shard.
    for (event, reader) in events.iter().zip(&mut readers) {
        reader.until_seat(5, SeatState::Free).await;
        let redis_url = cluster.admin_url_of(event).await;
        Witness { redis_url, database_url: database.admin_url() }.agree(event).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_of_other_shards_hear_nothing_of_one_that_is_down() {
    let (cluster, database) = tokio::join!(Cluster::start(PATIENT), Database::create());
    let a = Replica::start(Settings::new(&cluster.url(), &database.url())).await;
    let events = one_event_a_shard(&cluster).await;
    let (many, ttl) = (events_on(&cluster, 0, 80).await, Duration::from_secs(2));
    stream::iter(many.iter().chain(&events[1..]))
        .for_each_concurrent(4, async |event| a.open_event(event, 40, hold_ttl(ttl)).await)
        .await;
    let (mut lost, mut well) = (Reader::begun(&a, &events[0]).await, Reader::begun(&a, &events[1]).await);
    // Neither it nor its replica answer: nobody takes over.
    cluster.nodes[0].redis.pause();
    cluster.nodes[3].redis.pause();
    lost.until(|reader| reader.stale).await;
    for seat in 0..20 {
        until_definite(async || a.reserve(&events[1], &format!("c{seat}"), "r1", &[seat]).await)
            .await
            .unwrap();
        let told = well.until_seat(seat, SeatState::Held).await;
        assert!(told < TOLD_WITHIN, "{told:?}");
        // Not blind for longer than a busy machine makes anybody.
        well.until(|reader| !reader.stale).await;
    }
    // Nor do sweepers wait for it.
    for seat in 30..33 {
        until_definite(async || a.reserve(&events[1], "ann", &format!("r{seat}"), &[seat]).await)
            .await
            .unwrap();
        well.until_seat(seat, SeatState::Held).await;
        let ended = well.until_seat(seat, SeatState::Free).await;
        assert!(ended < ttl + TOLD_WITHIN, "{ended:?}");
    }
    assert!(a.healthy().await);
    cluster.nodes[0].redis.resume();
    cluster.nodes[3].redis.resume();
    lost.until(|reader| !reader.stale).await;
    wait_until("it sells again", STORE_LIMIT, async || {
        a.reserve(&events[0], "ann", "r1", &[1]).await.is_ok()
    })
    .await;
}
