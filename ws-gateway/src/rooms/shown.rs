//! The board as the watchers of a room are shown it: it moves at ticks only, so that all who are up to date get the same.

use std::sync::Arc;

use bytes::Bytes;
use prost_types::Timestamp;
use seat_board::{Board, Missing, Position};
use ticketengine::v1::{SeatChanges, SeatsHeartbeat};

use super::{
    Encoding,
    cache::{Answer, Cache, Key},
    frames,
    view::View,
};
use crate::metrics::Sent;

/// Changes of seats that readers can catch up with; who lacks more gets a snapshot.
const REACH_SEATS: usize = 32_768;
/// Who watches sections is told of versions that do not concern it at heartbeats, and after this many.
const SKIPPED_VERSIONS_MAX: u64 = 4_096;
/// What a snapshot's frame has beside the states.
const SNAPSHOT_BYTES_MORE: usize = 64;

/// See the file.
#[derive(Default)]
pub(super) struct Shown {
    board: Option<Board>,
    /// How often the board was replaced because it was wrong: who has another count needs a snapshot.
    resets: u64,
    /// How many heartbeats there were.
    heartbeats: u64,
    as_of: Option<Timestamp>,
    stale: bool,
    cache: Cache,
    /// Where the board was before it moved last.
    before: u64,
    sent: Sent,
}

/// How far a reader is. That is all that the gateway keeps for it: there is no queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// What the reader has; None: nothing.
    at: Option<Position>,
    /// Up to this version nothing of the reader's view changed since `at`.
    looked: u64,
    resets: u64,
    /// The number of the next heartbeat that it gets.
    heartbeat: u64,
    /// The heartbeats that there were when the reader was found to be ahead.
    ahead: Option<u64>,
}

impl Shown {
    /// Goes to where the live board is. False: nothing is new.
    pub(super) fn advance(&mut self, live: &Board, resets: u64) -> bool {
        let before = self.position().map_or(0, |at| at.version);
        if let Some(board) = &mut self.board
            && resets == self.resets
        {
            let done = match live.since(board.position()) {
                Missing::Nothing => return false,
                Missing::Changes(changes) => board.apply(&changes),
                Missing::Snapshot | Missing::Ahead => board.restore(live.snapshot()),
            };
            if done.is_ok() {
                self.before = before;
                self.cache.clear();
                return true;
            }
        }
        // The first, or one that does not follow from the one before.
        match &mut self.board {
            Some(board) => board.replace(live.snapshot()),
            None => self.board = Some(Board::new(live.snapshot(), REACH_SEATS)),
        }
        self.resets = resets;
        self.cache.clear();
        true
    }

    /// All readers get a heartbeat.
    pub(super) fn heartbeat(&mut self, as_of: Option<Timestamp>, stale: bool) {
        self.heartbeats += 1;
        self.stale = stale;
        self.vouch(as_of);
    }

    /// Heartbeats say that nothing is missing up to then.
    pub(super) fn vouch(&mut self, as_of: Option<Timestamp>) {
        self.as_of = as_of;
        self.cache.clear();
    }

    /// Whether the last heartbeat said that changes may be missing.
    pub(super) fn stale(&self) -> bool {
        self.stale
    }

    /// For a reader that has `known`.
    pub(super) fn cursor(&self, known: Option<Position>) -> Cursor {
        let looked = known.map_or(0, |known| known.version);
        Cursor { at: known, looked, resets: self.resets, ..Cursor::default() }
    }

    /// The next frame for a reader, which then counts as sent; None while it lacks nothing. The first heartbeat follows
    /// the first frames, so that a reader knows at once that it has everything.
    pub(super) fn next_frame(
        &mut self,
        cursor: &mut Cursor,
        view: &View,
        encoding: Encoding,
    ) -> Option<Bytes> {
        let heartbeat = cursor.heartbeat <= self.heartbeats;
        let Some(now) = self.board.as_ref().map(Board::position) else {
            return (heartbeat && self.stale).then(|| self.heartbeat_frame(cursor, view, encoding));
        };
        let Some(at) = cursor.at.filter(|_| cursor.resets == self.resets) else {
            return Some(self.snapshot_frame(cursor, now, view, encoding));
        };
        if at == now {
            cursor.ahead = None;
            return heartbeat.then(|| self.heartbeat_frame(cursor, view, encoding));
        }
        if at > now {
            // Another gateway was faster; or the past has changed, which is certain only after a while.
            let since = *cursor.ahead.get_or_insert(self.heartbeats);
            if self.heartbeats > since && !self.stale {
                return Some(self.snapshot_frame(cursor, now, view, encoding));
            }
            return heartbeat.then(|| self.heartbeat_frame(cursor, view, encoding));
        }
        match self.changes_frame(cursor, at, now, heartbeat, view, encoding) {
            Answer::Frame(frame) => {
                self.sent.changes += 1;
                self.sent.bytes += frame.len() as u64;
                // Nobody else has told the reader of what was before.
                self.sent.conflated += u64::from(cursor.looked < self.before);
                *cursor = Cursor { at: Some(now), looked: now.version, ahead: None, ..cursor.clone() };
                Some(frame)
            }
            Answer::Snapshot => Some(self.snapshot_frame(cursor, now, view, encoding)),
            Answer::Nothing => {
                cursor.looked = now.version;
                None
            }
        }
    }

    /// What readers took since this was asked last.
    pub(super) fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.sent)
    }

    /// Where the board is; None while there is none.
    pub(super) fn position(&self) -> Option<Position> {
        self.board.as_ref().map(Board::position)
    }

    /// What a reader of all seats lacks that has `from`.
    pub(super) fn missing(&mut self, from: Position) -> Arc<Missing> {
        if let Some(missing) = self.cache.merged(from) {
            return missing;
        }
        let missing = self.board.as_ref().map_or(Missing::Nothing, |board| board.since(from));
        self.cache.keep_merged(from, missing)
    }

    /// The changes from `at` to `now`, which is later. With `all`, also where none concerns the reader.
    fn changes_frame(
        &mut self,
        cursor: &Cursor,
        at: Position,
        now: Position,
        all: bool,
        view: &View,
        encoding: Encoding,
    ) -> Answer {
        if at.epoch != now.epoch {
            return Answer::Snapshot;
        }
        let all = all || now.version - at.version > SKIPPED_VERSIONS_MAX;
        let looked = cursor.looked.clamp(at.version, now.version);
        let key = Key::Changes { view: view.id, encoding, after: at.version, looked };
        match self.cache.answer(key) {
            Some(Answer::Nothing) if all => {}
            Some(answer) => return answer,
            None => {}
        }
        let missing = self.missing(Position { version: looked, ..at });
        let changes = match &*missing {
            Missing::Changes(changes) if all || view.concerns(changes) => view.changes(changes, at.version),
            Missing::Nothing if all => SeatChanges {
                epoch: now.epoch,
                after_version: at.version,
                version: now.version,
                ..Default::default()
            },
            Missing::Changes(_) | Missing::Nothing => return self.cache.keep(key, Answer::Nothing),
            Missing::Snapshot | Missing::Ahead => return Answer::Snapshot,
        };
        let frame = frames::changes(encoding, changes);
        let answer = if frame.len() > frames::snapshot_len(encoding, view.len()) + SNAPSHOT_BYTES_MORE {
            Answer::Snapshot
        } else {
            Answer::Frame(frame)
        };
        self.cache.keep(key, answer)
    }

    fn snapshot_frame(
        &mut self,
        cursor: &mut Cursor,
        now: Position,
        view: &View,
        encoding: Encoding,
    ) -> Bytes {
        *cursor = Cursor {
            at: Some(now),
            looked: now.version,
            resets: self.resets,
            ahead: None,
            heartbeat: cursor.heartbeat,
        };
        self.sent.snapshots += 1;
        self.frame(Key::Snapshot { view: view.id, encoding }, |shown| {
            let snapshot = shown.board.as_ref().map(|board| view.snapshot(board)).unwrap_or_default();
            frames::snapshot(encoding, snapshot, view.len())
        })
    }

    fn heartbeat_frame(&mut self, cursor: &mut Cursor, view: &View, encoding: Encoding) -> Bytes {
        cursor.heartbeat = self.heartbeats + 1;
        self.sent.heartbeats += 1;
        self.frame(Key::Heartbeat { view: view.id, encoding }, |shown| {
            let board = shown.board.as_ref();
            let Position { epoch, version } = board.map(Board::position).unwrap_or_default();
            let heartbeat = SeatsHeartbeat {
                epoch,
                version,
                checksum: board.map_or(0, |board| view.states(board.states()).checksum()),
                as_of_time: shown.as_of,
                stale: shown.stale,
            };
            frames::heartbeat(encoding, heartbeat)
        })
    }

    fn frame(&mut self, key: Key, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        let known = match self.cache.answer(key) {
            Some(Answer::Frame(frame)) => Some(frame),
            Some(Answer::Snapshot | Answer::Nothing) | None => None,
        };
        let frame = known.unwrap_or_else(|| {
            let frame = make(self);
            self.cache.keep(key, Answer::Frame(frame.clone()));
            frame
        });
        self.sent.bytes += frame.len() as u64;
        frame
    }
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
