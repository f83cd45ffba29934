//! A consumer as docs/kafka.md wants it: it dedupes by id, and takes the rest in order.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use prost::Message as _;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::Headers,
};
use ticketengine::{events, v1::Booking};
use tokio::time::timeout;

use super::{TOPIC, load};

/// As the broker makes topics.
const PARTITIONS: i32 = 4;
/// After the last id that is awaited, late duplicates are waited for.
const QUIET: Duration = Duration::from_secs(1);

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) key: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) booking: Booking,
}

impl Told {
    pub(super) fn id(&self) -> &str {
        &self.headers["ce_id"]
    }
}

pub(super) struct Consumer {
    client: StreamConsumer,
    seen: HashSet<String>,
    /// Every record, duplicates too.
    pub(super) told: Vec<Told>,
    /// Event and seat, and who has it.
    seats: HashMap<(String, u32), String>,
    /// Whether each is cancelled.
    bookings: BTreeMap<String, bool>,
}

impl Consumer {
    pub(super) fn new(brokers: &str) -> Self {
        Self {
            client: from_the_beginning(brokers, TOPIC),
            seen: HashSet::new(),
            told: Vec::new(),
            seats: HashMap::new(),
            bookings: BTreeMap::new(),
        }
    }

    /// Reads until it has seen so many ids, and nothing more comes.
    pub(super) async fn read_until(&mut self, ids: usize) {
        loop {
            let patience = if self.seen.len() < ids { load::LIMIT } else { QUIET };
            match timeout(patience, self.client.recv()).await {
                Ok(Ok(record)) => {
                    let told = read(&record);
                    self.take(told);
                }
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => break,
            }
        }
        assert_eq!(self.seen.len(), ids, "ids seen and changes made");
    }

    /// Ids and whether they are cancelled, by id.
    pub(super) fn bookings(&self) -> Vec<(String, bool)> {
        self.bookings.iter().map(|(id, cancelled)| (id.clone(), *cancelled)).collect()
    }

    /// Records that came again.
    pub(super) fn duplicates(&self) -> usize {
        self.told.len() - self.seen.len()
    }

    /// A seat that is sold is free before, a booking that is cancelled is there before: else the order is wrong.
    fn take(&mut self, told: Told) {
        let Booking { booking_id: id, event_id, seat_ids, .. } = told.booking.clone();
        if self.seen.insert(told.id().to_owned()) {
            let seats = seat_ids.iter().map(|seat| (event_id.clone(), *seat));
            if told.id().ends_with("/confirmed") {
                for seat in seats {
                    let before = self.seats.insert(seat.clone(), id.clone());
                    assert_eq!(before, None, "{seat:?} is told to be {id}'s before it is free");
                }
                self.bookings.insert(id, false);
            } else {
                for seat in seats {
                    assert_eq!(
                        self.seats.remove(&seat).as_ref(),
                        Some(&id),
                        "cancelled before it was told of"
                    );
                }
                assert_eq!(self.bookings.insert(id, true), Some(false));
            }
        }
        self.told.push(told);
    }
}

/// Reads all partitions of a topic.
pub(super) fn from_the_beginning(brokers: &str, topic: &str) -> StreamConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "test").set("enable.auto.commit", "false");
    let client: StreamConsumer = config.create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    client.assign(&partitions).unwrap();
    client
}

/// A record's key, and its headers by name.
pub(super) fn outside(record: &impl rdkafka::Message) -> (String, HashMap<String, String>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = record.headers().unwrap().iter();
    let headers = headers.map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect();
    (text(record.key().unwrap()), headers)
}

fn read(record: &impl rdkafka::Message) -> Told {
    let (key, headers) = outside(record);
    let value = record.payload().unwrap();
    let booking = match headers["ce_type"].as_str() {
        "ticketengine.events.v1.BookingConfirmed" => events::BookingConfirmed::decode(value).unwrap().booking,
        "ticketengine.events.v1.BookingCancelled" => events::BookingCancelled::decode(value).unwrap().booking,
        other => panic!("{other}"),
    };
    Told { key, headers, booking: booking.unwrap() }
}
