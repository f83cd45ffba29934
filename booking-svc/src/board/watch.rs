use std::{sync::Arc, time::Duration};

use prost::Message as _;
use seat_board::{Board, Missing, Position};
use ticketengine::v1::{SeatsHeartbeat, watch_seats_response::Message};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::live::{AsOf, Live};

/// A board that was not known to be whole for so long is stale.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(1);
/// Between two heartbeats.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A watcher that comes from a faster replica is waited for; after so long its future is not ours.
const AHEAD_WAIT: Duration = Duration::from_secs(1);
/// Changes of so many bytes are told as changes, even where a snapshot would be smaller.
const CHANGES_BYTES_FINE: usize = 1_024;

/// One who watches an event: a position, and what it was told. Keeps its place until it is dropped.
pub struct Watch {
    live: Arc<Live>,
    changed: watch::Receiver<bool>,
    closing: CancellationToken,
    ends_at: Option<Instant>,
    /// What the watcher has.
    known: Option<Position>,
    /// Whether it was told anything.
    begun: bool,
    told_stale: bool,
    heartbeat_at: Instant,
    ahead_since: Option<Instant>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Watch {
    pub(super) fn new(
        live: Arc<Live>,
        known: Option<Position>,
        closing: CancellationToken,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            changed: live.subscribe(),
            live,
            closing,
            ends_at: None,
            known,
            begun: false,
            told_stale: false,
            heartbeat_at: Instant::now() + HEARTBEAT_EVERY,
            ahead_since: None,
            _place: place,
        }
    }

    /// Ends after so long, from now on.
    pub fn lasting(self, age_max: Option<Duration>) -> Self {
        Self { ends_at: age_max.map(|age| Instant::now() + age), ..self }
    }

    /// Waits until there is a board.
    pub async fn ready(&mut self) {
        // The sender lives in `live`.
        let _ = self.changed.wait_for(|ready| *ready).await;
    }

    /// The next thing that the watcher has to know; None when the watch is over, or the replica stops. May be dropped
    /// and asked again.
    pub async fn next(&mut self) -> Option<Message> {
        let (closing, ends_at) = (self.closing.clone(), self.ends_at);
        // Also where there is always something to tell.
        if closing.is_cancelled() || ends_at.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let message = closing.run_until_cancelled(self.message());
        match ends_at {
            Some(end) => timeout_at(end, message).await.ok()?,
            None => message.await,
        }
    }

    async fn message(&mut self) -> Message {
        loop {
            // Before the look: what comes after it wakes us.
            self.changed.mark_unchanged();
            match self.look(Instant::now()) {
                Ok(message) => return message,
                Err(again_at) => {
                    let _ = timeout_at(again_at, self.changed.changed()).await;
                }
            }
        }
    }

    /// What the watcher has to know now, or when to look again should nothing change.
    fn look(&mut self, now: Instant) -> Result<Message, Instant> {
        let live = Arc::clone(&self.live);
        let state = live.lock();
        let Some((board, as_of)) = &state.board else { return Err(now + HEARTBEAT_EVERY) };
        let stale = now >= as_of.stale_at();
        let missing = self.known.map_or(Missing::Snapshot, |known| board.since(known));
        if missing != Missing::Ahead {
            self.ahead_since = None;
        }
        match missing {
            Missing::Changes(changes)
                if changes.encoded_len() <= board.states().bytes().len().max(CHANGES_BYTES_FINE) =>
            {
                self.told(board);
                Ok(Message::Changes(changes))
            }
            Missing::Changes(_) | Missing::Snapshot => {
                self.told(board);
                Ok(Message::Snapshot(board.snapshot()))
            }
            Missing::Nothing if !self.begun => Ok(self.heartbeat(board, as_of, stale, now)),
            Missing::Nothing => self.heartbeat_if_due(board, as_of, stale, now),
            // It knows more than a board that is cut off: no reason to take that from it.
            Missing::Ahead if stale => self.heartbeat_if_due(board, as_of, stale, now),
            Missing::Ahead => {
                let give_up_at = *self.ahead_since.get_or_insert(now) + AHEAD_WAIT;
                if now < give_up_at {
                    return Err(give_up_at.min(as_of.stale_at()));
                }
                self.told(board);
                Ok(Message::Snapshot(board.snapshot()))
            }
        }
    }

    fn told(&mut self, board: &Board) {
        self.known = Some(board.position());
        if !self.begun {
            // Whether a first message is old, only a heartbeat says.
            self.heartbeat_at = Instant::now();
        }
        self.begun = true;
    }

    fn heartbeat_if_due(
        &mut self,
        board: &Board,
        as_of: &AsOf,
        stale: bool,
        now: Instant,
    ) -> Result<Message, Instant> {
        if stale != self.told_stale || now >= self.heartbeat_at {
            return Ok(self.heartbeat(board, as_of, stale, now));
        }
        Err(if stale { self.heartbeat_at } else { self.heartbeat_at.min(as_of.stale_at()) })
    }

    fn heartbeat(&mut self, board: &Board, as_of: &AsOf, stale: bool, now: Instant) -> Message {
        self.begun = true;
        self.told_stale = stale;
        self.heartbeat_at = now + HEARTBEAT_EVERY;
        let Position { epoch, version } = board.position();
        let as_of_time = Some(as_of.time.into());
        Message::Heartbeat(SeatsHeartbeat { epoch, version, checksum: board.checksum(), as_of_time, stale })
    }
}
