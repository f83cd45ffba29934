use super::{Error, KafkaArgs, Secret, wrong};

/// Kafka's own bound of a topic's name.
const TOPIC_BYTES_MAX: usize = 249;

/// Where bookings are told of.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Brokers to begin with: host:port, with commas.
    pub brokers: String,
    /// The topic of bookings.
    pub topic: String,
    /// Further options of librdkafka; a password may be among them.
    pub options: Vec<(String, Secret)>,
}

/// None where no brokers are named.
pub(super) fn read(args: KafkaArgs) -> Result<Option<Kafka>, Error> {
    // An empty text stands for none: that is how a variable is unset in many tools.
    let Some(brokers) = args.kafka_brokers.filter(|brokers| !brokers.trim().is_empty()) else {
        return Ok(None);
    };
    let byte_ok = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let topic = args.kafka_topic;
    if !(1..=TOPIC_BYTES_MAX).contains(&topic.len()) || !topic.bytes().all(byte_ok) {
        return Err(wrong("TE_KAFKA_TOPIC", "must be 1 to 249 letters, digits, or one of . _ -"));
    }
    let options = args.kafka_options.as_ref().map_or("", Secret::expose).split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.parse().unwrap_or_else(|never| match never {})))
    });
    let options = options.collect::<Option<_>>();
    let options =
        options.ok_or_else(|| wrong("TE_KAFKA_OPTIONS", "must be name=value, with spaces between"))?;
    let kafka = Kafka { brokers, topic, options };
    check(&kafka)?;
    Ok(Some(kafka))
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
    fn from(Kafka { brokers, topic, options }: &Kafka) -> Self {
        let options = options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        Self { brokers: brokers.clone(), topic: topic.clone(), options }
    }
}
