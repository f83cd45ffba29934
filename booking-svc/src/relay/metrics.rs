//! What the relay tells of itself. No label grows.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Meter},
};
use tokio::time::Instant;

use crate::vault::Look;

/// Who kept a turn from being done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failed {
    Kafka,
    Vault,
}

pub(super) struct Metrics {
    is_on: Gauge<u64>,
    waiting: Gauge<u64>,
    delivered: Counter<u64>,
    failures: Counter<u64>,
    /// A moment before which all changes that are known of had been delivered.
    delivered_until: Arc<Mutex<Instant>>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        let gauge = |name, description| meter.u64_gauge(name).with_description(description).build();
        let delivered = counter("ticketengine.outbox.delivered", "Changes that this replica told Kafka of");
        delivered.add(0, &[]);
        let failures = counter("ticketengine.outbox.failures", "Turns that failed, by whom they failed");
        for failed in [Failed::Kafka, Failed::Vault] {
            failures.add(0, &[label(failed)]);
        }
        let delivered_until = Arc::new(Mutex::new(Instant::now()));
        let until = Arc::clone(&delivered_until);
        meter
            .f64_observable_gauge("ticketengine.outbox.lag")
            .with_unit("s")
            .with_description("For how long the oldest change has waited")
            // A relay that hangs can not keep an old value alive: it grows.
            .with_callback(move |gauge| {
                let until = *until.lock().unwrap_or_else(PoisonError::into_inner);
                gauge.observe(until.elapsed().as_secs_f64(), &[]);
            })
            .build();
        Self {
            is_on: gauge("ticketengine.outbox.on", "1 where bookings are written to the outbox"),
            waiting: gauge("ticketengine.outbox.waiting", "Changes in the outbox at the last look"),
            delivered,
            failures,
            delivered_until,
        }
    }

    /// What a look that began at `at` found.
    pub(super) fn looked(&self, at: Instant, look: Look) {
        self.is_on.record(look.is_on.into(), &[]);
        self.waiting.record(look.waiting, &[]);
        let until = at.checked_sub(look.oldest).unwrap_or(at);
        *self.delivered_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    pub(super) fn delivered(&self, changes: usize) {
        self.delivered.add(changes as u64, &[]);
    }

    pub(super) fn failed(&self, failed: Failed) {
        self.failures.add(1, &[label(failed)]);
    }
}

/// What is told of seats.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Snapshot,
    Changes,
}

/// What the relay of seats tells of itself.
pub(super) struct SeatsMetrics {
    events: Gauge<u64>,
    records: Counter<u64>,
    failures: Counter<u64>,
}

impl SeatsMetrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        let events = meter.u64_gauge("ticketengine.seats_topic.events");
        let records =
            counter("ticketengine.seats_topic.records", "Records of seats that Kafka has from here");
        let failures = counter("ticketengine.seats_topic.failures", "Leads that failed, by whom they failed");
        let metrics = Self {
            events: events.with_description("Events of whose seats this replica tells Kafka now").build(),
            records,
            failures,
        };
        metrics.follows(0);
        for told in [Told::Snapshot, Told::Changes] {
            metrics.records.add(0, &[kind(told)]);
        }
        for failed in [Failed::Kafka, Failed::Vault] {
            metrics.failures.add(0, &[label(failed)]);
        }
        metrics
    }

    /// So many events.
    pub(super) fn follows(&self, events: usize) {
        self.events.record(events as u64, &[]);
    }

    pub(super) fn told(&self, told: Told) {
        self.records.add(1, &[kind(told)]);
    }

    pub(super) fn failed(&self, failed: Failed) {
        self.failures.add(1, &[label(failed)]);
    }
}

fn kind(told: Told) -> KeyValue {
    KeyValue::new(
        "kind",
        match told {
            Told::Snapshot => "snapshot",
            Told::Changes => "changes",
        },
    )
}

fn label(failed: Failed) -> KeyValue {
    KeyValue::new(
        "store",
        match failed {
            Failed::Kafka => "kafka",
            Failed::Vault => "vault",
        },
    )
}
