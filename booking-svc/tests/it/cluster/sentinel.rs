//! Sentinel replaces a primary in the middle of a sale.

use booking_svc::gate::Error;

use super::sale::Sale;
use crate::{
    gate::house::House,
    support::{STORE_LIMIT, redis::Replicated, wait_until},
};

async fn failover(pause: bool) {
    let redis = Replicated::start(3, "").await;
    let sale = Sale::open(&redis.url(), vec!["rock".into()], |_| {}).await;
    let faults = async {
        sale.goes_on_everywhere().await;
        if pause {
            redis.nodes[0].pause();
        } else {
            redis.nodes[0].kill().await;
        }
        wait_until("the replica takes over", STORE_LIMIT, async || redis.primary().await == Some(1)).await;
        sale.goes_on_everywhere().await;
        if pause {
            // It does not know yet that it was replaced, and the service has had connections to it.
            redis.nodes[0].resume();
            sale.goes_on_everywhere().await;
            redis.wait_until_whole().await;
            sale.goes_on_everywhere().await;
        }
    };
    sale.during(faults).await;
    sale.agrees("rock", redis.nodes[1].admin_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_is_followed_to_its_replica() {
    failover(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_frozen_is_not_asked_again() {
    failover(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_primary_that_was_replaced_are_given_up_though_they_work() {
    let redis = Replicated::start(3, "").await;
    let house = House::open_at(&redis.url(), "rock", 100).await;
    house.hold("ann", &[1]).await;
    // Nobody asks it meanwhile: no connection breaks.
    redis.nodes[0].pause();
    wait_until("the replica takes over", STORE_LIMIT, async || redis.primary().await == Some(1)).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    redis.nodes[0].resume();
    // The old one would say that all is well; the new one has another incarnation.
    for _ in 0..10 {
        let alive = house.gate.alive(house.id()).await;
        assert!(matches!(&alive, Err(Error::Cold(_) | Error::Unavailable(_))), "{alive:?}");
    }
    wait_until(
        "the new one says so",
        STORE_LIMIT,
        async || matches!(house.gate.alive(house.id()).await, Err(Error::Cold(why)) if why == "incarnation"),
    )
    .await;
}
