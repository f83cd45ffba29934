//! Where messages leave for Kafka, in order.
//!
//! Invariant: what one producer of Kafka's library delivers of a partition begins with its first message and has no gap. It
//! is idempotent, nothing in it times out alone, and an error that would leave a gap ends it as a whole. So of what several
//! relays send, one asleep included, the first record of each id stands in the order of the outbox.

use std::{collections::HashSet, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{DeliveryFuture, FutureProducer},
};
use tokio::{
    select,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Options, message::Message};

/// How long a batch may take to be acknowledged. A partition whose leader died has another one by then.
pub(super) const DELIVERY_WAIT: Duration = Duration::from_secs(10);
/// The same once the service is told to stop.
const DELIVERY_WAIT_AT_STOP: Duration = Duration::from_secs(1);
/// What order, and not losing anything, hang on: no option may change it.
const FIXED: [(&str, &str); 4] = [
    ("enable.idempotence", "true"),
    ("enable.gapless.guarantee", "true"),
    ("acks", "all"),
    // A batch is given up as a whole, by DELIVERY_WAIT.
    ("message.timeout.ms", "0"),
];
/// Other names of what is fixed, what would make it something else, and what is a setting of its own.
const REFUSED: [&str; 10] = [
    "bootstrap.servers",
    "delivery.timeout.ms",
    "request.required.acks",
    "metadata.broker.list",
    "transactional.id",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "retries",
    "queuing.strategy",
];

/// A producer, made anew after each failure.
pub(super) struct Producer {
    config: ClientConfig,
    topic: String,
    client: Option<FutureProducer>,
}

impl Producer {
    /// Checks the options; asks nobody yet.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let mut config = ClientConfig::new();
        // As Kafka's own clients choose partitions: others may write or join the same keys.
        config.set("client.id", "ticketengine").set("partitioner", "murmur2_random");
        for (name, value) in &options.options {
            if REFUSED.contains(&name.as_str()) || FIXED.iter().any(|(fixed, _)| fixed == name) {
                return Err(Error::Fixed(name.clone()));
            }
            config.set(name, value);
        }
        for (name, value) in FIXED {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &options.brokers);
        let client = Some(config.create()?);
        Ok(Self { config, topic: options.topic.clone(), client })
    }

    /// Sends a batch, and says which of it is delivered: nothing behind a message of the same event that is not.
    pub(super) async fn deliver(
        &mut self,
        messages: &[Message],
        stop: &CancellationToken,
    ) -> Result<Vec<bool>, Error> {
        let Client { producer, topic } = self.client()?;
        let (sent, refused) = send(producer, topic, messages);
        let mut acknowledged = vec![false; messages.len()];
        let failure = select! {
            failure = await_all(sent, &mut acknowledged) => failure,
            () = given_up(stop) => Some(Error::Silent(DELIVERY_WAIT)),
        };
        let failure = failure.or(refused);
        if let Some(failure) = &failure {
            tracing::warn!(%failure, "Kafka did not take all that was sent");
            self.renew().await;
        }
        Ok(in_order(messages.iter().map(|message| &message.event), &acknowledged))
    }

    /// What sends, until [`Self::renew`].
    pub(super) fn client(&mut self) -> Result<Client<'_>, Error> {
        let Self { config, topic, client } = self;
        let producer = match client {
            Some(client) => client,
            None => client.insert(config.create()?),
        };
        Ok(Client { producer, topic })
    }

    /// What it had in flight may still arrive, in its order. A message that it sent later would overtake what it gave up.
    pub(super) async fn renew(&mut self) {
        let client = self.client.take();
        // It waits for its own threads, a moment.
        if let Err(panicked) = spawn_blocking(move || drop(client)).await {
            tracing::error!(%panicked, "a producer did not end well");
        }
    }
}

/// Sends single messages, of many events at once.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    producer: &'a FutureProducer,
    topic: &'a str,
}

impl Client<'_> {
    /// Sends one, and waits until it is delivered. There must be no other of its event under way.
    pub(super) async fn deliver(&self, message: &Message) -> Result<(), Error> {
        let sent = self.producer.send_result(message.record(self.topic)).map_err(|(error, _)| error)?;
        timeout(DELIVERY_WAIT, outcome(sent)).await.unwrap_or(Err(Error::Silent(DELIVERY_WAIT)))
    }
}

/// Hands messages over until one is refused: what comes after it must not go before it.
fn send(
    client: &FutureProducer,
    topic: &str,
    messages: &[Message],
) -> (FuturesUnordered<impl Future<Output = (usize, Delivery)>>, Option<Error>) {
    let sent = FuturesUnordered::new();
    for (at, message) in messages.iter().enumerate() {
        match client.send_result(message.record(topic)) {
            Ok(delivery) => sent.push(async move { (at, outcome(delivery).await) }),
            Err((error, _)) => return (sent, Some(error.into())),
        }
    }
    (sent, None)
}

type Delivery = Result<(), Error>;

async fn outcome(delivery: DeliveryFuture) -> Delivery {
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(error.into()),
        Err(_) => Err(Error::Ended),
    }
}

/// Notes what is acknowledged; answers with the first failure.
async fn await_all(
    mut sent: FuturesUnordered<impl Future<Output = (usize, Delivery)>>,
    acknowledged: &mut [bool],
) -> Option<Error> {
    let mut failure = None;
    while let Some((at, delivery)) = sent.next().await {
        match delivery {
            Ok(()) => acknowledged[at] = true,
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure
}

async fn given_up(stop: &CancellationToken) {
    select! {
        () = sleep(DELIVERY_WAIT) => {}
        () = async { stop.cancelled().await; sleep(DELIVERY_WAIT_AT_STOP).await } => {}
    }
}

/// What counts as delivered: of each event, what is acknowledged before the first that is not.
fn in_order<E: Eq + std::hash::Hash>(events: impl Iterator<Item = E>, acknowledged: &[bool]) -> Vec<bool> {
    let mut stopped = HashSet::new();
    events
        .zip(acknowledged)
        .map(|(event, acknowledged)| {
            let counts = *acknowledged && !stopped.contains(&event);
            if !counts {
                stopped.insert(event);
            }
            counts
        })
        .collect()
}

/// Why Kafka was not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that the order of messages hangs on.
    #[error("{0} is fixed: order and delivery hang on it")]
    Fixed(String),
    /// Kafka's library, or a broker, says so.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Not all was acknowledged in time.
    #[error("not all was acknowledged within {0:?}")]
    Silent(Duration),
    /// The producer ended before it said what became of a message.
    #[error("the producer has ended")]
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Options {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        Options {
            brokers: "127.0.0.1:1".into(),
            topic: "t".into(),
            seats: None,
            options: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }

    #[test]
    fn nothing_counts_behind_one_of_its_event_that_is_not_delivered() {
        let events = ["a", "b", "a", "a", "b", "c"];
        let acknowledged = [true, false, true, true, true, true];
        assert_eq!(in_order(events.iter(), &acknowledged), [true, false, true, true, false, true]);
        let acknowledged = [true, true, false, true, true, false];
        assert_eq!(in_order(events.iter(), &acknowledged), [true, true, false, false, true, false]);
    }

    #[test]
    fn options_that_are_wrong_or_fixed_are_named() {
        let problem = |text| Producer::new(&options(text)).err().map(|error| error.to_string());
        assert_eq!(problem("linger.ms=10 compression.type=lz4"), None);
        for (text, expected) in [
            ("acks=1", "acks is fixed"),
            ("message.timeout.ms=5", "message.timeout.ms is fixed"),
            ("delivery.timeout.ms=5", "delivery.timeout.ms is fixed"),
            ("transactional.id=x", "transactional.id is fixed"),
            ("no.such.thing=1", "no.such.thing"),
            ("linger.ms=soon", "linger.ms"),
            ("security.protocol=ssl", "security.protocol"),
        ] {
            let problem = problem(text).unwrap_or_else(|| panic!("{text} is taken"));
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
