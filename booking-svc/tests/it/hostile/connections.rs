//! Connections are bounded: one too many is closed at once, and those that are there go on.

use std::time::Duration;

use super::frames::Raw;
use crate::support::{
    STORE_LIMIT,
    calls::Caller,
    wait_until,
    world::{Replica, World},
};

const CONNECTIONS: usize = 5;
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.connections_max = CONNECTIONS;
    let a = Replica::start(settings).await;
    a.open_event("rock", 10, Default::default()).await;
    // The replica's own client is one of them.
    let mut open = Vec::new();
    for _ in 1..CONNECTIONS {
        open.push(Raw::open(&a.address, &[]).await);
    }
    for raw in &mut open {
        assert!(raw.next().await.is_some(), "it is served");
    }
    for _ in 0..20 {
        assert!(Raw::silent(&a.address).await.ends_within(AT_ONCE).await, "there is no place");
    }
    assert!(Caller::new(&a.address).seat_states("rock", 1).await.is_err());
    a.reserve("rock", "ann", "r", &[1]).await.expect("who is connected is served");
    drop(open.pop());
    wait_until("a place is free", STORE_LIMIT, async || {
        Caller::new(&a.address).seat_states("rock", 1).await.is_ok()
    })
    .await;
}
