//! A consumer of seats as docs/kafka.md wants it: it takes what leads further, and keeps a board of each event.

use std::collections::HashMap;

use prost::Message as _;
use rdkafka::{consumer::StreamConsumer, error::KafkaError, message::OwnedMessage, types::RDKafkaErrorCode};
use seat_board::{PackedStates, Position, SeatState};
use testkit::calls::{Caller, until_definite};
use ticketengine::{
    events,
    v1::{GetSeatMapRequest, SeatChanges, SeatStates},
};
use tokio::time::{Instant, timeout_at};

use super::super::{
    SEATS_TOPIC,
    consumer::{from_the_beginning, outside},
    load,
};

pub(super) const SNAPSHOT: &str = "ticketengine.events.v1.SeatsSnapshot";
pub(super) const CHANGED: &str = "ticketengine.events.v1.SeatsChanged";

/// What a record was.
pub(super) struct Told {
    pub(super) key: String,
    pub(super) headers: HashMap<String, String>,
    /// Of which event it leads where.
    pub(super) at: (String, Position),
}

impl Told {
    pub(super) fn id(&self) -> &str {
        &self.headers["ce_id"]
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.headers["ce_type"] == kind
    }
}

pub(super) struct Reader {
    client: StreamConsumer,
    /// By event.
    boards: HashMap<String, (Position, PackedStates)>,
    /// The value of each id.
    values: HashMap<String, Vec<u8>>,
    /// Every record, duplicates too.
    pub(super) told: Vec<Told>,
}

impl Reader {
    pub(super) fn new(brokers: &str) -> Self {
        let client = from_the_beginning(brokers, SEATS_TOPIC);
        Self { client, boards: HashMap::new(), values: HashMap::new(), told: Vec::new() }
    }

    /// How many records were of this kind.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.told.iter().filter(|told| told.is(kind)).count()
    }

    /// Reads until it is so.
    pub(super) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + load::LIMIT;
        while !done(self) {
            let Ok(record) = timeout_at(give_up, self.client.recv()).await else {
                let boards: Vec<_> = self.boards.iter().map(|(event, (at, _))| (event, at)).collect();
                panic!("{what}: not told; {} records, {boards:?}", self.told.len());
            };
            match record {
                Ok(record) => self.take(&record.detach()),
                // There is no topic before the first record, and the broker may be away.
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::BrokerTransportFailure,
                )) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads until its boards are the service's own.
    pub(super) async fn until_as_at(&mut self, replica: &Caller, events: &[&str]) {
        for event in events {
            while !self.is_as_at(replica, event).await {}
        }
    }

    /// False where the service went on meanwhile.
    async fn is_as_at(&mut self, replica: &Caller, event: &str) -> bool {
        let states = states(replica, event).await;
        let at = Position { epoch: states.epoch, version: states.version };
        self.until(event, |reader| reader.boards.get(event).is_some_and(|(mine, _)| *mine >= at)).await;
        let (mine, packed) = &self.boards[event];
        if *mine == at {
            assert_eq!(packed.bytes(), states.packed, "{event} at {at:?}");
        }
        *mine == at
    }

    fn take(&mut self, record: &OwnedMessage) {
        let (key, headers) = outside(record);
        let value = rdkafka::Message::payload(record).unwrap().to_vec();
        let id = headers["ce_id"].clone();
        let same = self.values.entry(id.clone()).or_insert_with(|| value.clone());
        assert_eq!(*same, value, "{id} is told in two ways");
        let at = match headers["ce_type"].as_str() {
            SNAPSHOT => {
                let told = events::SeatsSnapshot::decode(&value[..]).unwrap();
                self.snapshot(told.event_id, told.states.unwrap())
            }
            CHANGED => {
                let told = events::SeatsChanged::decode(&value[..]).unwrap();
                self.changes(told.event_id, &told.changes.unwrap())
            }
            other => panic!("{other}"),
        };
        self.told.push(Told { key, headers, at });
    }

    fn snapshot(&mut self, event: String, states: SeatStates) -> (String, Position) {
        let at = Position { epoch: states.epoch, version: states.version };
        if self.boards.get(&event).is_none_or(|(mine, _)| *mine < at) {
            self.boards.insert(event.clone(), (at, PackedStates::new(states.packed)));
        }
        (event, at)
    }

    fn changes(&mut self, event: String, changes: &SeatChanges) -> (String, Position) {
        let at = Position { epoch: changes.epoch, version: changes.version };
        let (mine, packed) = self.boards.get_mut(&event).expect("a snapshot comes first");
        if *mine < at {
            assert_eq!(mine.epoch, at.epoch, "{event}: a new epoch begins with a snapshot");
            assert!(changes.after_version <= mine.version, "{event}: a gap after {mine:?}: {changes:?}");
            assert!(!changes.net, "{event}: of no use to who has a version within");
            let lists = [
                (SeatState::Free, &changes.free),
                (SeatState::Held, &changes.held),
                (SeatState::Sold, &changes.sold),
                (SeatState::Blocked, &changes.blocked),
            ];
            for (state, seats) in lists {
                seats.iter().for_each(|seat| packed.set(*seat, state));
            }
            *mine = at;
        }
        (event, at)
    }
}

/// The seats of an event as the gate has them.
pub(super) async fn states(replica: &Caller, event: &str) -> SeatStates {
    let request = GetSeatMapRequest { event_id: event.into(), states_only: true };
    let answer = until_definite(async || replica.bookings().get_seat_map(request.clone()).await).await;
    answer.unwrap().into_inner().states.unwrap()
}
