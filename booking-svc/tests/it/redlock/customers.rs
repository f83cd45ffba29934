//! What customers are told stays true over a takeover, whatever the nodes' clocks say.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tonic::Code;

use crate::support::{
    calls::{refused, until_definite},
    database::Database,
    redis::Masters,
    world::{Replica, Settings, hold_ttl},
};

async fn open(ttl: Duration) -> (Masters, Database, Replica) {
    let (masters, database) = tokio::join!(Masters::start(3), Database::create());
    let replica = Replica::start(Settings::new(&masters.url(), &database.url())).await;
    replica.open_event("rock", 10, hold_ttl(ttl)).await;
    (masters, database, replica)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_was_refused_as_ended_is_no_booking_after_a_takeover() {
    let ttl = Duration::from_secs(2);
    let (masters, _database, replica) = open(ttl).await;
    let carrier = masters.carrier_of("te", "rock").await.unwrap();
    let reserve = async |customer, seat| {
        until_definite(async || replica.reserve("rock", customer, "r", &[seat]).await).await
    };
    let (ann, eve) = (reserve("ann", 1).await.unwrap(), reserve("eve", 2).await.unwrap());
    // Elsewhere their locks last on.
    for (_, node) in masters.nodes.iter().enumerate().filter(|(node, _)| *node != carrier) {
        node.clock.set_ahead_ms(-60_000);
    }
    sleep(ttl).await;
    let extended = until_definite(async || replica.extend(&ann).await).await;
    refused(extended, Code::FailedPrecondition, "HOLD_EXPIRED");
    refused(reserve("eve", 2).await, Code::FailedPrecondition, "HOLD_EXPIRED");
    masters.nodes[carrier].redis.kill().await;
    for held in [ann, eve] {
        let confirmed = until_definite(async || replica.confirm(&held, "pay").await).await;
        refused(confirmed, Code::FailedPrecondition, "HOLD_EXPIRED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_a_node_whose_clock_is_ahead_does_not_prolong_a_hold() {
    let ttl = Duration::from_secs(60);
    let (masters, _database, replica) = open(ttl).await;
    let carrier = masters.carrier_of("te", "rock").await.unwrap();
    masters.nodes[carrier].clock.set_ahead_ms(3_600_000);
    let held = until_definite(async || replica.reserve("rock", "ann", "r", &[1]).await).await.unwrap();
    masters.nodes[carrier].redis.kill().await;
    masters.wait_for_carrier("te", "rock", Some(carrier)).await;
    let shown = until_definite(async || replica.reservation(&held).await).await.unwrap();
    let ends: SystemTime = shown.expire_time.unwrap().try_into().unwrap();
    assert!(ends <= SystemTime::now() + ttl, "{ends:?}");
    let booking = until_definite(async || replica.confirm(&held, "pay").await).await;
    assert!(booking.is_ok(), "{booking:?}");
}
