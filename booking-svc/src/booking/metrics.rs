use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Meter},
};
use tokio::time::Instant;

use super::{Backend, Level, rebuilds::Rebuilds};
use crate::{board::Boards, domain::ReservationState, gate::Shard};

/// What the use cases count. No label grows with events, seats or customers.
pub(super) struct Metrics {
    /// Reservations asked for, by outcome, and by the level that decided.
    reserve: Counter<u64>,
    /// Confirms, by outcome.
    confirm: Counter<u64>,
    /// Holds that began.
    taken: Counter<u64>,
    /// Holds that became bookings.
    confirmed: Counter<u64>,
    /// Holds that were given back.
    released: Counter<u64>,
    /// Holds that ended by time.
    pub(super) expired: Counter<u64>,
    /// Confirms that the sweeper had decided.
    pub(super) swept: Counter<u64>,
    /// Rebuilt gates, by whether nothing was lost.
    rebuilds: Counter<u64>,
    /// Events in the vault.
    events: Gauge<u64>,
    /// The highest epoch of any event.
    epoch_max: Gauge<u64>,
    /// Boards that were read as a whole, by why.
    board_reads: Counter<u64>,
    /// Seats on which gate and vault differ, twice in a row.
    drift: Gauge<u64>,
    /// The same, counted.
    drift_found: Counter<u64>,
    /// The same by shard: a comparison is of one.
    drift_by_shard: Mutex<HashMap<Shard, usize>>,
    /// Which stores answer.
    up: Gauge<u64>,
    /// Primaries of Redis, by whether they answer.
    shards: Gauge<u64>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        // There from the start: what never was is 0, and its first time is an increase.
        let from_zero = |name, description| {
            let counter = counter(name, description);
            counter.add(0, &[]);
            counter
        };
        let gauge = |name, description| meter.u64_gauge(name).with_description(description).build();
        Self {
            reserve: counter(
                "ticketengine.reserve",
                "Reserve calls by outcome, and by the level that decided",
            ),
            confirm: counter("ticketengine.confirm", "Answers to Confirm by outcome"),
            taken: from_zero("ticketengine.holds.taken", "Holds that were granted"),
            confirmed: from_zero("ticketengine.holds.confirmed", "Holds that became bookings"),
            released: from_zero("ticketengine.holds.released", "Holds that their owners gave back"),
            expired: from_zero(
                "ticketengine.holds.expired",
                "Holds that this replica's sweeper ended by time",
            ),
            swept: from_zero(
                "ticketengine.confirms.swept",
                "Confirms past their window that this replica had the vault decide",
            ),
            rebuilds: counter("ticketengine.rebuilds", "Gates that this replica rebuilt"),
            events: gauge("ticketengine.events", "Events in the vault"),
            epoch_max: gauge("ticketengine.epoch.max", "The highest epoch of any event"),
            board_reads: counter(
                "ticketengine.boards.read",
                "Boards that were read as a whole, by why: first, epoch or gap",
            ),
            drift: gauge("ticketengine.drift.seats", "Seats on which gate and vault differ"),
            drift_found: from_zero("ticketengine.drift.found", "Seats on which gate and vault differed"),
            drift_by_shard: Mutex::default(),
            shards: gauge(
                "ticketengine.gate.shards",
                "Primaries of Redis, by whether the last look found them answering",
            ),
            up: gauge("ticketengine.stores.up", "1 where the last look found the store answering"),
        }
    }

    pub(super) fn reserved(&self, outcome: &'static str) {
        self.reserve
            .add(1, &[KeyValue::new("outcome", outcome), KeyValue::new("level", Level::Gate.as_str())]);
    }

    pub(super) fn granted(&self) {
        self.reserved("granted");
        self.taken.add(1, &[]);
    }

    pub(super) fn refused(&self, level: Level) {
        self.reserve.add(1, &[KeyValue::new("outcome", "taken"), KeyValue::new("level", level.as_str())]);
    }

    pub(super) fn confirmed(&self, outcome: &'static str) {
        self.confirm.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// The gate has written an outcome that it had not written before.
    pub(super) fn settled(&self, outcome: ReservationState) {
        match outcome {
            ReservationState::Booked => self.confirmed.add(1, &[]),
            ReservationState::Released => self.released.add(1, &[]),
            ReservationState::Held
            | ReservationState::Confirming
            | ReservationState::Expired
            | ReservationState::Cancelled
            | ReservationState::Lost => {}
        }
    }

    pub(super) fn rebuilt(&self, lossless: bool) {
        self.rebuilds.add(1, &[KeyValue::new("lossless", lossless)]);
    }

    pub(super) fn events(&self, events: usize, epoch_max: u64) {
        self.events.record(events as u64, &[]);
        self.epoch_max.record(epoch_max, &[]);
    }

    pub(super) fn board_read(&self, why: &'static str) {
        self.board_reads.add(1, &[KeyValue::new("why", why)]);
    }

    pub(super) fn drifted(&self, shard: &Shard, seats: usize) {
        let mut shards = self.drift_by_shard.lock().unwrap_or_else(PoisonError::into_inner);
        shards.insert(shard.clone(), seats);
        self.drift.record(shards.values().sum::<usize>() as u64, &[]);
        self.drift_found.add(seats as u64, &[]);
    }

    /// The shard is gone, and its events are on others.
    pub(super) fn forget_shard(&self, shard: &Shard) {
        self.drift_by_shard.lock().unwrap_or_else(PoisonError::into_inner).remove(shard);
    }

    pub(super) fn shards(&self, answer: usize, all: usize) {
        for (answers, count) in [(true, answer), (false, all - answer)] {
            self.shards.record(count as u64, &[KeyValue::new("answers", answers)]);
        }
    }

    pub(super) fn answered(&self, store: Backend, up: bool) {
        self.up.record(up.into(), &[KeyValue::new("store", store.as_str())]);
    }
}

/// Has the rebuilds looked at when metrics are asked for.
pub(super) fn tell_of_rebuilds(meter: &Meter, rebuilds: &Rebuilds) {
    let rebuilds = rebuilds.clone();
    meter
        .u64_observable_gauge("ticketengine.events.cold")
        .with_description("Events that wait for a rebuild of their gate")
        .with_callback(move |gauge| gauge.observe(rebuilds.waiting() as u64, &[]))
        .build();
}

/// Has the boards looked at when metrics are asked for.
pub(super) fn tell_of_boards(meter: &Meter, boards: &Boards) {
    let gauge = |name, description, look: fn(&Boards) -> usize| {
        let (gauge, boards) = (meter.u64_observable_gauge(name), boards.clone());
        gauge
            .with_description(description)
            .with_callback(move |gauge| gauge.observe(look(&boards) as u64, &[]))
            .build();
    };
    gauge("ticketengine.watchers", "Streams that watch seats through this replica", Boards::watchers);
    gauge(
        "ticketengine.boards",
        "Events that this replica follows: for those who watch, or to refuse early",
        |boards| boards.watched().len(),
    );
    gauge("ticketengine.boards.stale", "Of them, those that are cut off from the gate", |boards| {
        boards.watched().iter().filter(|board| board.is_stale()).count()
    });
    let boards = boards.clone();
    let lag = move || boards.watched().iter().map(|board| board.lag()).max().unwrap_or_default();
    meter
        .f64_observable_gauge("ticketengine.board.lag")
        .with_unit("s")
        .with_description("How old what the oldest board knows is")
        .with_callback(move |gauge| gauge.observe(lag().as_secs_f64(), &[]))
        .build();
}

/// When all that was due has last been ended, by shard. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Swept(Arc<Mutex<HashMap<Shard, Instant>>>);

impl Swept {
    /// Tells at each scrape how long ago that was, of the shard where it is longest.
    pub(super) fn start(meter: &Meter) -> Self {
        let swept = Self::default();
        let since = swept.clone();
        meter
            .f64_observable_gauge("ticketengine.sweeper.lag")
            .with_unit("s")
            .with_description("Since when not all that was due has been ended")
            .with_callback(move |gauge| gauge.observe(since.lag(), &[]))
            .build();
        swept
    }

    /// The shard is new.
    pub(super) fn begin(&self, shard: &Shard) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shard.clone(), Instant::now());
    }

    /// All of the shard that was due at `began` has ended.
    pub(super) fn all(&self, shard: &Shard, began: Instant) {
        // A pass may end after its shard is gone.
        if let Some(last) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(shard) {
            *last = began;
        }
    }

    /// The shard is gone.
    pub(super) fn forget(&self, shard: &Shard) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(shard);
    }

    fn lag(&self) -> f64 {
        let shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shards.values().map(Instant::elapsed).max().unwrap_or_default().as_secs_f64()
    }
}
