//! Live status: one task a shard follows the change logs of its watched events and feeds their boards.

use std::{collections::HashSet, sync::Arc, time::Duration};

use rand::Rng;
use seat_board::Position;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Backend, Engine, Error};
use crate::{
    board::{AsOf, Closed, Live, Wanted, Watch},
    domain::{Epoch, EventId, Version},
    gate::{self, Cursor, Log, Look, Shard},
};

/// Between two looks at the epoch and the version of each watched event. Well under the second after which a board
/// that nobody has looked after is stale.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a read that brought changes: the next one brings what comes meanwhile, merged.
const TICK: Duration = Duration::from_millis(10);
/// The pause after a failure; with jitter.
const AGAIN: Duration = Duration::from_millis(100);
/// Of the failures in a row, every so many-th is logged.
const FAILURES_PER_WARNING: u32 = 20;
/// A failure after so long is not of the row.
const FAILURE_FORGOTTEN: Duration = Duration::from_secs(5);
/// How long the first watcher of an event waits for its board.
const BOARD_WAIT: Duration = Duration::from_secs(1);

impl Engine {
    /// Follows the status of an event's seats, from what the watcher knows.
    pub async fn watch_seats(&self, event: &EventId, known: Option<Position>) -> Result<Watch, Error> {
        let boards = &self.0.boards;
        if !boards.has(event) {
            self.0.catalog.house(event).await?;
        }
        let mut watch = boards.watch(event, known).map_err(refused)?;
        if timeout(BOARD_WAIT, watch.ready()).await.is_ok() {
            return Ok(watch);
        }
        let alive = self.0.gate.alive(event).await;
        Err(alive
            .map_or_else(|why| self.gate_error(event, why), |_| Error::BackendUnavailable(Backend::Gate)))
    }

    /// The same for the service's own, from a snapshot on, which comes when there is a board.
    pub fn watch_seats_within(&self, event: &EventId) -> Result<Watch, Error> {
        self.0.boards.watch_within(event).map_err(refused)
    }

    /// Up to `limit` events of whose seats something may happen: those on sale, and those that were until `after_close` ago.
    pub async fn live_events(&self, after_close: Duration, limit: u32) -> Result<Vec<EventId>, Error> {
        let found = self.0.vault.live_events(after_close, limit).await;
        found.map_err(|error| Error::from_vault(&error))
    }

    /// Ends all watches, for this replica stops.
    pub fn end_watches(&self) {
        self.0.boards.close();
    }

    /// Fires when all watches end.
    pub fn watches_end(&self) -> CancellationToken {
        self.0.boards.closing()
    }

    /// Feeds the boards of a shard's events, for good.
    pub(super) async fn feed_boards(self, shard: Shard) {
        let (mut failures, mut wanted) = (0_u32, self.0.boards.wanted());
        loop {
            if self.boards_of(&shard).is_empty() {
                wanted.wait().await;
                continue;
            }
            let began = Instant::now();
            let fed = async { self.follow(&self.0.gate.log(&shard).await?, &shard, &mut wanted).await };
            if let Err(error) = fed.await {
                if began.elapsed() > FAILURE_FORGOTTEN {
                    failures = 0;
                }
                if failures.is_multiple_of(FAILURES_PER_WARNING) {
                    tracing::warn!(
                        failures, %shard, %error, "change logs can not be read; watchers are told what is stale"
                    );
                }
                failures += 1;
                let jitter = rand::rng().random_range(0.5..1.5);
                sleep(AGAIN.mul_f64(jitter)).await;
            }
        }
    }

    fn boards_of(&self, shard: &Shard) -> Vec<Arc<Live>> {
        let mut boards = self.0.boards.watched();
        boards.retain(|board| self.0.gate.serves(shard, board.event()));
        boards
    }

    /// Feeds the boards from one reader, as long as it works and there are boards.
    async fn follow(&self, log: &Log, shard: &Shard, wanted: &mut Wanted) -> Result<(), gate::Error> {
        let mut look_at = Instant::now();
        let mut cold = HashSet::new();
        loop {
            let mut boards = self.boards_of(shard);
            if boards.is_empty() {
                return Ok(());
            }
            let as_of = AsOf::now();
            let mut expected = Vec::new();
            if as_of.at() >= look_at || wanted.take() {
                look_at = as_of.at() + LOOK_EVERY;
                (expected, cold) = self.look(log, &boards).await?;
            }
            // One log that can not be read would fail the read of all.
            boards.retain(|board| board.position().is_some() && !cold.contains(board.event()));
            if boards.is_empty() {
                if timeout_at(look_at, wanted.wait()).await.is_ok() {
                    look_at = Instant::now();
                }
                continue;
            }
            let read = self.read(log, &boards).await?;
            for Expected { board, at } in expected {
                if board.position() >= Some(at) {
                    board.confirm(as_of);
                } else if !read.more.contains(board.event()) {
                    self.restore(log, &board, Epoch(at.epoch), "gap").await?;
                }
            }
            if read.news && read.more.is_empty() {
                sleep(TICK).await;
            }
        }
    }

    /// Looks after epochs: a board of another one is read anew. The others are to be at a version, or their gate is cold.
    async fn look(
        &self,
        log: &Log,
        boards: &[Arc<Live>],
    ) -> Result<(Vec<Expected>, HashSet<EventId>), gate::Error> {
        let epoch = |board: &Live| board.position().map_or(Epoch::default(), |at| Epoch(at.epoch));
        let events: Vec<_> = boards.iter().map(|board| (board.event().clone(), epoch(board))).collect();
        let (mut expected, mut cold) = (Vec::new(), HashSet::new());
        for (board, look) in boards.iter().zip(log.look(&events).await?) {
            match (look, board.position()) {
                (Look::Cold(why), _) => {
                    board.forget(None);
                    self.gate_error(board.event(), gate::Error::Cold(why.into()));
                    cold.insert(board.event().clone());
                }
                (Look::Away, _) => {
                    board.forget(None);
                    cold.insert(board.event().clone());
                }
                (Look::Warm { epoch, version: Some(version) }, Some(at)) if epoch.0 == at.epoch => {
                    let at = Position { version: version.0, ..at };
                    expected.push(Expected { board: Arc::clone(board), at });
                }
                (Look::Warm { epoch, .. }, at) => {
                    let why = if at.is_some() { "epoch" } else { "first" };
                    self.restore(log, board, epoch, why).await?;
                }
            }
        }
        Ok((expected, cold))
    }

    /// Reads on where the boards are.
    async fn read(&self, log: &Log, boards: &[Arc<Live>]) -> Result<Brought, gate::Error> {
        let at = |board: &Arc<Live>| Some((Arc::clone(board), board.position()?));
        let (boards, cursors): (Vec<_>, Vec<_>) = boards
            .iter()
            .filter_map(at)
            .map(|(board, at)| {
                let (event, epoch, version) = (board.event().clone(), Epoch(at.epoch), Version(at.version));
                (board, Cursor { event, epoch, version })
            })
            .unzip();
        let mut brought = Brought::default();
        for read in log.read(&cursors).await? {
            brought.news = true;
            let board = &boards[read.cursor];
            // Changes that do not join up are not taken: the next look finds that the board lacks something.
            let joins = board.apply(cursors[read.cursor].epoch, read.changes).is_ok();
            if joins && read.more {
                brought.more.insert(board.event().clone());
            }
        }
        Ok(brought)
    }

    /// Reads a board as a whole.
    async fn restore(
        &self,
        log: &Log,
        board: &Live,
        epoch: Epoch,
        why: &'static str,
    ) -> Result<(), gate::Error> {
        let as_of = AsOf::now();
        match log.states(board.event(), epoch).await {
            Ok(states) => {
                board.restore(&states, as_of);
                self.0.metrics.board_read(why);
                tracing::debug!(event = %board.event(), %epoch, why, "read a board anew");
                Ok(())
            }
            // One event's trouble is not the others'.
            Err(error @ (gate::Error::Cold(_) | gate::Error::Corrupt(_) | gate::Error::Moved(_))) => {
                self.gate_error(board.event(), error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn refused(refused: Closed) -> Error {
    match refused {
        Closed::Full(what) => Error::Overloaded(what),
        Closed::Stopping => Error::StreamEnded,
    }
}

/// A version that the log must lead to.
struct Expected {
    board: Arc<Live>,
    at: Position,
}

/// What a read brought.
#[derive(Default)]
struct Brought {
    news: bool,
    /// The events of which there may be more.
    more: HashSet<EventId>,
}
