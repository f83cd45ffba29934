//! A consumer that reads the topic from its beginning: the only place that names Kafka's client.

use std::{collections::BTreeSet, time::Duration};

use prost::{DecodeError, Message as _};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::{BorrowedMessage, Headers},
};
use ticketengine::events::{BookingCancelled, BookingConfirmed};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::TOPIC;
use crate::{clients::caller::as_booking, history::Told};

/// As the broker makes topics.
const PARTITIONS: i32 = 4;
/// After the heal all is told within this: the turn of a relay that died is over after 15 s, and one that failed tries again
/// within 12 s. The rest is for a busy machine.
const TOLD_LIMIT: Duration = Duration::from_secs(40);
/// After the last record that is awaited others are waited for: duplicates, and what nobody should have told.
const QUIET: Duration = Duration::from_secs(1);
/// Between two looks at a broker that is not there yet.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// The event's records in the order of their partitions; until those with these ids are there, or the time is over.
pub(super) async fn read(brokers: &str, event: &str, mut awaited: BTreeSet<String>) -> Vec<Told> {
    let client = from_the_beginning(brokers);
    let (end, mut told) = (Instant::now() + TOLD_LIMIT, Vec::new());
    while !awaited.is_empty() {
        match timeout_at(end, client.recv()).await {
            Ok(Ok(record)) => take(&record, event, &mut awaited, &mut told),
            Ok(Err(_)) => sleep(POLL_EVERY).await,
            Err(_) => return told,
        }
    }
    while let Ok(Ok(record)) = timeout(QUIET, client.recv()).await {
        take(&record, event, &mut awaited, &mut told);
    }
    told
}

fn from_the_beginning(brokers: &str) -> StreamConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "chaos").set("enable.auto.commit", "false");
    let client: StreamConsumer = config.create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    client.assign(&partitions).unwrap();
    client
}

fn take(record: &BorrowedMessage<'_>, event: &str, awaited: &mut BTreeSet<String>, told: &mut Vec<Told>) {
    if record.key() == Some(event.as_bytes()) {
        let record = told_by(record).expect("a record of the service can be read");
        awaited.remove(&record.id);
        told.push(record);
    }
}

fn told_by(record: &BorrowedMessage<'_>) -> Result<Told, DecodeError> {
    let header = |name: &str| {
        let mut headers = record.headers().into_iter().flat_map(Headers::iter);
        let value = headers.find(|header| header.key == name).and_then(|header| header.value);
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    let is_cancel = header("ce_type").ends_with(".BookingCancelled");
    let value = record.payload().unwrap_or_default();
    let booking = if is_cancel {
        BookingCancelled::decode(value)?.booking
    } else {
        BookingConfirmed::decode(value)?.booking
    };
    let booking = as_booking(booking.unwrap_or_default());
    Ok(Told { id: header("ce_id"), partition: record.partition(), is_cancel, booking })
}
