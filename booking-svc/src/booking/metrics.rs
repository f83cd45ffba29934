use super::Level;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Meter},
};

/// What the use cases count. No label grows with events, seats or customers.
pub(super) struct Metrics {
    /// Reservations asked for, by outcome, and by the level that decided.
    pub(super) reserve: Counter<u64>,
    /// Confirms, by outcome.
    pub(super) confirm: Counter<u64>,
    /// Holds that ended by time.
    pub(super) expired: Counter<u64>,
    /// Confirms that the sweeper had decided.
    pub(super) swept: Counter<u64>,
    /// Rebuilt gates, by whether nothing was lost.
    pub(super) rebuilds: Counter<u64>,
    /// Who watches seats.
    watchers: Gauge<u64>,
    /// Events that are followed.
    boards: Gauge<u64>,
    /// Of them, those of which changes may be missing.
    stale: Gauge<u64>,
    /// Boards that were read as a whole, by why.
    board_reads: Counter<u64>,
    /// Seats on which gate and vault differ, twice in a row.
    pub(super) drift: Gauge<u64>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            reserve: meter
                .u64_counter("ticketengine.reserve")
                .with_description("Reserve calls by outcome, and by the level that decided")
                .build(),
            confirm: meter
                .u64_counter("ticketengine.confirm")
                .with_description("Confirm decisions by outcome")
                .build(),
            expired: meter
                .u64_counter("ticketengine.holds.expired")
                .with_description("Holds that this replica's sweeper ended by time")
                .build(),
            swept: meter
                .u64_counter("ticketengine.confirms.swept")
                .with_description("Confirms past their window that this replica had the vault decide")
                .build(),
            rebuilds: meter
                .u64_counter("ticketengine.rebuilds")
                .with_description("Gates that this replica rebuilt")
                .build(),
            watchers: meter
                .u64_gauge("ticketengine.watchers")
                .with_description("Streams that watch seats through this replica")
                .build(),
            boards: meter
                .u64_gauge("ticketengine.boards")
                .with_description("Events that this replica follows: for those who watch, or to refuse early")
                .build(),
            stale: meter
                .u64_gauge("ticketengine.boards.stale")
                .with_description("Of them, those that are cut off from the gate")
                .build(),
            board_reads: meter
                .u64_counter("ticketengine.boards.read")
                .with_description("Boards that were read as a whole, by why: first, epoch or gap")
                .build(),
            drift: meter
                .u64_gauge("ticketengine.drift.seats")
                .with_description("Seats on which gate and vault differ")
                .build(),
        }
    }

    pub(super) fn reserved(&self, outcome: &'static str) {
        self.reserve
            .add(1, &[KeyValue::new("outcome", outcome), KeyValue::new("level", Level::Gate.as_str())]);
    }

    pub(super) fn refused(&self, level: Level) {
        self.reserve.add(1, &[KeyValue::new("outcome", "taken"), KeyValue::new("level", level.as_str())]);
    }

    pub(super) fn confirmed(&self, outcome: &'static str) {
        self.confirm.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    pub(super) fn rebuilt(&self, lossless: bool) {
        self.rebuilds.add(1, &[KeyValue::new("lossless", lossless)]);
    }

    pub(super) fn boards(&self, watchers: usize, boards: usize, stale: usize) {
        self.watchers.record(watchers as u64, &[]);
        self.boards.record(boards as u64, &[]);
        self.stale.record(stale as u64, &[]);
    }

    pub(super) fn board_read(&self, why: &'static str) {
        self.board_reads.add(1, &[KeyValue::new("why", why)]);
    }
}
