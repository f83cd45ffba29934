//! A sale over five servers, of which some die.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::Code;

use crate::{
    cluster::sale::Sale,
    support::{
        STORE_LIMIT,
        calls::{Held, reason, until_definite},
        redis::Masters,
        wait_until,
        world::hold_ttl,
    },
    watch::reader::Reader,
};

const EVENTS: [&str; 2] = ["rock", "jazz"];
/// An event beside the sale, whose holds last longer than any outage here.
const OURS: &str = "ours";
const OUR_TTL: Duration = Duration::from_secs(120);
const OUR_SEATS: u32 = 20;

async fn open(masters: &Masters) -> Sale {
    let (url, events) = (masters.url(), EVENTS.map(str::to_owned).to_vec());
    let sale = Sale::open(&url, events, |settings| settings.redis_failover_lag = Duration::ZERO).await;
    sale.replicas[0].open_event(OURS, OUR_SEATS, hold_ttl(OUR_TTL)).await;
    sale
}

/// Holds all seats of our own event.
async fn hold(sale: &Sale) -> Vec<Held> {
    let reserve = async |seat: u32| {
        let customer = format!("c{seat}");
        until_definite(async || sale.replicas[0].reserve(OURS, &customer, "r", &[seat]).await).await
    };
    join_all((0..OUR_SEATS).map(reserve)).await.into_iter().map(Result::unwrap).collect()
}

/// Each can be confirmed.
async fn confirm_all(sale: &Sale, holds: &[Held]) {
    for (n, held) in holds.iter().enumerate() {
        let booking = until_definite(async || sale.replicas[n % 2].confirm(held, "pay").await).await;
        assert!(booking.is_ok(), "{n}: {booking:?}");
    }
    let states = until_definite(async || sale.replicas[0].seat_states(OURS, OUR_SEATS).await).await.unwrap();
    assert!(states.iter().all(|state| *state == 2), "{states:?}");
}

async fn agrees(sale: &Sale, masters: &Masters) {
    for event in EVENTS.into_iter().chain([OURS]) {
        let carrier = masters.wait_for_carrier("te", event, None).await;
        sale.agrees(event, masters.nodes[carrier].redis.admin_url()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_five_die_with_a_carrier_and_no_hold_is_lost() {
    let masters = Masters::start(5).await;
    let sale = open(&masters).await;
    let mut reader = Reader::begun(&sale.replicas[1], OURS).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        let mut holds = hold(&sale).await;
        // Every second has lost its token.
        holds.iter_mut().step_by(2).for_each(|held| held.token.clear());
        let carrier = masters.carrier_of("te", OURS).await.unwrap();
        let other = (carrier + 2) % 5;
        tokio::join!(masters.nodes[carrier].redis.kill(), masters.nodes[other].redis.kill());
        confirm_all(&sale, &holds).await;
        assert_ne!(masters.wait_for_carrier("te", OURS, None).await, carrier);
        sale.goes_on_everywhere().await;
        wait_until("two of five are no reason to go out of service", STORE_LIMIT, async || {
            sale.replicas[0].healthy().await
        })
        .await;
    };
    sale.during(faults).await;
    agrees(&sale, &masters).await;
    wait_until("watchers have seen it all", STORE_LIMIT, async || {
        reader.read().await.unwrap();
        (0..OUR_SEATS).all(|seat| reader.state(seat) as u8 == 2)
    })
    .await;
    assert!(reader.snapshots >= 2, "another epoch is another history");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_five_die_and_the_sale_stands_still_until_they_are_back() {
    let masters = Masters::start(5).await;
    let sale = open(&masters).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        let holds = hold(&sale).await;
        let carrier = masters.carrier_of("te", OURS).await.unwrap();
        let dead = [carrier, (carrier + 1) % 5, (carrier + 3) % 5];
        join_all(dead.map(|node| masters.nodes[node].redis.kill())).await;
        let killed = Instant::now();
        while killed.elapsed() < Duration::from_secs(4) {
            for (n, event) in EVENTS.iter().enumerate() {
                let refused = sale.replicas[n].reserve(event, "new", "r", &[50]).await;
                let refused = refused.expect_err("nobody is promised anything");
                let fine = refused.code() == Code::Unavailable || reason(&refused) == "SEAT_UNAVAILABLE";
                assert!(fine, "{refused:?}");
            }
        }
        join_all(dead.map(|node| masters.nodes[node].redis.restart())).await;
        // What nobody remembers the tokens bring back.
        confirm_all(&sale, &holds).await;
        sale.goes_on_everywhere().await;
    };
    sale.during(faults).await;
    agrees(&sale, &masters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_sleep_and_wake_in_the_middle_of_a_sale() {
    let masters = Masters::start(3).await;
    let sale = open(&masters).await;
    let faults = async {
        for round in 0..3 {
            sale.goes_on_everywhere().await;
            let event = EVENTS[round % 2];
            let carrier = masters.carrier_of("te", event).await.unwrap();
            masters.nodes[carrier].redis.pause();
            masters.wait_for_carrier("te", event, Some(carrier)).await;
            sale.goes_on_everywhere().await;
            masters.nodes[carrier].redis.resume();
        }
        sale.goes_on_everywhere().await;
    };
    sale.during(faults).await;
    agrees(&sale, &masters).await;
}
