//! An event's board as its stream tells it, and how far the stream can be trusted.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use prost_types::Timestamp;
use seat_board::{Board, Position};
use ticketengine::v1::{SeatStates, SeatsHeartbeat, WatchSeatsResponse, watch_seats_response::Message};
use tokio::{sync::Notify, time::Instant};

/// Without news for this long, changes may be missing. The service sends a heartbeat each second.
pub const STALE_AFTER: Duration = Duration::from_millis(1_500);
/// Changes of seats that the board remembers: about a tick's.
const REACH_SEATS: usize = 4_096;

/// Why a message was not taken. The board is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The replica is behind what is known already.
    #[error("the replica is behind")]
    Older,
    /// What is known, or what the replica says, is wrong: only a new snapshot helps.
    #[error("the stream does not fit the board")]
    Broken,
}

/// What a message was that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The board is at least where the replica is.
    News,
    /// A heartbeat of a replica that says that it is cut off: there may be news that it does not know.
    CutOff,
    /// A heartbeat of a replica that is behind the board.
    Behind,
}

/// What the room of the event may do with it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Changes may be missing.
    pub stale: bool,
    /// Since when, or up to when nothing is missing.
    pub as_of: Option<Timestamp>,
    /// There is no such event any more.
    pub gone: bool,
}

/// Written by the event's stream, read by its room.
pub struct Live {
    state: Mutex<State>,
    news: Notify,
}

/// What [`Live`] guards.
pub struct State {
    board: Option<Board>,
    /// How often the board was replaced by one that does not follow from it.
    resets: u64,
    /// The board is wrong: the next snapshot replaces it.
    broken: bool,
    /// A heartbeat was ahead of the board: at the next one the board must have come this far.
    promised: Option<Position>,
    as_of: Option<Timestamp>,
    /// The replica says that it is cut off.
    source_stale: bool,
    /// The last news from a replica that was not behind.
    heard: Instant,
    gone: bool,
}

impl Default for Live {
    fn default() -> Self {
        let state = State {
            board: None,
            resets: 0,
            broken: false,
            promised: None,
            as_of: None,
            source_stale: false,
            heard: Instant::now(),
            gone: false,
        };
        Self { state: Mutex::new(state), news: Notify::new() }
    }
}

impl Live {
    /// For reading.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for news that a watcher may want to hear. For one reader.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// What a new stream should go on from; None: a snapshot is needed.
    pub(super) fn known(&self) -> Option<Position> {
        let state = self.state();
        state.board.as_ref().filter(|_| !state.broken).map(Board::position)
    }

    /// Takes a message over. With `set_back`, also one that is older: the installation was set back.
    pub(crate) fn take(&self, message: WatchSeatsResponse, set_back: bool) -> Result<Heard, Fault> {
        let mut state = self.state();
        let (stale, broken) = (state.trust(Instant::now()).stale, state.broken);
        let taken = match message.message {
            Some(Message::Snapshot(snapshot)) => state.snapshot(snapshot, set_back),
            Some(Message::Changes(changes)) => match &mut state.board {
                Some(board) if !broken => {
                    #[cfg(feature = "mutants")]
                    let changes = crate::mutants::continuing(board.position(), changes);
                    board.apply(&changes).map_err(|_| Fault::Broken)
                }
                _ => Err(Fault::Broken),
            },
            Some(Message::Heartbeat(heartbeat)) => return self.heartbeat(state, &heartbeat),
            // Of a later schema.
            None => return Ok(Heard::Behind),
        };
        match taken {
            Ok(()) => {
                // A replica that is cut off says what it has, too: what is stale stays so until a heartbeat.
                if !stale {
                    state.heard = Instant::now();
                }
                if state.as_of.is_none() {
                    state.as_of = Some(SystemTime::now().into());
                }
                self.news.notify_one();
            }
            Err(Fault::Broken) => state.broken = true,
            Err(Fault::Older) => {}
        }
        taken.map(|()| Heard::News)
    }

    fn heartbeat(
        &self,
        mut state: MutexGuard<'_, State>,
        heartbeat: &SeatsHeartbeat,
    ) -> Result<Heard, Fault> {
        let stale = state.trust(Instant::now()).stale;
        let taken = state.heartbeat(heartbeat);
        if taken.is_err() {
            state.broken = true;
        }
        if state.trust(Instant::now()).stale != stale {
            self.news.notify_one();
        }
        taken
    }

    /// There is no such event any more.
    pub(crate) fn end(&self) {
        self.state().gone = true;
        self.news.notify_one();
    }
}

impl State {
    /// The board and how often it was reset; None before the first snapshot.
    pub fn board(&self) -> Option<(&Board, u64)> {
        self.board.as_ref().map(|board| (board, self.resets))
    }

    /// How far the board can be trusted at a time.
    pub fn trust(&self, now: Instant) -> Trust {
        let stale = self.source_stale || now >= self.stale_at();
        Trust { stale, as_of: self.as_of, gone: self.gone }
    }

    /// When the board becomes stale unless there is news.
    pub fn stale_at(&self) -> Instant {
        self.heard + STALE_AFTER
    }

    fn snapshot(&mut self, snapshot: SeatStates, set_back: bool) -> Result<(), Fault> {
        self.promised = None;
        let Some(board) = &mut self.board else {
            self.board = Some(Board::new(snapshot, REACH_SEATS));
            return Ok(());
        };
        let older = Position::from(&snapshot) < board.position();
        if older && !set_back {
            return Err(Fault::Older);
        }
        // Readers may be where the board never was: they start anew.
        if self.broken || older {
            board.replace(snapshot);
            self.resets += 1;
            self.broken = false;
            return Ok(());
        }
        board.restore(snapshot).map_err(|_| Fault::Broken)
    }

    fn heartbeat(&mut self, heartbeat: &SeatsHeartbeat) -> Result<Heard, Fault> {
        let Some(board) = self.board.as_ref().filter(|_| !self.broken) else { return Err(Fault::Broken) };
        let said = Position { epoch: heartbeat.epoch, version: heartbeat.version };
        let at = board.position();
        if self.promised.is_some_and(|promised| at < promised) {
            return Err(Fault::Broken);
        }
        self.promised = (said > at).then_some(said);
        if said < at {
            // The replica is behind: it lives, but it knows no news.
            return Ok(Heard::Behind);
        }
        if said == at && heartbeat.checksum != board.checksum() {
            return Err(Fault::Broken);
        }
        self.heard = Instant::now();
        self.source_stale = heartbeat.stale;
        self.as_of = heartbeat.as_of_time;
        Ok(if heartbeat.stale { Heard::CutOff } else { Heard::News })
    }
}

#[cfg(test)]
mod tests {
    use ticketengine::v1::SeatChanges;
    use tokio::time::advance;

    use super::*;

    fn take(live: &Live, message: Message) {
        live.take(WatchSeatsResponse { message: Some(message) }, false).unwrap();
    }

    fn snapshot(version: u64) -> Message {
        Message::Snapshot(SeatStates { epoch: 1, version, packed: vec![0; 16] })
    }

    fn heartbeat(live: &Live, seconds: i64, stale: bool) {
        let state = live.state();
        let (board, _) = state.board().unwrap();
        let Position { epoch, version } = board.position();
        let as_of_time = Some(Timestamp { seconds, nanos: 0 });
        let beat = SeatsHeartbeat { epoch, version, checksum: board.checksum(), as_of_time, stale };
        drop(state);
        take(live, Message::Heartbeat(beat));
    }

    fn trust(live: &Live) -> (bool, i64) {
        let Trust { stale, as_of, .. } = live.state().trust(Instant::now());
        (stale, as_of.unwrap().seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_heartbeat_makes_fresh_what_was_stale() {
        let live = Live::default();
        take(&live, snapshot(5));
        heartbeat(&live, 100, false);
        advance(STALE_AFTER).await;
        assert_eq!(trust(&live), (true, 100), "nothing was heard");
        // Another replica, which is cut off from Redis, says what it has.
        take(&live, snapshot(6));
        assert_eq!(trust(&live), (true, 100));
        heartbeat(&live, 101, true);
        let (epoch, after_version, version) = (1, 6, 7);
        let changes = SeatChanges { epoch, after_version, version, held: vec![1], ..SeatChanges::default() };
        take(&live, Message::Changes(changes));
        assert_eq!(trust(&live), (true, 101));
        heartbeat(&live, 103, false);
        assert_eq!(trust(&live), (false, 103));
        // What is fresh stays so by changes.
        advance(STALE_AFTER / 2).await;
        take(&live, snapshot(8));
        advance(STALE_AFTER / 2).await;
        assert_eq!(trust(&live), (false, 103));
    }
}
