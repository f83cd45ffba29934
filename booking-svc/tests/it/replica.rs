//! Lists are read on a replica, a few seconds late at most; decisions never are.

use std::time::Duration;

use booking_svc::{
    identity::Role,
    tasks::Tasks,
    vault::{Error, Options, Vault},
};
use opentelemetry::global;
use ticketengine::v1::{
    BlockSeatsRequest, GetEventRequest, ListBookingsRequest, ListEventsRequest, SalesSettings,
    UnblockSeatsRequest,
};
use tokio::time::Instant;
use tonic::Status;

use crate::support::{
    STORE_LIMIT,
    calls::{reason, until_definite},
    postgres::Server,
    wait_until,
    witness::Witness,
    world::{Replica, Settings, World, as_role, hold_ttl},
};

const EVENT: &str = "rock";
/// How old a list may be.
const AGE_MAX: Duration = Duration::from_secs(5);
/// Promised is "well under a second"; a busy machine gets some more.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_500);
/// What the replica may never be asked for.
const DECISIONS: [&str; 9] = [
    "vault_decide(",
    "vault_cancel(",
    "vault_block(",
    "vault_unblock(",
    "vault_raise_epoch(",
    "WHERE reservation_id = $1",
    "cancelled_at IS NULL",
    "blocked_seats",
    "SELECT event_id, epoch",
];

struct Stage {
    world: World,
    primary: Server,
    standby: Server,
}

impl Stage {
    async fn new() -> Self {
        let (world, primary) = tokio::join!(World::new(), Server::start());
        let standby = primary.standby().await;
        Self { world, primary, standby }
    }

    fn settings(&self) -> Settings {
        let mut settings = self.world.settings();
        settings.database_url = self.primary.url();
        settings.database_read_url = Some(self.standby.url());
        settings
    }

    fn witness(&self) -> Witness {
        Witness { database_url: self.primary.admin_url(), ..self.world.witness() }
    }

    /// From now on the standby gets all and shows nothing of it.
    async fn pause_replay(&self) {
        let standby = self.standby.client().await;
        standby.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
        wait_until("replay has stopped", STORE_LIMIT, async || {
            let state = standby.query_one("SELECT pg_get_wal_replay_pause_state()", &[]).await.unwrap();
            state.get::<_, String>(0) == "paused"
        })
        .await;
    }
}

/// A page of the event's bookings: their ids, and where the next begins.
async fn page(replica: &Replica, size: u32, token: &str) -> Result<(Vec<String>, String), Status> {
    let page_token = token.to_owned();
    let list = ListBookingsRequest {
        event_id: EVENT.into(),
        page_size: size as _,
        page_token,
        ..Default::default()
    };
    let page = replica.bookings().list_bookings(as_role(Role::Admin, "boss", list)).await?.into_inner();
    Ok((page.bookings.into_iter().map(|booking| booking.booking_id).collect(), page.next_page_token))
}

async fn listed(replica: &Replica) -> Vec<String> {
    page(replica, 100, "").await.unwrap().0
}

async fn book(replica: &Replica, seat: u32) -> String {
    let held = replica.reserve(EVENT, "ann", &format!("r{seat}"), &[seat]).await.unwrap();
    until_definite(async || replica.confirm(&held, "pay").await).await.unwrap().booking_id
}

/// All that is no list: by the primary alone, whatever the replica has.
async fn whole_life(stage: &Stage, a: &Replica) {
    let sold = book(a, 4).await;
    let booking = a.booking(&sold).await.unwrap();
    let held = a.reserve(EVENT, "bob", "r", &[5]).await.unwrap();
    a.release(&held).await.unwrap();
    let seats = || vec![7, 8];
    let block = BlockSeatsRequest { event_id: EVENT.into(), seat_ids: seats() };
    a.events().block_seats(as_role(Role::Admin, "boss", block)).await.unwrap();
    let unblock = UnblockSeatsRequest { event_id: EVENT.into(), seat_ids: seats() };
    a.events().unblock_seats(as_role(Role::Admin, "boss", unblock)).await.unwrap();
    let fresh = book(a, 6).await;
    a.cancel(&a.booking(&fresh).await.unwrap()).await.unwrap();
    stage.world.redis.flush().await;
    let refused = until_definite(async || a.reserve(EVENT, "cid", "r", &[4]).await.map(drop)).await;
    assert_eq!(reason(&refused.unwrap_err()), "SEAT_UNAVAILABLE", "the gate was rebuilt from the primary");
    assert_eq!(until_definite(async || a.booking(&sold).await).await.unwrap(), booking);
    a.open_event("jazz", 2, hold_ttl(Duration::from_secs(60))).await;
    a.reserve("jazz", "ann", "r", &[0]).await.unwrap();
    let get = GetEventRequest { event_id: "jazz".into() };
    assert_eq!(a.events().get_event(get).await.unwrap().into_inner().event.unwrap().seat_count, 2);
    stage.witness().agree(EVENT).await;
}

/// One booking that the replica has, and its replay stops: a replica of the service that asks it, and one that does not.
async fn late(stage: &Stage) -> (Replica, Replica, String) {
    let mut without = stage.settings();
    without.database_read_url = None;
    let (a, primary) = (Replica::start(stage.settings()).await, Replica::start(without).await);
    a.open_event(EVENT, 40, hold_ttl(Duration::from_secs(5))).await;
    let first = book(&a, 1).await;
    let standby = stage.standby.client().await;
    wait_until("the replica has the first booking", STORE_LIMIT, async || {
        standby.query_one("SELECT count(*) FROM bookings", &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    stage.pause_replay().await;
    (a, primary, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_late_and_decisions_are_not() {
    let stage = Stage::new().await;
    let (a, primary, first) = late(&stage).await;
    let second = book(&a, 2).await;
    assert_eq!(a.booking(&second).await.unwrap().booking_id, second);
    assert_eq!(listed(&primary).await, [first.clone(), second]);
    // It may have been left alone for a second.
    wait_until("the replica is asked", AGE_MAX, async || listed(&a).await == [first.clone()]).await;
    whole_life(&stage, &a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_a_few_seconds_late_at_most() {
    let stage = Stage::new().await;
    let (a, _, _) = late(&stage).await;
    book(&a, 2).await;
    let booked = Instant::now();
    wait_until("it is too far behind, and not asked any more", STORE_LIMIT, async || {
        listed(&a).await.len() == 2
    })
    .await;
    assert!(booked.elapsed() < AGE_MAX + ANSWER_LIMIT, "a list was {:?} old", booked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_goes_on_after_a_booking_that_the_replica_has_not_yet() {
    let stage = Stage::new().await;
    let (a, primary, _) = late(&stage).await;
    let (_, third) = (book(&primary, 2).await, book(&primary, 3).await);
    let (_, token) = page(&primary, 2, "").await.unwrap();
    let next = async || page(&a, 2, &token).await.unwrap().0;
    let began = Instant::now();
    while began.elapsed() < AGE_MAX {
        assert_eq!(next().await, std::slice::from_ref(&third));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_is_asked_for_lists_and_houses_alone() {
    let stage = Stage::new().await;
    let standby = stage.standby.client().await;
    for setting in ["log_line_prefix = '%u '", "log_statement = 'all'"] {
        standby.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    standby.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let a = Replica::start(stage.settings()).await;
    a.open_event(EVENT, 40, hold_ttl(Duration::from_secs(5))).await;
    book(&a, 1).await;
    whole_life(&stage, &a).await;
    // It may have been left alone for a second.
    let asked = |list: &str| stage.standby.log().contains(list);
    wait_until("the replica is asked for lists", STORE_LIMIT, async || {
        listed(&a).await;
        a.events().list_events(ListEventsRequest::default()).await.unwrap();
        asked("FROM bookings WHERE event_id = $1") && asked("FROM events WHERE event_id > $1")
    })
    .await;
    wait_until("the replica is asked for a house", STORE_LIMIT, async || {
        // Another process of the service has none in its memory.
        let b = Replica::start(stage.settings()).await;
        until_definite(async || b.reserve(EVENT, "dan", "r", &[9]).await).await.unwrap();
        asked("FROM seats WHERE event_id = $1")
    })
    .await;

    let log = stage.standby.log();
    let decided: Vec<_> = DECISIONS.into_iter().filter(|decision| log.contains(decision)).collect();
    assert_eq!(decided, [""; 0], "the replica was asked for what it must not say");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_gone_or_hangs_costs_no_error() {
    let stage = Stage::new().await;
    let admin = stage.primary.client().await;
    // Commits are not to wait for it.
    admin.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    stage.standby.kill().await;
    let a = Replica::start(stage.settings()).await;
    a.open_event(EVENT, 40, SalesSettings::default()).await;
    book(&a, 1).await;
    let lists_at_once = async |what: &str| {
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(listed(&a).await.len(), 1, "{what}");
            assert!(began.elapsed() < ANSWER_LIMIT, "{what}: a list took {:?}", began.elapsed());
        }
    };
    lists_at_once("it is gone").await;
    stage.standby.restart().await;
    let standby = stage.standby.client().await;
    wait_until("the replica is asked again", STORE_LIMIT, async || {
        assert_eq!(listed(&a).await.len(), 1);
        standby.query_one(READERS, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    stage.standby.pause();
    lists_at_once("it hangs").await;
    stage.standby.resume();
    book(&a, 2).await;
}

const READERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'booking-svc'";

#[tokio::test]
async fn a_url_that_leads_elsewhere_is_refused() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    let tasks = Tasks::default();
    for other in [server.url(), "postgres://a:x/te".into()] {
        let options = Options { read_url: Some(other.clone()), ..Options::new(world.database.url()) };
        let refused = Vault::connect(options, &tasks, &global::meter("test")).await.err();
        assert!(matches!(refused, Some(Error::ReadUrl(_))), "{other}: {refused:?}");
    }
    let same = Options { read_url: Some(world.database.url()), ..Options::new(world.database.url()) };
    Vault::connect(same, &tasks, &global::meter("test")).await.unwrap();
}
