//! Tells Kafka of seats: of each event a snapshot, and then its changes, as WatchSeats has them.
//!
//! Invariant: what one relay delivers of an event begins with a snapshot, and each further record continues a version that it
//! has told. So who takes what leads further and drops the rest has the board, however many relays tell, one asleep included.
//!
//! Nothing is queued: of each event one record is under way, and what changes meanwhile is in the next one, merged. Kafka that
//! is away costs a record and a position an event.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    future::pending,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use opentelemetry::metrics::Meter;
use rand::Rng;
use ticketengine::v1::watch_seats_response::Message as Watched;
use tokio::{
    select,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    DELIVERY_WAIT, Error, Options, TURN_MAX, after,
    message::Message,
    metrics::{Failed, SeatsMetrics, Told},
    pause,
    producer::{Client, Producer},
};
use crate::{
    booking::Engine,
    domain::EventId,
    limits::BOARDS_MAX,
    vault::{self, Election, Lead},
};

/// Events that are told of at once. Each takes a board, and a part of what one reader of the log reads at a time.
const EVENTS_MAX: usize = 128;
/// How long an event is told of after its sale: holds end, and bookings are cancelled.
const AFTER_CLOSE: Duration = Duration::from_secs(60 * 60);
/// Between two looks for events that are new, or over.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// Between two words to PostgreSQL that the lead is kept.
const KEEP_EVERY: Duration = Duration::from_secs(2);
/// Between two attempts to get the lead.
const STAND_EVERY: Duration = Duration::from_secs(1);
/// After all boards were taken.
const BOARD_AGAIN: Duration = Duration::from_secs(5);
/// A lead that lasted so long before it failed has not failed in a row.
const FAILURE_FORGOTTEN: Duration = Duration::from_secs(60);

// Watchers find boards, too.
const _: () = assert!(EVENTS_MAX <= BOARDS_MAX / 2);
// Leads that end because Kafka does not answer are in a row.
const _: () = assert!(DELIVERY_WAIT.as_secs() < FAILURE_FORGOTTEN.as_secs());
const _: () = assert!(2 * KEEP_EVERY.as_secs() < TURN_MAX.as_secs());

/// What is told of seats.
#[derive(Clone, Debug)]
pub struct SeatsOptions {
    /// Where it goes.
    pub topic: String,
    /// Between two snapshots of an event: who begins to read waits so long at most.
    pub snapshot_every: Duration,
}

/// The relay of seats of one replica.
pub struct SeatsRelay {
    election: Election,
    producer: Producer,
    engine: Engine,
    metrics: SeatsMetrics,
    snapshot_every: Duration,
}

/// Why a lead ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the lead: {0}")]
    Lead(#[from] vault::Error),
    #[error("Kafka: {0}")]
    Kafka(#[from] Error),
}

impl SeatsRelay {
    /// One that has not begun; None where nobody wants to hear of seats.
    pub fn new(
        options: &Options,
        election: Election,
        engine: Engine,
        meter: &Meter,
    ) -> Result<Option<Self>, Error> {
        let Some(SeatsOptions { topic, snapshot_every }) = options.seats.clone() else { return Ok(None) };
        let producer = Producer::new(&Options { topic, ..options.clone() })?;
        Ok(Some(Self { election, producer, engine, metrics: SeatsMetrics::new(meter), snapshot_every }))
    }

    /// Tells when it has the lead, until `stop`, or until this replica ends its watches: then another takes the lead at once.
    pub async fn run(mut self, stop: CancellationToken) {
        let watches_end = self.engine.watches_end();
        select! {
            () = self.lead_whenever_possible() => {}
            () = stop.cancelled() => {}
            () = watches_end.cancelled() => {}
        }
        self.metrics.follows(0);
        self.producer.renew().await;
    }

    async fn lead_whenever_possible(&mut self) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let Err(failure) = self.lead().await else {
                pause(STAND_EVERY).await;
                continue;
            };
            tracing::warn!(%failure, "Kafka is not told of seats");
            self.metrics.follows(0);
            self.metrics.failed(match failure {
                Failure::Lead(_) => Failed::Vault,
                Failure::Kafka(_) => Failed::Kafka,
            });
            failures = if began.elapsed() > FAILURE_FORGOTTEN { 1 } else { failures + 1 };
            pause(after(failures)).await;
        }
    }

    /// Leads until something fails; not at all where another does.
    async fn lead(&mut self) -> Result<(), Failure> {
        let Some(lead) = self.election.stand(TURN_MAX).await? else { return Ok(()) };
        let (engine, metrics, snapshot_every) = (&self.engine, &self.metrics, self.snapshot_every);
        let teller = Teller { engine, metrics, snapshot_every, client: self.producer.client()? };
        tracing::info!("this replica tells Kafka of seats");
        let failure = select! {
            failure = lost(&lead) => failure.into(),
            failure = teller.tell_all() => failure,
        };
        drop(lead);
        self.producer.renew().await;
        Err(failure)
    }
}

/// Keeps the lead until it is lost.
async fn lost(lead: &Lead<'_>) -> vault::Error {
    loop {
        sleep(KEEP_EVERY).await;
        if let Err(error) = lead.keep().await {
            return error;
        }
    }
}

/// One future an event.
type Telling<'a> = FuturesUnordered<BoxFuture<'a, Option<Failure>>>;

/// Who has the lead.
struct Teller<'a> {
    engine: &'a Engine,
    metrics: &'a SeatsMetrics,
    snapshot_every: Duration,
    client: Client<'a>,
}

impl Teller<'_> {
    /// Tells of all events, until the first failure.
    async fn tell_all(&self) -> Failure {
        let (mut told, mut telling, mut is_full) = (HashMap::new(), Telling::new(), false);
        let mut looks = interval(LIST_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let listed = async {
                looks.tick().await;
                self.engine.live_events(AFTER_CLOSE, EVENTS_MAX as u32 + 1).await
            };
            let listed = select! {
                listed = listed => listed,
                failure = first_failure(&mut telling) => return failure,
            };
            match listed {
                Ok(mut events) => {
                    if events.len() > EVENTS_MAX && !is_full {
                        tracing::warn!(
                            "Kafka is told of the seats of {EVENTS_MAX} events, and of no more at once"
                        );
                    }
                    is_full = events.len() > EVENTS_MAX;
                    events.truncate(EVENTS_MAX);
                    self.follow(events.into_iter().collect(), &mut told, &mut telling);
                }
                Err(error) => tracing::debug!(%error, "events can not be listed; telling of those of before"),
            }
        }
    }

    /// Tells of these events from now on, and of no others.
    fn follow<'b>(
        &'b self,
        events: HashSet<EventId>,
        told: &mut HashMap<EventId, DropGuard>,
        telling: &mut Telling<'b>,
    ) {
        told.retain(|event, _| events.contains(event));
        for event in events {
            if let Entry::Vacant(new) = told.entry(event) {
                let over = CancellationToken::new();
                telling.push(self.tell(new.key().clone(), over.clone()).boxed());
                new.insert(over.drop_guard());
            }
        }
        self.metrics.follows(told.len());
    }

    /// Tells of one event until that is `over`, or until it fails.
    async fn tell(&self, event: EventId, over: CancellationToken) -> Option<Failure> {
        over.run_until_cancelled(async {
            loop {
                if let Err(failure) = self.tell_from_snapshot(&event).await {
                    return failure;
                }
            }
        })
        .await
    }

    /// Tells a snapshot and what follows, until it is time for another one.
    async fn tell_from_snapshot(&self, event: &EventId) -> Result<(), Failure> {
        let watch = match self.engine.watch_seats_within(event) {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(%event, %error, "Kafka is not told of these seats for now");
                sleep(BOARD_AGAIN).await;
                return Ok(());
            }
        };
        // Jitter: not all events at once.
        let lasts = self.snapshot_every.mul_f64(rand::rng().random_range(0.8..1.0));
        let mut watch = watch.lasting(Some(lasts));
        while let Some(watched) = watch.next().await {
            let (message, kind) = match watched {
                Watched::Snapshot(states) => (Message::snapshot(event, states), Told::Snapshot),
                // They fit one version alone, and another relay may have told of one within.
                Watched::Changes(changes) if changes.net => return Ok(()),
                Watched::Changes(changes) => (Message::changes(event, changes), Told::Changes),
                Watched::Heartbeat(_) => continue,
            };
            self.client.deliver(&message).await?;
            self.metrics.told(kind);
        }
        Ok(())
    }
}

async fn first_failure(telling: &mut Telling<'_>) -> Failure {
    loop {
        match telling.next().await {
            Some(Some(failure)) => return failure,
            // It is over.
            Some(None) => {}
            None => pending().await,
        }
    }
}
