//! What was computed for one reader at one state of a room, kept for the others who ask for the same.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use bytes::Bytes;
use seat_board::{Missing, Position};

use super::Encoding;

/// Frames of one state that are kept; more than one a view only where readers fell behind.
const FRAMES_MAX: usize = 64;
/// Merged changes of one state that are kept, by the position from which they are.
const MERGED_MAX: usize = 64;

/// Who gets the same frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Readers that have version `after`, and know that nothing of theirs changed up to `looked`.
    Changes {
        view: u32,
        encoding: Encoding,
        after: u64,
        looked: u64,
    },
    Snapshot {
        view: u32,
        encoding: Encoding,
    },
    Heartbeat {
        view: u32,
        encoding: Encoding,
    },
}

/// What a reader gets.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Frame(Bytes),
    /// A snapshot serves better than the changes.
    Snapshot,
    /// None of the changes concerns the reader.
    Nothing,
}

/// Of one state of the room: to be cleared at each change and each heartbeat.
#[derive(Default)]
pub(super) struct Cache {
    answers: HashMap<Key, Answer>,
    merged: HashMap<Position, Arc<Missing>>,
}

impl Cache {
    pub(super) fn clear(&mut self) {
        self.answers.clear();
        self.merged.clear();
    }

    pub(super) fn answer(&self, key: Key) -> Option<Answer> {
        self.answers.get(&key).cloned()
    }

    pub(super) fn keep(&mut self, key: Key, answer: Answer) -> Answer {
        keep(&mut self.answers, FRAMES_MAX, key, answer)
    }

    pub(super) fn merged(&self, from: Position) -> Option<Arc<Missing>> {
        self.merged.get(&from).cloned()
    }

    pub(super) fn keep_merged(&mut self, from: Position, missing: Missing) -> Arc<Missing> {
        keep(&mut self.merged, MERGED_MAX, from, Arc::new(missing))
    }
}

/// A full map is emptied first: what most readers ask for is soon back, whatever the others ask for.
fn keep<K: Eq + Hash, V: Clone>(map: &mut HashMap<K, V>, len_max: usize, key: K, value: V) -> V {
    if map.len() >= len_max {
        map.clear();
    }
    map.insert(key, value.clone());
    value
}
