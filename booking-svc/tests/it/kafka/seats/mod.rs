//! Seats, told to Kafka: who takes what leads further has the board, whatever dies in between.

mod reader;

use std::{net::SocketAddr, time::Duration};

use rdkafka::{consumer::Consumer as _, metadata::MetadataTopic};
use testkit::{STORE_LIMIT, calls::until_definite, holds_within, wait_until};

use self::reader::{CHANGED, Reader, SNAPSHOT, Told, states};
use super::{
    Load, SEATS_TOPIC, Stage, TOPIC,
    consumer::from_the_beginning,
    load::{EVENTS, LIMIT, open_events},
    metrics::{assert_documented, becomes, scrape},
};
use crate::support::{
    binary::Doomed,
    calls::Held,
    ports::Port,
    world::{Replica, Settings, hold_ttl},
};

/// Longer than a test: each snapshot has another reason.
const NEVER: Duration = Duration::from_secs(600);
/// How often a thing is killed.
const KILLS: u32 = 2;
/// Records of one event that wait for a broker, however many versions there are: one of each lead that ended meanwhile, at most.
const WAITING_MAX: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_a_cloudevent_and_snapshots_come_first_with_each_epoch_and_now_and_then() {
    let stage = Stage::new().await;
    let replica = Replica::start(stage.with_seats(Duration::from_secs(1))).await;
    replica.open_event("rock", 100, hold_ttl(Duration::from_secs(60))).await;
    let mut reader = Reader::new(&stage.broker.address());
    reader.until("a snapshot", |reader| reader.count(SNAPSHOT) > 0).await;
    let free = states(&replica, "rock").await;
    let held: Held = replica.reserve("rock", "ann", "r", &[4, 5]).await.unwrap();
    reader.until_as_at(&replica, &["rock"]).await;
    replica.confirm(&held, "pay").await.unwrap();
    reader.until_as_at(&replica, &["rock"]).await;
    let repeated = |reader: &Reader| {
        let last = reader.told.last().unwrap();
        last.is(SNAPSHOT) && reader.told.iter().filter(|told| told.id() == last.id()).count() > 2
    };
    reader.until("snapshots where nothing changes", repeated).await;

    let (first, change) = (&reader.told[0], reader.told.iter().find(|told| told.is(CHANGED)).unwrap());
    let (epoch, version) = (free.epoch, free.version);
    assert_record(first, &format!("rock.{epoch}.{version}/snapshot"));
    assert_record(change, &format!("rock.{epoch}.{version}-{}/changes", version + 1));

    // Redis forgets everything: the gate is rebuilt under a higher epoch.
    stage.world.redis.flush().await;
    until_definite(async || replica.reserve("rock", "bob", "r", &[50]).await).await.ok();
    wait_until("another epoch", STORE_LIMIT, async || states(&replica, "rock").await.epoch > epoch).await;
    reader.until_as_at(&replica, &["rock"]).await;
    replica.stop().await;
}

fn assert_record(told: &Told, id: &str) {
    let kind = if told.is(SNAPSHOT) { SNAPSHOT } else { CHANGED };
    let expected = [
        ("ce_id", id),
        ("ce_partitionkey", "rock"),
        ("ce_source", "/ticketengine/seats"),
        ("ce_specversion", "1.0"),
        ("ce_subject", "rock"),
        ("ce_type", kind),
        ("content-type", "application/protobuf"),
    ];
    let mut headers: Vec<_> =
        told.headers.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    headers.sort_unstable();
    assert_eq!((told.key.as_str(), &headers[..]), ("rock", &expected[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_are_killed_under_load_leave_no_gap() {
    let stage = Stage::new().await;
    let replica = stage.world.replica().await;
    open_events(&replica).await;
    let load = Load::start(&replica);
    let mut reader = Reader::new(&stage.broker.address());
    for round in 1..=KILLS as usize {
        let relay = Doomed::relay_of_seats(&stage.world, &stage.broker.address(), SEATS_TOPIC);
        let begun = |reader: &Reader| reader.count(SNAPSHOT) >= round * EVENTS.len();
        reader.until("who takes over begins with a snapshot of each event", begun).await;
        let before = reader.count(CHANGED);
        reader.until("changes", |reader| reader.count(CHANGED) > before + 20).await;
        relay.kill().await;
        load.go_on(20).await;
    }
    let last = Replica::start(stage.with_seats(NEVER)).await;
    load.go_on(20).await;
    load.stop().await;
    reader.until_as_at(&replica, &EVENTS).await;
    last.stop().await;
}

/// Two replicas, so that the lead can go from one to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_under_load_makes_nobody_wait_and_nothing_queue() {
    let stage = Stage::new().await;
    let one = Replica::start(stage.with_seats(NEVER)).await;
    let other = Replica::start(stage.with_seats(NEVER)).await;
    open_events(&one).await;
    let load = Load::start(&one);
    load.go_on(30).await;
    let mut early = Reader::new(&stage.broker.address());
    early.until("changes", |reader| reader.count(CHANGED) > 20).await;
    stage.broker.kill().await;
    let begin = versions(&one).await;
    load.go_on(100).await;
    assert!(one.healthy().await, "it serves without Kafka");
    let end = versions(&one).await;
    stage.broker.restart().await;
    load.go_on(30).await;
    load.stop().await;

    let mut reader = Reader::new(&stage.broker.address());
    reader.until_as_at(&one, &EVENTS).await;
    early.until_as_at(&one, &EVENTS).await;
    for (event, (begin, end)) in EVENTS.iter().zip(begin.into_iter().zip(end)) {
        let meanwhile = |told: &&Told| told.at.0 == *event && (begin + 1..=end).contains(&told.at.1.version);
        let records = reader.told.iter().filter(meanwhile).count();
        assert!(end - begin > 40 && records <= WAITING_MAX, "{records} records, {begin} to {end}");
    }
    one.stop().await;
    other.stop().await;
}

async fn versions(replica: &Replica) -> Vec<u64> {
    let mut versions = Vec::new();
    for event in EVENTS {
        versions.push(states(replica, event).await.version);
    }
    versions
}

/// Events that the replica there tells of.
async fn tells_of(metrics: SocketAddr) -> f64 {
    let scrape = scrape(metrics).await;
    let line = scrape.lines().find(|line| line.starts_with("ticketengine_seats_topic_events"));
    line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_tells_and_when_it_stops_another_goes_on() {
    let stage = Stage::new().await;
    let (mut ports, mut replicas) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let port = Port::take();
        let metrics_listen = Some(port.address());
        replicas.push(Replica::start(Settings { metrics_listen, ..stage.with_seats(NEVER) }).await);
        ports.push(port);
    }
    open_events(&replicas[0]).await;
    let all = EVENTS.len() as f64;
    wait_until("all are told of", LIMIT, async || {
        tells_of(ports[0].address()).await + tells_of(ports[1].address()).await == all
    })
    .await;
    let leader = usize::from(tells_of(ports[1].address()).await == all);
    let both =
        holds_within(Duration::from_secs(3), async || tells_of(ports[1 - leader].address()).await > 0.0);
    assert!(!both.await, "one at a time");
    let mut reader = Reader::new(&stage.broker.address());
    reader.until_as_at(&replicas[0], &EVENTS).await;

    let (stopped, other) = (replicas.remove(leader), ports.remove(1 - leader));
    stopped.stop().await;
    let replica = replicas.remove(0);
    let told = ["snapshot", "changes"];
    replica.reserve("rock", "ann", "r", &[1]).await.unwrap();
    becomes(other.address(), "ticketengine_seats_topic_records_total", told[0], |now| now >= all).await;
    replica.reserve("rock", "ann", "s", &[2]).await.unwrap();
    becomes(other.address(), "ticketengine_seats_topic_records_total", told[1], |now| now >= 1.0).await;
    reader.until_as_at(&replica, &EVENTS).await;
    assert_documented(other.address(), "ticketengine_seats_topic_").await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_topic_is_named_nothing_is_told_of_seats() {
    let stage = Stage::new().await;
    let metrics = Port::take();
    let settings = Settings { metrics_listen: Some(metrics.address()), ..stage.settings() };
    let replica = Replica::start(settings).await;
    open_events(&replica).await;
    let load = Load::start(&replica);
    load.go_on(5).await;
    load.stop().await;
    stage.assert_all_is_told().await;
    let client = from_the_beginning(&stage.broker.address(), TOPIC);
    let topics = client.fetch_metadata(None, STORE_LIMIT).unwrap();
    let topics: Vec<_> = topics.topics().iter().map(MetadataTopic::name).collect();
    assert!(topics.contains(&TOPIC) && !topics.contains(&SEATS_TOPIC), "{topics:?}");
    let scrape = scrape(metrics.address()).await;
    assert!(!scrape.contains("ticketengine_seats_topic_"), "{scrape}");
    replica.stop().await;
}
