//! Five servers, an event's gate on them, and no vault: rebuilt as a rebuild does it.

use std::time::Duration;

use booking_svc::{
    domain::{
        CustomerId, Epoch, Event, EventId, RequestId, Reservation, ReservationState, SalesSettings, SeatSet,
        UnixMs,
    },
    gate::{Built, Error, Extended, Found, Frozen, Gate, Granted, Options, Wait},
    tasks::Tasks,
};
use opentelemetry::global;
use redis::FromRedisValue;

use crate::support::{STORE_LIMIT, redis::Masters, wait_until};

pub(super) const PREFIX: &str = "test";
const TOMBSTONES: Duration = Duration::from_secs(60);

/// The servers, and one event.
pub(super) struct Nodes {
    pub(super) masters: Masters,
    pub(super) event: Event,
}

/// What a rebuild found.
pub(super) struct Rebuilt {
    /// Whether a majority that has forgotten nothing said so.
    pub(super) by_majority: bool,
    pub(super) live: Vec<Reservation>,
}

impl Nodes {
    /// Starts them, with the event's first epoch on them.
    pub(super) async fn start(count: usize, hold_ttl: Duration) -> (Self, Gate) {
        let event = Event {
            id: "rock".parse().unwrap(),
            name: "rock".into(),
            venue_name: "Test house".into(),
            currency: "EUR".into(),
            price_categories: vec![],
            seat_count: 100,
            settings: SalesSettings { hold_ttl, ..SalesSettings::default() },
            sales_open: true,
            revision: 1,
            epoch: Epoch(1),
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
        };
        let nodes = Self { masters: Masters::start(count).await, event };
        let (gate, _) = nodes.gate().await;
        assert!(nodes.rebuild(&gate, Epoch(1)).await.unwrap().is_some());
        (nodes, gate)
    }

    /// Another replica's gate. It follows its event until its tasks are told to stop.
    pub(super) async fn gate(&self) -> (Gate, Tasks) {
        let options = Options {
            url: self.masters.url().parse().unwrap(),
            prefix: PREFIX.into(),
            connections: 2,
            pool_wait: Duration::from_millis(200),
            tombstone_ttl: TOMBSTONES,
            wait: Wait::default(),
        };
        let tasks = Tasks::default();
        (Gate::connect(&options, &tasks, &global::meter("test")).await.unwrap(), tasks)
    }

    pub(super) fn id(&self) -> &EventId {
        &self.event.id
    }

    /// Under this epoch, or the next that nobody has seen. None where another rebuild is ahead.
    pub(super) async fn rebuild(&self, gate: &Gate, epoch: Epoch) -> Result<Option<Rebuilt>, Error> {
        let Some(rebuild) = gate.rebuild(self.id()).await? else { return Ok(None) };
        let epoch = epoch.max(Epoch(rebuild.highest_epoch().await?.0 + 1));
        let ttl = self.event.settings.hold_ttl;
        let Frozen::Old(old) = rebuild.freeze(epoch, ttl).await? else { return Ok(None) };
        let found = rebuild.survivors(old.epoch).await?;
        let survivors: Vec<Reservation> = found.reservations;
        let built = self.built(epoch, &survivors, found.now);
        let published = rebuild.publish(&built, old.epoch).await?;
        rebuild.finish().await;
        let live = survivors.iter().filter(|hold| hold.state.owns_seats()).cloned().collect();
        Ok(published.then_some(Rebuilt { by_majority: found.by_majority, live }))
    }

    /// What a rebuild publishes, where nothing was sold.
    pub(super) fn built<'a>(&'a self, epoch: Epoch, survivors: &'a [Reservation], now: UnixMs) -> Built<'a> {
        Built {
            epoch,
            event: &self.event,
            hold_ttl_longest: self.event.settings.hold_ttl,
            booked: &[],
            blocked: &[],
            survivors,
            quarantine: Duration::ZERO,
            quarantine_until: UnixMs(0),
            undecided_due: now,
            now,
        }
    }

    /// The same once the nodes that are gone are taken for it.
    pub(super) async fn take_over(&self, gate: &Gate, epoch: Epoch) -> Rebuilt {
        let mut rebuilt = None;
        wait_until("another node takes over", STORE_LIMIT, async || {
            rebuilt = self.rebuild(gate, epoch).await.ok().flatten();
            rebuilt.is_some()
        })
        .await;
        rebuilt.unwrap()
    }

    /// Who carries the event, and the others in their order.
    pub(super) async fn carrier(&self) -> (usize, Vec<usize>) {
        let count = self.masters.nodes.len();
        let carrier = self.masters.carrier_of(PREFIX, "rock").await.unwrap();
        (carrier, (1..count).map(|step| (carrier + step) % count).collect())
    }

    /// A command to one node.
    pub(super) async fn ask<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> T {
        self.masters.nodes[node].redis.ask(words).await.unwrap()
    }

    /// A node's clock.
    pub(super) async fn now(&self, node: usize) -> UnixMs {
        let (seconds, micros): (i64, i64) = self.ask(node, &["TIME"]).await;
        UnixMs(seconds * 1000 + micros / 1000)
    }

    /// Until when a node has locked a seat, by its clock. None where nobody has a lock of it.
    pub(super) async fn locked_until(&self, node: usize, seat: u32) -> Option<UnixMs> {
        let lock: Option<String> = self.ask(node, &["HGET", "test:{rock}:locks", &seat.to_string()]).await;
        lock.map(|lock| UnixMs(lock.split(' ').next().unwrap().parse().unwrap()))
    }

    /// Has a node remember a hold of a seat, under the first epoch; until when.
    pub(super) async fn put_lock(&self, node: usize, id: &str, seat: u32, left: Duration) -> UnixMs {
        let (ends, seat) = (self.now(node).await + left, seat.to_string());
        let (lock, record) = (format!("{ends} {id}"), format!("{ends} 1 H 1 2 {seat} r{id} ann"));
        let () = self.ask(node, &["HSET", "test:{rock}:locks", &seat, &lock, id, &record]).await;
        ends
    }

    /// Waits until all nodes have the hold: on a busy machine one may have been too late with its vote.
    pub(super) async fn everywhere(&self, gate: &Gate, hold: &Found) {
        wait_until("all nodes have it", STORE_LIMIT, async || {
            let shown = gate.show(&hold.reservation.id, None).await;
            shown.is_ok() && self.locked_on(hold).await.len() == self.masters.nodes.len() - 1
        })
        .await;
    }

    /// Which nodes have a lock of the hold, the carrier aside.
    pub(super) async fn locked_on(&self, hold: &Found) -> Vec<usize> {
        let (_, others) = self.carrier().await;
        let mut on = Vec::new();
        for node in others {
            let words = ["HEXISTS", "test:{rock}:locks", &hold.reservation.id.suffix()];
            if self.masters.nodes[node].redis.ask(&words).await == Ok(true) {
                on.push(node);
            }
        }
        on
    }
}

pub(super) async fn grant(gate: &Gate, customer: &str, seats: &[u32]) -> Result<Granted, Error> {
    let event: EventId = "rock".parse().unwrap();
    let (request, customer): (RequestId, CustomerId) = ("r".parse().unwrap(), customer.parse().unwrap());
    gate.grant(&event, &SeatSet::new(seats.iter().copied()).unwrap(), &request, &customer, false).await
}

/// A grant that has to succeed. On a busy machine nodes may be too late with their votes: then it is asked for again.
pub(super) async fn hold(gate: &Gate, customer: &str, seats: &[u32]) -> Found {
    let mut held = None;
    wait_until("a hold is acknowledged", STORE_LIMIT, async || {
        match grant(gate, customer, seats).await {
            Ok(Granted::New(found) | Granted::Same(found)) => held = Some(found),
            Err(Error::Unavailable(_) | Error::Cold(_)) => {}
            other => panic!("{other:?}"),
        }
        held.is_some()
    })
    .await;
    held.unwrap()
}

/// An extension that has to succeed.
pub(super) async fn extend(gate: &Gate, hold: &Found) -> Found {
    let mut extended = None;
    wait_until("an extension is acknowledged", STORE_LIMIT, async || {
        match gate.extend(&hold.reservation.id, None).await {
            Ok(Some(Extended::Until(found) | Extended::Capped(found))) => extended = Some(found),
            Err(Error::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
        extended.is_some()
    })
    .await;
    extended.unwrap()
}

/// Waits until the seat is refused because somebody has it.
pub(super) async fn taken(gate: &Gate, customer: &str, seat: u32) {
    wait_until("the seat is taken", STORE_LIMIT, async || {
        matches!(grant(gate, customer, &[seat]).await, Ok(Granted::Taken(_)))
    })
    .await;
}

/// It was not acknowledged, and is to be repeated.
#[track_caller]
pub(super) fn refused(answer: &Result<Granted, Error>) {
    assert!(matches!(answer, Err(Error::Unavailable(_) | Error::Cold(_))), "{answer:?}");
}

/// Whether the gate has the hold as it was promised.
pub(super) async fn is_held(gate: &Gate, hold: &Found) -> bool {
    let mut found = None;
    wait_until("the gate answers", STORE_LIMIT, async || {
        let answer = gate.get(&hold.reservation.id, None).await;
        answer.map(|answer| found = answer).is_ok()
    })
    .await;
    found.is_some_and(|found| found.reservation.state == ReservationState::Held)
}
