//! Each of the gate's keys is lost once: the event heals by itself, and what was held or sold stays so.

use std::time::Duration;

use crate::support::{
    STORE_LIMIT,
    calls::{reason, until_definite},
    wait_until,
    world::{World, hold_ttl},
};

#[tokio::test]
async fn a_lost_key_is_noticed_and_the_event_is_sold_on() {
    let world = World::new().await;
    let replica = world.replica().await;
    for key in ["seats", "map", "reservations", "requests", "expiry", "customers", "meta"] {
        let event = format!("lost-{key}");
        replica.open_event(&event, 50, hold_ttl(Duration::from_secs(1))).await;
        let sold = replica.reserve(&event, "ann", "r1", &[1]).await.unwrap();
        replica.confirm(&sold, "pay").await.unwrap();
        let mut redis = world.redis.client().await;
        let name = match key {
            "meta" => format!("te:{{{event}}}:meta"),
            _ => format!("te:{{{event}}}:1:{key}"),
        };
        let gone: u32 = redis::cmd("DEL").arg(name).query_async(&mut redis).await.unwrap();
        assert_eq!(gone, 1);
        wait_until("the event is sold on", STORE_LIMIT, async || {
            match replica.reserve(&event, "bob", "r2", &[2]).await {
                Ok(_) => true,
                Err(refused) => {
                    assert_eq!(refused.code(), tonic::Code::Unavailable, "{key}: {refused}");
                    false
                }
            }
        })
        .await;
        // A free seat may be sold before the loss is noticed: a refusal notices it, too.
        let refused = until_definite(async || replica.reserve(&event, "cid", "r3", &[1]).await).await;
        assert_eq!(reason(&refused.unwrap_err()), "SEAT_UNAVAILABLE", "{key}");
    }
}

#[tokio::test]
async fn ids_of_events_that_never_were_are_not_found_and_disturb_nobody() {
    let world = World::new().await;
    let replica = world.replica().await;
    replica.open_event("rock", 50, hold_ttl(Duration::from_secs(60))).await;
    let mut held = replica.reserve("rock", "ann", "r1", &[1]).await.unwrap();
    held.reservation.reservation_id = "nosuch.1.1".into();
    held.token.clear();
    for refused in [
        replica.confirm(&held, "pay").await.unwrap_err(),
        replica.extend(&held).await.unwrap_err(),
        replica.release(&held).await.unwrap_err(),
        replica.reservation(&held).await.unwrap_err(),
    ] {
        assert_eq!(reason(&refused), "RESERVATION_NOT_FOUND");
    }
}
