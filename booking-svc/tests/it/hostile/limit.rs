//! One customer against his limit, with all he has.

use std::{collections::BTreeSet, slice};

use futures_util::future::join_all;
use tonic::Code;

use crate::support::{
    calls::{Caller, refused, until_definite},
    world::World,
};

const RESERVES: u32 = 1_000;
/// Seats per customer, by default.
const LIMIT: usize = 8;
/// Of each of two replicas.
const CONNECTIONS: usize = 4;

/// Connections to two replicas, one for each call in turn.
fn connections(replicas: [&Caller; 2]) -> Vec<Caller> {
    (0..2 * CONNECTIONS).map(|n| Caller::new(&replicas[n % 2].address)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reserves_at_once_get_the_limit_and_no_more() {
    let world = World::new().await;
    let (a, b) = tokio::join!(world.replica(), world.replica());
    a.open_event("rock", RESERVES, Default::default()).await;
    let callers = connections([&a, &b]);
    let calls = (0..RESERVES).map(|seat| {
        let caller = &callers[seat as usize % callers.len()];
        async move {
            let request = format!("r{seat}");
            until_definite(|| caller.reserve("rock", "ann", &request, slice::from_ref(&seat))).await
        }
    });
    let mut granted = BTreeSet::new();
    for answer in join_all(calls).await {
        match answer {
            Ok(held) => granted.extend(held.reservation.seat_ids),
            refusal => drop(refused(refusal, Code::ResourceExhausted, "CUSTOMER_LIMIT")),
        }
    }
    assert_eq!(granted.len(), LIMIT, "{granted:?}");
    let held = |states: Vec<u8>| -> BTreeSet<u32> {
        (0..).zip(states).filter(|(_, state)| *state != 0).map(|(seat, _)| seat).collect()
    };
    assert_eq!(held(b.seat_states("rock", RESERVES).await.unwrap()), granted);
    // Whoever else comes has his own.
    a.reserve("rock", "bob", "r", &[RESERVES - 1]).await.map_or_else(
        |_| assert!(granted.contains(&(RESERVES - 1))),
        |held| assert_eq!(held.reservation.customer_id, "bob"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_repeats_at_once_are_one_reservation() {
    let world = World::new().await;
    let (a, b) = tokio::join!(world.replica(), world.replica());
    a.open_event("rock", 10, Default::default()).await;
    let callers = connections([&a, &b]);
    let calls = (0..RESERVES).map(|n| {
        let caller = &callers[n as usize % callers.len()];
        async move { until_definite(|| caller.reserve("rock", "ann", "r", &[1, 2, 3])).await }
    });
    let ids: BTreeSet<_> = join_all(calls).await.into_iter().map(|held| held.unwrap().id()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(b.seat_states("rock", 10).await.unwrap(), [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    // Three of eight are taken: five go, six do not.
    let six = a.reserve("rock", "ann", "six", &[4, 5, 6, 7, 8, 9]).await;
    refused(six, Code::ResourceExhausted, "CUSTOMER_LIMIT");
    b.reserve("rock", "ann", "five", &[4, 5, 6, 7, 8]).await.unwrap();
}
