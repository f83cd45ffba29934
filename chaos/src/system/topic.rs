//! What Kafka was told of bookings.

#[cfg(feature = "kafka")]
mod consumer;

use super::System;
use crate::history::{Rest, Told};

/// Of all bookings.
pub(super) const TOPIC: &str = "ticketengine.bookings";

/// All records of the event, in order, once those of what the vault has at rest are there, or the time for that is over. None
/// where Kafka is not told.
#[cfg(feature = "kafka")]
pub(crate) async fn told(system: &System, rest: &Rest, event: &str) -> Option<Vec<Told>> {
    let broker = system.kafka.as_ref()?;
    let booked = rest.decisions.iter().filter(|decision| decision.booked);
    let changes = booked.flat_map(|decision| {
        let cancel = decision.cancelled.then(|| Told::id_of(&decision.id, true));
        cancel.into_iter().chain([Told::id_of(&decision.id, false)])
    });
    Some(consumer::read(&broker.address(), event, changes.collect()).await)
}

/// Without a consumer no mode has Kafka: the command line refuses it.
#[cfg(not(feature = "kafka"))]
pub(crate) async fn told(_: &System, _: &Rest, _: &str) -> Option<Vec<Told>> {
    None
}
