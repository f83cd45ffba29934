//! A change of a booking, or of seats, as a CloudEvent, in the binary mode of Kafka's binding.

use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_millis;
use prost::Message as _;
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::FutureRecord,
};
use ticketengine::{events, v1};

use crate::{
    booking::Priced,
    domain::{Booking, EventId, UnixMs},
};

const SPEC_VERSION: &str = "1.0";
/// Where ids are unique; an installation has topics of its own.
const SOURCE_BOOKINGS: &str = "/ticketengine/bookings";
const SOURCE_SEATS: &str = "/ticketengine/seats";
const CONTENT_TYPE: &str = "application/protobuf";
/// The types are the names of the messages in the schema.
const CONFIRMED: &str = "ticketengine.events.v1.BookingConfirmed";
const CANCELLED: &str = "ticketengine.events.v1.BookingCancelled";
const SNAPSHOT: &str = "ticketengine.events.v1.SeatsSnapshot";
const CHANGED: &str = "ticketengine.events.v1.SeatsChanged";

/// A record that is ready to be sent.
pub(super) struct Message {
    /// The key: records of one event keep their order.
    pub(super) event: EventId,
    id: String,
    source: &'static str,
    kind: &'static str,
    subject: String,
    /// When it happened, where that is known.
    time: Option<UnixMs>,
    value: Vec<u8>,
}

impl Message {
    /// Of a booking as it was at the change.
    pub(super) fn of(priced: Priced<Booking>) -> Self {
        let Booking { id, booked_at, cancelled_at, .. } = &priced.item;
        let (event, subject, time) =
            (id.event.clone(), id.to_string(), Some(cancelled_at.unwrap_or(*booked_at)));
        let is_cancelled = cancelled_at.is_some();
        let wire = Some(v1::Booking::from(priced));
        let (change, kind, value) = if is_cancelled {
            let event = events::BookingCancelled { booking: wire };
            ("cancelled", CANCELLED, event.encode_to_vec())
        } else {
            let event = events::BookingConfirmed { booking: wire };
            ("confirmed", CONFIRMED, event.encode_to_vec())
        };
        // Each happens to a booking once: so the id is the same whoever sends it, and however often.
        let id = format!("{subject}/{change}");
        Self { event, id, source: SOURCE_BOOKINGS, kind, subject, time, value }
    }

    /// The status of all seats at one version.
    pub(super) fn snapshot(event: &EventId, states: v1::SeatStates) -> Self {
        let id = format!("{event}.{}.{}/snapshot", states.epoch, states.version);
        let value = events::SeatsSnapshot { event_id: event.to_string(), states: Some(states) };
        Self::of_seats(event, id, SNAPSHOT, value.encode_to_vec())
    }

    /// What changed between two versions. That is the same whoever says it, and so the id is.
    pub(super) fn changes(event: &EventId, changes: v1::SeatChanges) -> Self {
        let v1::SeatChanges { epoch, after_version, version, .. } = changes;
        let id = format!("{event}.{epoch}.{after_version}-{version}/changes");
        let value = events::SeatsChanged { event_id: event.to_string(), changes: Some(changes) };
        Self::of_seats(event, id, CHANGED, value.encode_to_vec())
    }

    fn of_seats(event: &EventId, id: String, kind: &'static str, value: Vec<u8>) -> Self {
        let (event, subject) = (event.clone(), event.to_string());
        Self { event, id, source: SOURCE_SEATS, kind, subject, time: None, value }
    }

    pub(super) fn record<'a>(&'a self, topic: &'a str) -> FutureRecord<'a, str, [u8]> {
        let time = self.time.map(rfc3339);
        let headers = [
            ("ce_specversion", SPEC_VERSION),
            ("ce_id", self.id.as_str()),
            ("ce_source", self.source),
            ("ce_type", self.kind),
            ("ce_subject", self.subject.as_str()),
            ("ce_partitionkey", self.event.as_str()),
            ("content-type", CONTENT_TYPE),
        ];
        let time = time.as_deref().map(|time| ("ce_time", time));
        let headers = headers
            .into_iter()
            .chain(time)
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
        FutureRecord::to(topic).key(self.event.as_str()).payload(&self.value[..]).headers(headers)
    }
}

fn rfc3339(time: UnixMs) -> String {
    let since_epoch = Duration::from_millis(u64::try_from(time.0).unwrap_or_default());
    format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}
