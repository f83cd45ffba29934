//! What the gateway counts. No label grows with events, browsers or addresses.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};
use ticketengine::code_name;
use tonic::Code;

/// Where all parts count. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Instruments>);

struct Instruments {
    meter: Meter,
    requests: Histogram<f64>,
    calls: Histogram<f64>,
    flushes: Histogram<f64>,
    ticks: Counter<u64>,
    frames: Counter<u64>,
    sent: Counter<u64>,
    conflated: Counter<u64>,
    stalled: Counter<u64>,
    closes: Counter<u64>,
    refused: Counter<u64>,
    reconnects: Counter<u64>,
}

/// Frames of a room since they were counted last. Kept by the room itself: its readers are many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Whole boards.
    pub snapshots: u64,
    /// What changed.
    pub changes: u64,
    /// Of them, those that merge several rounds, for one who had fallen behind.
    pub conflated: u64,
    /// Signs of life.
    pub heartbeats: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Metrics {
    /// Counts in `meter`.
    pub fn new(meter: Meter) -> Self {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        // There from the start: what never was is 0, and its first time is an increase.
        let from_zero = |name, description| {
            let counter = counter(name, description);
            counter.add(0, &[]);
            counter
        };
        let sent = meter.u64_counter("ticketengine.gateway.sent").with_unit("By");
        let sent = sent.with_description("Bytes of messages to browsers").build();
        sent.add(0, &[]);
        let seconds = |name, description| {
            meter.f64_histogram(name).with_unit("s").with_description(description).build()
        };
        Self(Arc::new(Instruments {
            requests: seconds(
                "http.request.duration",
                "How long HTTP requests took; upgrades up to their answer",
            ),
            calls: seconds("rpc.client.call.duration", "How long calls to booking-svc took"),
            flushes: seconds(
                "ticketengine.gateway.flush",
                "How long a round took to write to all who were ready",
            ),
            ticks: from_zero("ticketengine.gateway.ticks", "Rounds in which a room had news"),
            frames: counter("ticketengine.gateway.frames", "Messages to browsers by kind"),
            sent,
            conflated: from_zero("ticketengine.gateway.conflated", "Frames that merge several rounds"),
            stalled: from_zero("ticketengine.gateway.stalled", "Clients that took no byte for too long"),
            closes: counter("ticketengine.gateway.closes", "Closed WebSockets by close code"),
            refused: counter("ticketengine.gateway.refused", "Requests that were turned away, by reason"),
            reconnects: from_zero(
                "ticketengine.gateway.upstream.reconnects",
                "Streams that were begun again",
            ),
            meter,
        }))
    }

    /// Counts for nobody.
    #[cfg(test)]
    pub(crate) fn unseen() -> Self {
        Self::new(opentelemetry::global::meter("test"))
    }

    /// Has a gauge looked at when metrics are asked for.
    pub fn gauge(
        &self,
        name: &'static str,
        description: &'static str,
        look: impl Fn() -> usize + Send + Sync + 'static,
    ) {
        let gauge = self.0.meter.u64_observable_gauge(name).with_description(description);
        gauge.with_callback(move |gauge| gauge.observe(look() as u64, &[])).build();
    }

    /// The addresses of booking-svc: those that serve, and the others.
    pub fn targets(&self, look: impl Fn() -> [usize; 2] + Send + Sync + 'static) {
        let gauge = self.0.meter.u64_observable_gauge("ticketengine.gateway.targets");
        let gauge = gauge.with_description("Addresses of booking-svc by whether they serve");
        gauge
            .with_callback(move |gauge| {
                for (state, count) in ["serving", "not_serving"].into_iter().zip(look()) {
                    gauge.observe(count as u64, &[KeyValue::new("state", state)]);
                }
            })
            .build();
    }

    /// An HTTP request was answered.
    pub(crate) fn requested(&self, method: &'static str, route: String, status: u16, took: Duration) {
        let labels = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.0.requests.record(took.as_secs_f64(), &labels);
    }

    /// A request or connection was turned away.
    pub(crate) fn refused(&self, reason: String) {
        self.0.refused.add(1, &[KeyValue::new("reason", reason)]);
    }

    /// booking-svc was called.
    pub(crate) fn called(&self, rpc: &'static str, code: Code, took: Duration) {
        let labels = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", rpc),
            KeyValue::new("rpc.response.status_code", code_name(code)),
        ];
        self.0.calls.record(took.as_secs_f64(), &labels);
    }

    /// A stream of booking-svc ended.
    pub(crate) fn reconnected(&self) {
        self.0.reconnects.add(1, &[]);
    }

    /// A room had something new, and has written it.
    pub(crate) fn ticked(&self, flush: Duration) {
        self.0.ticks.add(1, &[]);
        self.0.flushes.record(flush.as_secs_f64(), &[]);
    }

    /// What a room's readers took.
    pub(crate) fn sent(&self, sent: Sent) {
        let kinds = [("snapshot", sent.snapshots), ("changes", sent.changes), ("heartbeat", sent.heartbeats)];
        for (kind, frames) in kinds.into_iter().filter(|(_, frames)| *frames > 0) {
            self.0.frames.add(frames, &[KeyValue::new("kind", kind)]);
        }
        self.0.conflated.add(sent.conflated, &[]);
        self.0.sent.add(sent.bytes, &[]);
    }

    /// One socket got a frame of its own.
    pub(crate) fn told(&self, kind: &'static str, bytes: usize) {
        self.0.frames.add(1, &[KeyValue::new("kind", kind)]);
        self.0.sent.add(bytes as u64, &[]);
    }

    /// A WebSocket ended, by a close code of ours; None: the client went first.
    pub(crate) fn closed(&self, code: Option<u16>, stalled: bool) {
        let code = code.map_or_else(|| "gone".to_owned(), |code| code.to_string());
        self.0.closes.add(1, &[KeyValue::new("code", code)]);
        self.0.stalled.add(stalled.into(), &[]);
    }
}
