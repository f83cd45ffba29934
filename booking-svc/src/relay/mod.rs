//! Tells Kafka of bookings: the only place that names it. Takes changes from the vault's outbox, in turns with the relays
//! of other replicas, and delivers each at least once. Where it is wanted, another loop tells of seats.
//!
//! Kafka that is away costs lag and nothing else: no call waits for it, and no other loop.

mod message;
mod metrics;
mod producer;
mod seats;

pub use producer::Error;
pub use seats::{SeatsOptions, SeatsRelay};

use std::time::Duration;

use opentelemetry::metrics::Meter;
use rand::Rng;
use tokio::{
    select,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use self::{
    message::Message,
    metrics::{Failed, Metrics},
    producer::{DELIVERY_WAIT, Producer},
};
use crate::{
    booking::{self, Engine, Step},
    domain::Booking,
    vault::{self, Outbox, Turn},
};

/// Changes in a turn, and in flight.
const CHANGES_PER_TURN_MAX: u32 = 500;
/// How long a relay may be asleep, or waiting for Kafka, before it loses its turn to another.
const TURN_MAX: Duration = Duration::from_secs(15);
/// Between two turns where nothing is left to do.
const PAUSE: Duration = Duration::from_millis(200);
/// After failures, at most.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Between two looks at how much waits.
const LOOK_EVERY: Duration = Duration::from_secs(2);

// A relay that is awake keeps its turn while it waits for Kafka.
const _: () = assert!(DELIVERY_WAIT.as_secs() < TURN_MAX.as_secs());
// A lag of some seconds is seen as such.
const _: () = assert!(LOOK_EVERY.as_secs() < DELIVERY_WAIT.as_secs());

/// Where Kafka is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Brokers to begin with: host:port, with commas.
    pub brokers: String,
    /// Where bookings go.
    pub topic: String,
    /// What is told of seats; None where that is nothing.
    pub seats: Option<SeatsOptions>,
    /// Further options of librdkafka.
    pub options: Vec<(String, String)>,
}

impl Options {
    /// Whether a producer can be made of them. Asks no broker.
    pub fn check(&self) -> Result<(), Error> {
        Producer::new(self).map(drop)
    }
}

/// The relay of one replica.
pub struct Relay {
    outbox: Outbox,
    producer: Producer,
    engine: Engine,
    metrics: Metrics,
    look_at: Instant,
    was_on: bool,
}

/// Why a turn failed; the other way is that Kafka did not take everything.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the outbox: {0}")]
    Outbox(#[from] vault::Error),
    #[error("the prices: {0}")]
    Prices(#[from] booking::Error),
    #[error("Kafka: {0}")]
    Kafka(#[from] Error),
}

impl Relay {
    /// One that has not begun.
    pub fn new(options: &Options, outbox: Outbox, engine: Engine, meter: &Meter) -> Result<Self, Error> {
        let producer = Producer::new(options)?;
        tracing::info!(brokers = options.brokers, topic = options.topic, "telling Kafka of bookings");
        let metrics = Metrics::new(meter);
        Ok(Self { outbox, producer, engine, metrics, look_at: Instant::now(), was_on: true })
    }

    /// Takes turns until `stop`. A turn that is under way then ends first, within about a second.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let all_well = self.pass(&stop).await;
            let rest = match all_well {
                Ok(true) => Duration::ZERO,
                Ok(false) => PAUSE,
                Err(failed) => {
                    self.metrics.failed(failed);
                    failures += 1;
                    after(failures)
                }
            };
            if all_well.is_ok() {
                failures = 0;
            }
            select! {
                () = pause(rest) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// A turn and, now and then, a look. Whether there is likely to be more to do at once.
    async fn pass(&mut self, stop: &CancellationToken) -> Result<bool, Failed> {
        let result = self.turn(stop).await;
        if Instant::now() >= self.look_at {
            self.look_at = Instant::now() + LOOK_EVERY;
            self.look().await;
        }
        match result {
            Ok(Turn::Empty | Turn::Elsewhere) => Ok(false),
            Ok(Turn::Done { taken, delivered }) => {
                self.metrics.delivered(delivered);
                if delivered < taken {
                    Err(Failed::Kafka)
                } else {
                    Ok(taken == CHANGES_PER_TURN_MAX as usize)
                }
            }
            Err(failure) => {
                tracing::warn!(%failure, "bookings wait in the outbox");
                Err(match failure {
                    Failure::Outbox(_) | Failure::Prices(_) => Failed::Vault,
                    Failure::Kafka(_) => Failed::Kafka,
                })
            }
        }
    }

    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, Failure> {
        let Self { outbox, producer, engine, .. } = self;
        let mut failure = None;
        let deliver = async |changes: Vec<Booking>| {
            let count = changes.len();
            let delivered = deliver(producer, engine, changes, stop).await;
            delivered.unwrap_or_else(|error| {
                failure = Some(error);
                vec![false; count]
            })
        };
        let turn = outbox.turn(CHANGES_PER_TURN_MAX, TURN_MAX, deliver).await;
        failure.map_or_else(|| Ok(turn?), Err)
    }

    async fn look(&mut self) {
        let began = Instant::now();
        match self.outbox.look().await {
            Ok(look) => {
                self.metrics.looked(began, look);
                if self.was_on && !look.is_on {
                    tracing::warn!(
                        "the outbox is off, so Kafka hears of no further bookings: switch it on by `booking-svc migrate \
                         --outbox on`, or unset TE_KAFKA_BROKERS"
                    );
                }
                self.was_on = look.is_on;
            }
            Err(error) => tracing::debug!(%error, "the outbox could not be looked at"),
        }
    }
}

/// The pause after so many failures in a row.
fn after(failures: u32) -> Duration {
    (PAUSE * 2_u32.saturating_pow(failures)).min(PAUSE_MAX)
}

/// Jitter keeps replicas apart.
async fn pause(length: Duration) {
    let jitter = rand::rng().random_range(0.8..1.2);
    sleep(length.mul_f64(jitter)).await;
}

async fn deliver(
    producer: &mut Producer,
    engine: &Engine,
    changes: Vec<Booking>,
    stop: &CancellationToken,
) -> Result<Vec<bool>, Failure> {
    let mut messages = Vec::with_capacity(changes.len());
    for booking in changes {
        messages.push(Message::of(engine.price(booking).await?));
    }
    let delivered = producer.deliver(&messages, stop).await?;
    engine.reached(Step::RelayDelivered).await;
    Ok(delivered)
}
