//! A sale that goes on while something fails: customers who hold seats and book them, and what they were told.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use tonic::{Code, Status};

use crate::support::{
    STORE_LIMIT,
    calls::reason,
    database::Database,
    redis::Cluster,
    wait_until,
    witness::Witness,
    world::{Replica, Settings, hold_ttl},
};

/// Longer than a failover takes, so that its holds outlive it.
pub(crate) const HOLD_TTL: Duration = Duration::from_secs(7);
/// How long a primary that was cut off may go on, in these tests.
pub(crate) const FAILOVER_LAG: Duration = Duration::from_secs(2);
/// Few, so that customers want the same ones.
const SEATS: u32 = 60;
/// Redis needs its turn, too: nodes that get none take each other for dead.
const THINKS: Duration = Duration::from_millis(40);
const CUSTOMERS: u64 = 12;

/// Events, the replicas that sell them, and what the customers were told.
pub(crate) struct Sale {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) events: Vec<String>,
    database: Database,
    over: AtomicBool,
    /// When holds were acknowledged, by event.
    granted: Mutex<HashMap<String, Vec<Instant>>>,
    /// Bookings that stay.
    booked: Mutex<Vec<(String, String, u32)>>,
    /// Holds that were acknowledged and then refused before their time.
    lost: Mutex<Vec<String>>,
}

impl Sale {
    /// Opens the sales through two replicas.
    pub(crate) async fn open(redis_url: &str, events: Vec<String>, change: impl Fn(&mut Settings)) -> Self {
        let database = Database::create().await;
        let mut settings = Settings::new(redis_url, &database.url());
        settings.redis_failover_lag = FAILOVER_LAG;
        change(&mut settings);
        let replicas = vec![Replica::start(settings.clone()).await, Replica::start(settings).await];
        for event in &events {
            replicas[0].open_event(event, SEATS, hold_ttl(HOLD_TTL)).await;
        }
        Self {
            replicas,
            events,
            database,
            over: AtomicBool::new(false),
            granted: Mutex::default(),
            booked: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// One event on each shard of a cluster.
    pub(crate) async fn on(cluster: &Cluster, change: impl Fn(&mut Settings)) -> Self {
        Self::open(&cluster.url(), one_event_a_shard(cluster).await, change).await
    }

    /// Sells until `faults` are over, then checks what became of every promise.
    pub(crate) async fn during(&self, faults: impl Future<Output = ()>) {
        let customers = join_all((0..CUSTOMERS).map(|n| self.customer(n)));
        let faults = async {
            faults.await;
            self.over.store(true, Ordering::SeqCst);
        };
        tokio::join!(customers, faults);
        let lost = self.lost.lock().unwrap();
        assert!(lost.is_empty(), "acknowledged, and then refused before their time: {lost:#?}");
    }

    /// Holds seats, books them, and mostly cancels, so that the next may have them.
    async fn customer(&self, n: u64) {
        let mut random = StdRng::seed_from_u64(n);
        for round in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let replica = &self.replicas[random.random_range(0..self.replicas.len())];
            let event = &self.events[random.random_range(0..self.events.len())];
            let (seat, name) = (random.random_range(0..SEATS), format!("c{n}-{round}"));
            let asked = Instant::now();
            let held = match replica.reserve(event, &name, "r", &[seat]).await {
                Ok(held) => held,
                Err(status) => {
                    check(&status);
                    sleep(THINKS).await;
                    continue;
                }
            };
            self.granted.lock().unwrap().entry(event.clone()).or_default().push(Instant::now());
            sleep(Duration::from_millis(random.random_range(0..300))).await;
            match until_known(async || replica.confirm(&held, "pay").await).await {
                Ok(booking) if random.random_bool(0.98) => {
                    until_known(async || replica.cancel(&booking).await).await.unwrap();
                }
                Ok(_) => self.booked.lock().unwrap().push((event.clone(), held.id(), seat)),
                // An outage does not stop the clock of a hold; but before its time nothing ends it.
                Err(status) if asked.elapsed() < HOLD_TTL => {
                    let id = held.id();
                    self.lost.lock().unwrap().push(format!("{id} after {:?}: {status:?}", asked.elapsed()));
                }
                Err(_) => {}
            }
        }
    }

    /// How many holds of an event were acknowledged since then.
    pub(crate) fn granted_since(&self, event: &str, since: Instant) -> usize {
        let granted = self.granted.lock().unwrap();
        granted.get(event).map_or(0, |times| times.iter().filter(|at| **at > since).count())
    }

    /// When the first hold of an event was acknowledged after then.
    pub(crate) fn first_granted(&self, event: &str, after: Instant) -> Option<Instant> {
        let granted = self.granted.lock().unwrap();
        granted.get(event)?.iter().filter(|at| **at > after).min().copied()
    }

    /// Waits until some more holds of an event are acknowledged.
    pub(crate) async fn goes_on(&self, event: &str) {
        let since = Instant::now();
        wait_until("the sale goes on", STORE_LIMIT, async || self.granted_since(event, since) >= 3).await;
    }

    /// Waits until some more holds of all events are acknowledged.
    pub(crate) async fn goes_on_everywhere(&self) {
        for event in &self.events {
            self.goes_on(event).await;
        }
    }

    /// Both stores say the same of an event, and all that was told.
    pub(crate) async fn agrees(&self, event: &str, redis_url: String) {
        let witness = Witness { redis_url, database_url: self.database.admin_url() };
        witness.agree(event).await;
        let owners = witness.owners(event).await;
        for (_, id, seat) in self.booked.lock().unwrap().iter().filter(|(of, ..)| of == event) {
            assert_eq!(owners.get(&(*seat as i32)), Some(id), "an acknowledged booking is lost");
        }
    }

    /// The same of all events of a cluster.
    pub(crate) async fn agrees_with(&self, cluster: &Cluster) {
        for event in &self.events {
            self.agrees(event, cluster.admin_url_of(event).await).await;
        }
    }
}

/// What a call may hear on a machine that has too much to do: nobody knows what became of it.
fn is_unknown(status: &Status) -> bool {
    [Code::Unavailable, Code::DeadlineExceeded].contains(&status.code())
}

/// Repeats a call until its outcome is known.
async fn until_known<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    let began = Instant::now();
    loop {
        match call().await {
            Err(status) if is_unknown(&status) && began.elapsed() < STORE_LIMIT => sleep(THINKS).await,
            answer => return answer,
        }
    }
}

/// A call may be refused for a seat that is taken, or be asked to come back; nothing else.
fn check(status: &Status) {
    let fine = is_unknown(status)
        || status.code() == Code::FailedPrecondition && reason(status) == "SEAT_UNAVAILABLE";
    assert!(fine, "{status:?}");
}

/// Names of events, by the node that has them to begin with.
pub(crate) async fn one_event_a_shard(cluster: &Cluster) -> Vec<String> {
    let shards = (0..3).map(|shard| events_on(cluster, shard, 1));
    join_all(shards).await.into_iter().flatten().collect()
}

/// Names of so many events that a node has to begin with.
pub(crate) async fn events_on(cluster: &Cluster, shard: usize, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for n in 0.. {
        let name = format!("e{n}");
        if cluster.first_primary_of(&name).await == shard {
            names.push(name);
        }
        if names.len() == count {
            break;
        }
    }
    names
}
