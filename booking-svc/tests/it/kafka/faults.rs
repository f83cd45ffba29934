//! What dies while bookings are told: the relay, the broker. What a consumer makes of it stays exactly the vault's bookings.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use booking_svc::booking::Step;
use testkit::{STORE_LIMIT, kafka::Broker, wait_until};
use tokio::time::sleep;

use super::{
    Load, Stage,
    load::open_events,
    metrics::{assert_documented, becomes},
};
use crate::support::{
    binary::Doomed,
    ports::Port,
    world::{Replica, Settings},
};

/// How often a thing is killed.
const KILLS: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_dies_before_it_deletes_is_repeated_by_another_with_the_same_ids() {
    let stage = Stage::new().await;
    let replica = stage.world.replica().await;
    open_events(&replica).await;
    let load = Load::start(&replica);
    load.go_on(20).await;
    load.stop().await;
    let waiting = stage.waiting().await;
    let doomed = Doomed::relay(&stage.world, &stage.broker.address(), Some(Step::RelayDelivered));
    doomed.ended().await;
    assert_eq!(stage.waiting().await, waiting, "nothing goes before its turn has ended well");
    let _other = stage.relay().await;
    let consumer = stage.assert_all_is_told().await;
    assert_eq!(consumer.duplicates() as i64, waiting, "all of the first turn was told again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_are_killed_under_load_lose_nothing() {
    let stage = Stage::new().await;
    let replica = stage.world.replica().await;
    open_events(&replica).await;
    let load = Load::start(&replica);
    for _ in 0..KILLS {
        let relay = Doomed::relay(&stage.world, &stage.broker.address(), None);
        stage.relays().await;
        relay.kill().await;
        load.go_on(20).await;
    }
    let _last = stage.relay().await;
    load.stop().await;
    stage.assert_all_is_told().await;
}

/// Notes how many relays stand at the end of a turn at once, each for a while.
fn seen(
    most: Arc<AtomicU32>,
) -> impl Fn(Step) -> Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + Sync {
    let relaying = Arc::<AtomicU32>::default();
    move |step| {
        let (relaying, most) = (Arc::clone(&relaying), Arc::clone(&most));
        Box::pin(async move {
            if step == Step::RelayDelivered {
                most.fetch_max(relaying.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(20)).await;
                relaying.fetch_sub(1, Ordering::SeqCst);
            }
        })
    }
}

/// Two replicas, whose turns are long enough to be seen: never two at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_under_load_costs_nothing_but_lag() {
    let stage = Stage::new().await;
    let most = Arc::<AtomicU32>::default();
    let hook = seen(Arc::clone(&most));
    let one = Replica::start(stage.settings().with_hook(hook.clone())).await;
    let other = Replica::start(stage.settings().with_hook(hook)).await;
    open_events(&one).await;
    let load = Load::start(&one);
    for _ in 0..KILLS {
        load.go_on(30).await;
        stage.broker.kill().await;
        load.go_on(30).await;
        assert!(one.healthy().await, "it serves without Kafka");
        stage.broker.restart().await;
    }
    load.stop().await;
    stage.assert_all_is_told().await;
    assert_eq!(most.load(Ordering::SeqCst), 1, "one relay at a time");
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_late_is_told_everything_and_metrics_say_so() {
    let stage = Stage::with(Broker::absent()).await;
    let metrics = Port::take();
    let replica =
        Replica::start(Settings { metrics_listen: Some(metrics.address()), ..stage.settings() }).await;
    open_events(&replica).await;
    let load = Load::start(&replica);
    load.go_on(50).await;
    load.stop().await;
    assert!(replica.healthy().await, "it serves without Kafka");
    let waiting = stage.waiting().await as f64;
    assert!(waiting >= 100.0, "all of it waits");
    let tells =
        async |metric, label, value: f64| becomes(metrics.address(), metric, label, |now| now >= value).await;
    tells("ticketengine_outbox_failures_total", "kafka", 1.0).await;
    tells("ticketengine_outbox_waiting", "", waiting).await;
    tells("ticketengine_outbox_lag_seconds", "", 5.0).await;
    tells("ticketengine_outbox_on", "", 1.0).await;

    stage.broker.restart().await;
    stage.assert_all_is_told().await;
    tells("ticketengine_outbox_delivered_total", "", waiting).await;
    becomes(metrics.address(), "ticketengine_outbox_waiting", "", |now| now == 0.0).await;
    becomes(metrics.address(), "ticketengine_outbox_lag_seconds", "", |now| now < 5.0).await;
    assert_documented(metrics.address(), "ticketengine_outbox_").await;
    replica.stop().await;
}

/// The broker hangs, so that the relay is in the middle of a turn; then the relay does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_sleeps_loses_its_turn_and_what_it_sends_late_does_no_harm() {
    let stage = Stage::new().await;
    let replica = stage.world.replica().await;
    open_events(&replica).await;
    let asleep = Doomed::relay(&stage.world, &stage.broker.address(), None);
    let load = Load::start(&replica);
    stage.relays().await;
    stage.broker.pause();
    load.go_on(30).await;
    asleep.pause();
    stage.broker.resume();
    let _awake = stage.relay().await;
    load.go_on(30).await;
    load.stop().await;
    wait_until("the other has the turn, and tells everything", STORE_LIMIT, async || {
        stage.waiting().await == 0
    })
    .await;
    asleep.resume();
    sleep(Duration::from_secs(1)).await;
    stage.assert_all_is_told().await;
    asleep.kill().await;
}
