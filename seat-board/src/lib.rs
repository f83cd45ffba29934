//! The live status of an event's seats, as one reader of its changes knows it.
//!
//! A [`Board`] follows a source (the change log, or a `WatchSeats` stream) and answers readers of its own from any
//! version that they have: with the merged changes since, or with a snapshot. It never waits and never queues: what a
//! slow reader lacks is computed when the reader asks.

mod packed;
mod ring;

pub use packed::{PackedStates, SeatState};

use ring::{Ring, Step};
use ticketengine::v1::{SeatChanges, SeatStates, SeatsPosition};

/// A place in the history of an event's seats. Ordered: epochs only rise, and versions within an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Raised each time that the gate is rebuilt.
    pub epoch: u64,
    /// Counts the changes within the epoch.
    pub version: u64,
}

/// Why a message from the source was not applied. The board is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Changes are missing in between, or are of another epoch: a snapshot is needed.
    #[error("changes after {found:?} do not continue a board at {at:?}")]
    Gap {
        /// Where the board is.
        at: Position,
        /// What the changes continue.
        found: Position,
    },
    /// The snapshot is from before: the source is behind.
    #[error("a snapshot of {found:?} is older than the board at {at:?}")]
    Older {
        /// Where the board is.
        at: Position,
        /// Of when the snapshot is.
        found: Position,
    },
    /// A seat that the event does not have, or a version that runs backwards.
    #[error("the message makes no sense: {0}")]
    Nonsense(&'static str),
}

/// What a reader lacks.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// Nothing.
    Nothing,
    /// The reader is ahead: its source was faster than this board's.
    Ahead,
    /// All changes since its version, merged; never empty of versions, perhaps of seats.
    Changes(SeatChanges),
    /// The changes are out of reach.
    Snapshot,
}

/// See the crate's documentation.
#[derive(Clone, Debug)]
pub struct Board {
    position: Position,
    states: PackedStates,
    recent: Ring,
}

impl Board {
    /// A board as the snapshot says, which can later answer readers that lack up to `reach_seats` changes of seats.
    pub fn new(snapshot: SeatStates, reach_seats: usize) -> Self {
        Self {
            position: Position::from(&snapshot),
            states: PackedStates::new(snapshot.packed),
            recent: Ring::new(reach_seats),
        }
    }

    /// What the board is of.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The status of all seats.
    pub fn states(&self) -> &PackedStates {
        &self.states
    }

    /// The status of all seats, for the wire.
    pub fn snapshot(&self) -> SeatStates {
        let Position { epoch, version } = self.position;
        SeatStates { epoch, version, packed: self.states.bytes().to_vec() }
    }

    /// Takes changes over. They must continue the board's version exactly.
    pub fn apply(&mut self, changes: &SeatChanges) -> Result<(), Error> {
        let found = Position { epoch: changes.epoch, version: changes.after_version };
        if found != self.position {
            return Err(Error::Gap { at: self.position, found });
        }
        if changes.version <= changes.after_version {
            return Err(Error::Nonsense("versions must rise"));
        }
        let step = Step::new(changes);
        if step.seats().any(|(seat, _)| seat >= self.states.capacity()) {
            return Err(Error::Nonsense("a seat is not of this event"));
        }
        self.take(step);
        Ok(())
    }

    /// Takes a snapshot over. Within the same epoch its difference is remembered as changes, so that readers of this
    /// board need no snapshot. One that is older is refused.
    pub fn restore(&mut self, snapshot: SeatStates) -> Result<(), Error> {
        let found = Position::from(&snapshot);
        if found < self.position {
            return Err(Error::Older { at: self.position, found });
        }
        let same_house = snapshot.packed.len() == self.states.bytes().len();
        if found == self.position {
            if snapshot.packed != self.states.bytes() {
                return Err(Error::Nonsense("two states of one version"));
            }
        } else if found.epoch != self.position.epoch || !same_house {
            self.replace(snapshot);
        } else {
            let changed = self.states.difference(&snapshot.packed).collect();
            self.take(Step::difference(self.position.version, found.version, changed));
        }
        Ok(())
    }

    /// Takes a snapshot over whatever it is of, and forgets all before it.
    pub fn replace(&mut self, snapshot: SeatStates) {
        self.position = Position::from(&snapshot);
        self.states = PackedStates::new(snapshot.packed);
        self.recent.clear();
    }

    fn take(&mut self, step: Step) {
        for (seat, state) in step.seats() {
            self.states.set(seat, state);
        }
        self.position.version = step.version();
        self.recent.push(step);
    }

    /// What a reader lacks that has `known`.
    pub fn since(&self, known: Position) -> Missing {
        if known.epoch != self.position.epoch {
            return if known > self.position { Missing::Ahead } else { Missing::Snapshot };
        }
        match known.version.cmp(&self.position.version) {
            std::cmp::Ordering::Equal => Missing::Nothing,
            std::cmp::Ordering::Greater => Missing::Ahead,
            std::cmp::Ordering::Less => match self.recent.since(known.version) {
                Some(changed) => Missing::Changes(changed.into_changes(known, self.position.version)),
                None => Missing::Snapshot,
            },
        }
    }

    /// CRC-32 of the packed states: readers compare it with their own.
    pub fn checksum(&self) -> u32 {
        self.states.checksum()
    }
}

impl From<&SeatStates> for Position {
    fn from(states: &SeatStates) -> Self {
        Self { epoch: states.epoch, version: states.version }
    }
}

impl From<SeatsPosition> for Position {
    fn from(SeatsPosition { epoch, version }: SeatsPosition) -> Self {
        Self { epoch, version }
    }
}

impl From<Position> for SeatsPosition {
    fn from(Position { epoch, version }: Position) -> Self {
        Self { epoch, version }
    }
}

#[cfg(test)]
mod tests;
