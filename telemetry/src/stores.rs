//! How a store is used, by OpenTelemetry's conventions for clients of databases.

use std::{
    fmt::Display,
    time::{Instant, SystemTime},
};

use bb8::{ManageConnection, Pool, State};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};

use crate::Trace;

/// What a store is asked for, and how long that takes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operations {
    durations: Histogram<f64>,
    system: &'static str,
}

/// The moment at which an operation began, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Began(Instant, SystemTime);

impl Began {
    /// Now.
    pub fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }
}

impl Operations {
    /// Of `system`, such as `redis`.
    pub fn new(meter: &Meter, system: &'static str) -> Self {
        let durations = meter
            .f64_histogram("db.client.operation.duration")
            .with_unit("s")
            .with_description("How long a store took to answer")
            .build();
        Self { durations, system }
    }

    /// Times `work`, and makes it a span of the call that is under way.
    pub async fn time<T, E: Display>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (began, trace) = (Began::now(), Trace::current());
        let result = work.await;
        self.done(operation, began, [&trace], &result);
        result
    }

    /// An operation that served the calls of all `traces` has come to its end.
    pub fn done<'a, T, E: Display>(
        &self,
        operation: &'static str,
        began: Began,
        traces: impl IntoIterator<Item = &'a Trace>,
        result: &Result<T, E>,
    ) {
        self.durations.record(began.0.elapsed().as_secs_f64(), &self.attributes(operation));
        self.spans(operation, began, traces, result);
    }

    /// The spans alone, where several operations were timed on behalf of the calls.
    pub fn spans<'a, T, E: Display>(
        &self,
        operation: &'static str,
        Began(_, clock): Began,
        traces: impl IntoIterator<Item = &'a Trace>,
        result: &Result<T, E>,
    ) {
        for trace in traces.into_iter().filter(|trace| trace.is_on()) {
            let error = result.as_ref().err().map(ToString::to_string);
            let name = format!("{} {operation}", self.system).into();
            trace.record(name, clock, self.attributes(operation).to_vec(), error.as_deref());
        }
    }

    fn attributes(&self, operation: &'static str) -> [KeyValue; 2] {
        [KeyValue::new("db.system.name", self.system), KeyValue::new("db.operation.name", operation)]
    }
}

/// How a pool is, or several that are told of as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that there may be.
    pub max: u64,
    /// Connections that there are.
    pub connections: u64,
    /// Of them, those that nobody uses.
    pub idle: u64,
    /// Waits that ended without one, so far.
    pub timeouts: u64,
}

impl PoolState {
    /// Counts a pool of at most `max` connections in.
    pub fn add(&mut self, max: u32, pool: &State) {
        self.max += u64::from(max);
        self.connections += u64::from(pool.connections);
        self.idle += u64::from(pool.idle_connections);
        self.timeouts += pool.statistics.get_timed_out;
    }
}

/// The waits for a pool. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PoolWaits {
    waits: Histogram<f64>,
    pool: [KeyValue; 1],
}

impl PoolWaits {
    /// Of the pool `name`, which has at most `max` connections. The meter keeps the pool for as long as there is the meter.
    pub fn new<M: ManageConnection>(
        meter: &Meter,
        name: &'static str,
        max: u32,
        looked_at: &Pool<M>,
    ) -> Self {
        let pool = looked_at.clone();
        Self::over(meter, name, move || {
            let mut state = PoolState::default();
            state.add(max, &pool.state());
            state
        })
    }

    /// Of what is told of as the pool `name`; `look` says how it is.
    pub fn over(
        meter: &Meter,
        name: &'static str,
        look: impl Fn() -> PoolState + Clone + Send + Sync + 'static,
    ) -> Self {
        let pool = [KeyValue::new("db.client.connection.pool.name", name)];
        let (of, now) = (pool.clone(), look.clone());
        meter
            .u64_observable_gauge("db.client.connection.max")
            .with_description("Connections that a pool may have")
            .with_callback(move |gauge| gauge.observe(now().max, &of))
            .build();
        let (of, now) = (pool.clone(), look.clone());
        meter
            .u64_observable_gauge("db.client.connection.count")
            .with_description("Connections of a pool, by whether they are in use")
            .with_callback(move |gauge| {
                let PoolState { connections, idle, .. } = now();
                for (state, count) in [("idle", idle), ("used", connections.saturating_sub(idle))] {
                    let state = KeyValue::new("db.client.connection.state", state);
                    gauge.observe(count, &[of[0].clone(), state]);
                }
            })
            .build();
        let of = pool.clone();
        meter
            .u64_observable_counter("db.client.connection.timeouts")
            .with_description("Waits for a connection that ended without one")
            .with_callback(move |counter| counter.observe(look().timeouts, &of))
            .build();
        let waits = meter
            .f64_histogram("db.client.connection.wait_time")
            .with_unit("s")
            .with_description("How long a connection was waited for")
            .build();
        Self { waits, pool }
    }

    /// Waits for a connection.
    pub async fn time<T>(&self, get: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let got = get.await;
        self.waits.record(began.elapsed().as_secs_f64(), &self.pool);
        got
    }
}
