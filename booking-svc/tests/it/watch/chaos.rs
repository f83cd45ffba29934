//! Ten thousand random changes, while connections break: versions join up, and all boards end as the stores.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use booking_svc::identity::Role;
use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use seat_board::Position;
use ticketengine::v1::{
    BlockSeatsRequest, BookingState, GetSeatMapRequest, ListBookingsRequest, SeatStates, UnblockSeatsRequest,
};
use tokio::time::sleep;

use super::reader::Reader;
use crate::support::{
    STORE_LIMIT,
    calls::until_definite,
    holds_within,
    proxy::Proxy,
    world::{Replica, World, as_role, hold_ttl},
};

const EVENT: &str = "rock";
const SEATS: u32 = 4_000;
const CUSTOMERS: u64 = 24;
const CHANGES: u64 = 10_000;

/// Does what comes to mind until it is over.
async fn customer(n: u64, replicas: &[Replica; 2], over: &AtomicBool) {
    let mut random = StdRng::seed_from_u64(n);
    for round in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let replica = &replicas[random.random_range(0..2)];
        let first = random.random_range(0..SEATS - 3);
        let seats: Vec<u32> = (first..first + random.random_range(1..4)).collect();
        let act = random.random_range(0..100);
        if act < 4 {
            let (event_id, seat_ids) = (String::from(EVENT), seats);
            let block = BlockSeatsRequest { event_id: event_id.clone(), seat_ids: seat_ids.clone() };
            let _ = replica.events().block_seats(as_role(Role::Admin, "boss", block)).await;
            if act < 3 {
                let unblock = UnblockSeatsRequest { event_id, seat_ids };
                let _ = replica.events().unblock_seats(as_role(Role::Admin, "boss", unblock)).await;
            }
            continue;
        }
        let Ok(held) = replica.reserve(EVENT, &format!("c{n}-{round}"), "r", &seats).await else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        match act {
            4..30 => drop(replica.release(&held).await),
            30..50 => {
                if let Ok(booking) = replica.confirm(&held, "pay").await
                    && act < 45
                {
                    let _ = replica.cancel(&booking).await;
                }
            }
            // It expires.
            _ => {}
        }
    }
}

async fn truth(replica: &Replica) -> SeatStates {
    let request = GetSeatMapRequest { event_id: EVENT.into(), states_only: true };
    let answer = until_definite(async || replica.bookings().get_seat_map(request.clone()).await).await;
    answer.unwrap().into_inner().states.unwrap()
}

/// The seats that are booked, by the vault.
async fn booked(replica: &Replica) -> Vec<u32> {
    let (mut seats, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListBookingsRequest {
            event_id: EVENT.into(),
            page_size: 200,
            page_token,
            customer_id: String::new(),
        };
        let page = replica.bookings().list_bookings(as_role(Role::Admin, "boss", request)).await.unwrap();
        let page = page.into_inner();
        let sold = page.bookings.iter().filter(|booking| booking.state() == BookingState::Confirmed);
        seats.extend(sold.flat_map(|booking| booking.seat_ids.iter().copied()));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            seats.sort_unstable();
            return seats;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boards_end_as_the_stores_and_no_gap_goes_unnoticed() {
    let world = World::new().await;
    let (mut proxies, mut replicas) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let proxy = Proxy::start(world.redis.port().address()).await;
        let mut settings = world.settings();
        settings.redis_url = world.redis.url_at(&proxy);
        // It mends what a broken BlockSeats leaves by a rebuild: not too often.
        settings.engine.reconcile_every = Some(Duration::from_secs(3));
        proxies.push(proxy);
        replicas.push(Replica::start(settings).await);
    }
    let replicas: [Replica; 2] = replicas.try_into().ok().unwrap();
    replicas[0].open_event(EVENT, SEATS, hold_ttl(Duration::from_secs(1))).await;
    let (mut readers, over, versions) = (Vec::new(), AtomicBool::new(false), AtomicU64::new(0));
    for n in 0..6 {
        readers.push(Reader::begun(&replicas[n % 2], EVENT).await);
    }

    let customers = join_all((0..CUSTOMERS).map(|n| customer(n, &replicas, &over)));
    let faults = async {
        let mut fault = 0;
        while versions.load(Ordering::SeqCst) < CHANGES {
            sleep(Duration::from_millis(400)).await;
            if fault % 3 == 0 {
                world.redis.kill_clients().await;
            } else {
                let proxy: &Proxy = &proxies[fault % 2];
                proxy.refuse().await;
                proxy.pass().await;
            }
            fault += 1;
            sleep(Duration::from_millis(200)).await;
        }
        over.store(true, Ordering::SeqCst);
        assert!(fault > 3, "too few faults: {fault}");
    };
    let reading = join_all(readers.iter_mut().map(|reader| async {
        while !over.load(Ordering::SeqCst) {
            reader.read().await.unwrap();
            versions.fetch_max(reader.versions, Ordering::SeqCst);
        }
    }));
    tokio::join!(customers, faults, reading);

    // All holds end: only what was bought or blocked is not free.
    let witness = world.witness();
    witness.agree(EVENT).await;
    let quiet =
        async || truth(&replicas[1]).await.packed.iter().all(|byte| byte & !(byte >> 1) & 0b01_01_01_01 == 0);
    assert!(holds_within(STORE_LIMIT, quiet).await, "holds end");
    let end = truth(&replicas[0]).await;
    let sold = booked(&replicas[1]).await;
    for reader in &mut readers {
        let at = Position { epoch: end.epoch, version: end.version };
        reader.until(|reader| reader.position() >= at).await;
        assert_eq!((reader.position(), reader.packed()), (at, &*end.packed));
        let shown = (0..SEATS).filter(|seat| reader.state(*seat) as u8 == 2);
        assert!(shown.eq(sold.iter().copied()), "sold, by the vault and by a watcher");
        assert!(reader.snapshots as u64 <= end.epoch, "{} in {} epochs", reader.snapshots, end.epoch);
        assert!(reader.versions > CHANGES * 9 / 10, "{} versions as changes", reader.versions);
    }
}
