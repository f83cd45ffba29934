//! Many go for the same seats at once, through two replicas.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use booking_svc::identity::Role;
use rand::{Rng, seq::IndexedRandom};
use ticketengine::v1::{ReserveRequest, SalesSettings, booking_service_client::BookingServiceClient};
use tokio::{sync::Barrier, task::JoinSet};
use tonic::{Code, Request, transport::Channel};

use crate::support::{
    calls::{Held, refused, until_definite},
    world::{Replica, World, bearer, hold_ttl},
};

const ROUNDS: u32 = 200;
const CUSTOMERS: usize = 500;
const CHANNELS_PER_REPLICA: usize = 4;

/// One customer may win every round.
fn no_limit() -> SalesSettings {
    // A slow machine must not see holds end within the test.
    SalesSettings { seats_per_customer: 10_000, ..hold_ttl(Duration::from_secs(600)) }
}

/// A client of one of the replicas in turn, each with several connections.
fn clients(replicas: &[Replica]) -> Vec<BookingServiceClient<Channel>> {
    let connections = (0..CHANNELS_PER_REPLICA).flat_map(|_| replicas);
    connections.map(|replica| BookingServiceClient::new(replica.connect())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_who_want_one_seat_at_one_instant_exactly_one_gets_it() {
    let world = World::new().await;
    let replicas = [world.replica().await, world.replica().await];
    replicas[0].open_event("rock", ROUNDS, no_limit()).await;
    let wins: Arc<[AtomicU32]> = (0..ROUNDS).map(|_| AtomicU32::new(0)).collect();
    let start = Arc::new(Barrier::new(CUSTOMERS));
    let clients = clients(&replicas);

    let mut customers = JoinSet::new();
    for customer in 0..CUSTOMERS {
        let client = clients[customer % clients.len()].clone();
        let (start, wins) = (Arc::clone(&start), Arc::clone(&wins));
        let authorization = bearer(&format!("c{customer}"), &[Role::Customer]);
        customers.spawn(async move {
            for seat in 0..ROUNDS {
                let reserve = || {
                    let mut request = Request::new(ReserveRequest {
                        event_id: "rock".into(),
                        seat_ids: vec![seat],
                        request_id: format!("r{seat}"),
                        customer_id: String::new(),
                    });
                    request.metadata_mut().insert("authorization", authorization.clone());
                    let mut client = client.clone();
                    async move { client.reserve(request).await }
                };
                start.wait().await;
                // On a machine that has too much to do some are told to repeat the call.
                match until_definite(reserve).await {
                    Ok(_) => drop(wins[seat as usize].fetch_add(1, Ordering::Relaxed)),
                    refusal => drop(refused(refusal, Code::FailedPrecondition, "SEAT_UNAVAILABLE")),
                }
            }
        });
    }
    while let Some(customer) = customers.join_next().await {
        customer.unwrap();
    }

    let wins: Vec<u32> = wins.iter().map(|wins| wins.load(Ordering::Relaxed)).collect();
    assert_eq!(wins, [1; ROUNDS as usize]);
    assert_eq!(replicas[1].seat_states("rock", ROUNDS).await.unwrap(), [1; ROUNDS as usize]);
}

const HOUSES: u32 = 40;
const SEATS_PER_HOUSE: u32 = 20;
const CALLS_PER_HOUSE: u32 = 30;
const SEATS_PER_CALL_MAX: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_reserves_get_all_their_seats_or_none() {
    let world = World::new().await;
    let replicas = Arc::new([world.replica().await, world.replica().await]);
    let seats = HOUSES * SEATS_PER_HOUSE;
    replicas[0].open_event("rock", seats, no_limit()).await;
    let mut rng = rand::rng();

    let mut winners: Vec<Held> = Vec::new();
    let mut losers = 0;
    for house in 0..HOUSES {
        let all: Vec<u32> = (house * SEATS_PER_HOUSE..(house + 1) * SEATS_PER_HOUSE).collect();
        let mut calls = JoinSet::new();
        let start = Arc::new(Barrier::new(CALLS_PER_HOUSE as usize));
        for call in 0..CALLS_PER_HOUSE {
            let count = rng.random_range(1..=SEATS_PER_CALL_MAX);
            let wanted: Vec<u32> = all.choose_multiple(&mut rng, count).copied().collect();
            let (start, replicas) = (Arc::clone(&start), Arc::clone(&replicas));
            calls.spawn(async move {
                start.wait().await;
                let replica = &replicas[call as usize % 2];
                let (customer, request) = (format!("c{call}"), format!("h{house}"));
                let answer = until_definite(|| replica.reserve("rock", &customer, &request, &wanted)).await;
                (wanted, answer)
            });
        }
        while let Some(call) = calls.join_next().await {
            let (mut wanted, answer) = call.unwrap();
            wanted.sort_unstable();
            if let Ok(held) = answer {
                assert_eq!(held.reservation.seat_ids, wanted);
                winners.push(held);
            } else {
                refused(answer, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
                losers += 1;
            }
        }
    }
    assert!(losers > 0, "nobody was in anybody's way");

    let mut taken = HashSet::new();
    for seat in winners.iter().flat_map(|held| &held.reservation.seat_ids) {
        assert!(taken.insert(*seat), "seat {seat} has two holders");
    }
    let map =
        |state| (0..seats).map(|seat| if taken.contains(&seat) { state } else { 0 }).collect::<Vec<u8>>();
    assert_eq!(
        replicas[0].seat_states("rock", seats).await.unwrap(),
        map(1),
        "a loser left something behind"
    );

    for (index, held) in winners.iter().enumerate() {
        let booking = replicas[index % 2].confirm(held, "pay").await.unwrap();
        assert_eq!(booking.seat_ids, held.reservation.seat_ids);
    }
    assert_eq!(replicas[1].seat_states("rock", seats).await.unwrap(), map(2));
    let sold = "SELECT count(*), count(DISTINCT seat_id) FROM booked_seats WHERE active";
    let sold = world.database.client().await.query_one(sold, &[]).await.unwrap();
    assert_eq!((sold.get::<_, i64>(0), sold.get::<_, i64>(1)), (taken.len() as i64, taken.len() as i64));
}
