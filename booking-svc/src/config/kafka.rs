use std::time::Duration;

use super::{Error, KafkaArgs, Secret, wrong};

/// Kafka's own bound of a topic's name.
const TOPIC_BYTES_MAX: usize = 249;
/// The least that may lie between two snapshots of an event.
const SNAPSHOT_EVERY_MIN: Duration = Duration::from_secs(1);

/// Where bookings are told of, and seats.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Brokers to begin with: host:port, with commas.
    pub brokers: String,
    /// The topic of bookings.
    pub topic: String,
    /// What is told of seats; None where that is nothing.
    pub seats: Option<KafkaSeats>,
    /// Further options of librdkafka; a password may be among them.
    pub options: Vec<(String, Secret)>,
}

/// What is told of seats.
#[derive(Clone, Debug)]
pub struct KafkaSeats {
    /// Their topic.
    pub topic: String,
    /// Between two snapshots of an event.
    pub snapshot_every: Duration,
}

/// None where no brokers are named.
pub(super) fn read(args: KafkaArgs) -> Result<Option<Kafka>, Error> {
    let seats = seats(&args)?;
    // An empty text stands for none: that is how a variable is unset in many tools.
    let Some(brokers) = args.kafka_brokers.filter(|brokers| !brokers.trim().is_empty()) else {
        if seats.is_some() {
            return Err(wrong("TE_KAFKA_SEATS_TOPIC", "is set, but TE_KAFKA_BROKERS is not"));
        }
        return Ok(None);
    };
    let topic = args.kafka_topic;
    check_topic("TE_KAFKA_TOPIC", &topic)?;
    if seats.as_ref().is_some_and(|seats| seats.topic == topic) {
        return Err(wrong("TE_KAFKA_SEATS_TOPIC", "must be another topic than TE_KAFKA_TOPIC"));
    }
    let options = args.kafka_options.as_ref().map_or("", Secret::expose).split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.parse().unwrap_or_else(|never| match never {})))
    });
    let options = options.collect::<Option<_>>();
    let options =
        options.ok_or_else(|| wrong("TE_KAFKA_OPTIONS", "must be name=value, with spaces between"))?;
    let kafka = Kafka { brokers, topic, seats, options };
    check(&kafka)?;
    Ok(Some(kafka))
}

fn seats(args: &KafkaArgs) -> Result<Option<KafkaSeats>, Error> {
    let Some(topic) = args.kafka_seats_topic.clone().filter(|topic| !topic.is_empty()) else {
        return Ok(None);
    };
    check_topic("TE_KAFKA_SEATS_TOPIC", &topic)?;
    let snapshot_every = args.kafka_seats_snapshot_every;
    if snapshot_every < SNAPSHOT_EVERY_MIN {
        return Err(wrong("TE_KAFKA_SEATS_SNAPSHOT_EVERY", "must be at least 1s"));
    }
    Ok(Some(KafkaSeats { topic, snapshot_every }))
}

fn check_topic(setting: &'static str, topic: &str) -> Result<(), Error> {
    let byte_ok = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(byte_ok) {
        return Ok(());
    }
    Err(wrong(setting, "must be 1 to 249 letters, digits, or one of . _ -"))
}

#[cfg(feature = "kafka")]
fn check(kafka: &Kafka) -> Result<(), Error> {
    crate::relay::Options::from(kafka)
        .check()
        .map_err(|error| wrong("TE_KAFKA_OPTIONS", format!("can not be: {error}")))
}

#[cfg(not(feature = "kafka"))]
fn check(_: &Kafka) -> Result<(), Error> {
    Err(wrong(
        "TE_KAFKA_BROKERS",
        "is set, but this program was built without Kafka: build it with `--features kafka`",
    ))
}

#[cfg(feature = "kafka")]
impl From<&Kafka> for crate::relay::Options {
    fn from(Kafka { brokers, topic, seats, options }: &Kafka) -> Self {
        let seats = seats.as_ref().map(|KafkaSeats { topic, snapshot_every }| crate::relay::SeatsOptions {
            topic: topic.clone(),
            snapshot_every: *snapshot_every,
        });
        let options = options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        Self { brokers: brokers.clone(), topic: topic.clone(), seats, options }
    }
}
