//! A change of a booking as a CloudEvent, in the binary mode of Kafka's binding.

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
/// Where ids are unique; an installation has a topic of its own.
const SOURCE: &str = "/ticketengine/bookings";
const CONTENT_TYPE: &str = "application/protobuf";
/// The types are the names of the messages in the schema.
const CONFIRMED: &str = "ticketengine.events.v1.BookingConfirmed";
const CANCELLED: &str = "ticketengine.events.v1.BookingCancelled";

/// A record that is ready to be sent.
pub(super) struct Message {
    /// The key: records of one event keep their order.
    pub(super) event: EventId,
    id: String,
    kind: &'static str,
    booking: String,
    time: UnixMs,
    value: Vec<u8>,
}

impl Message {
    /// Of a booking as it was at the change.
    pub(super) fn of(priced: Priced<Booking>) -> Self {
        let Booking { id, booked_at, cancelled_at, .. } = &priced.item;
        let (event, booking, time) = (id.event.clone(), id.to_string(), cancelled_at.unwrap_or(*booked_at));
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
        Self { event, id: format!("{booking}/{change}"), kind, booking, time, value }
    }

    pub(super) fn record<'a>(&'a self, topic: &'a str) -> FutureRecord<'a, str, [u8]> {
        let time = format_rfc3339_millis(UNIX_EPOCH + self.since_epoch()).to_string();
        let headers = [
            ("ce_specversion", SPEC_VERSION),
            ("ce_id", self.id.as_str()),
            ("ce_source", SOURCE),
            ("ce_type", self.kind),
            ("ce_subject", self.booking.as_str()),
            ("ce_time", time.as_str()),
            ("ce_partitionkey", self.event.as_str()),
            ("content-type", CONTENT_TYPE),
        ];
        let headers =
            headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (key, value)| {
                all.insert(Header { key, value: Some(*value) })
            });
        FutureRecord::to(topic).key(self.event.as_str()).payload(&self.value[..]).headers(headers)
    }

    fn since_epoch(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.time.0).unwrap_or_default())
    }
}
