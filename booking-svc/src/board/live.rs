use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use seat_board::{Board, Error, Position, SeatState};
use ticketengine::v1;
use tokio::{sync::watch, time::Instant};

use super::{
    refusals::{Obstacle, Refusals, Refused},
    watch::STALE_AFTER,
};
use crate::domain::{CustomerId, Epoch, EventId, RequestId, SeatChange, SeatSet, SeatStates};

/// The least that a board remembers, in changes of seats; about 30 bytes each.
const REACH_MIN: usize = 1_024;

/// A moment, by the clock that only goes forward and by the one that people read.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    at: Instant,
    pub(super) time: SystemTime,
}

impl AsOf {
    /// This moment.
    pub fn now() -> Self {
        Self { at: Instant::now(), time: SystemTime::now() }
    }

    /// By the clock that only goes forward.
    pub fn at(&self) -> Instant {
        self.at
    }

    pub(super) fn stale_at(&self) -> Instant {
        self.at + STALE_AFTER
    }
}

/// The live status of one event.
pub struct Live {
    event: EventId,
    opened: Instant,
    state: Mutex<State>,
    /// Wakes the watchers. Says whether there is a board.
    changed: watch::Sender<bool>,
}

#[derive(Default)]
pub(super) struct State {
    /// The board, and when nothing was known to be missing. None until the first states are read.
    pub(super) board: Option<(Board, AsOf)>,
    /// Of what the board knows: forgotten with each doubt about it.
    refusals: Refusals,
    idle_since: Option<Instant>,
}

impl Live {
    pub(super) fn new(event: EventId) -> Self {
        Self { event, opened: Instant::now(), state: Mutex::default(), changed: watch::Sender::new(false) }
    }

    /// Whose board it is.
    pub fn event(&self) -> &EventId {
        &self.event
    }

    /// What the board is of; None while there is none.
    pub fn position(&self) -> Option<Position> {
        self.lock().board.as_ref().map(|(board, _)| board.position())
    }

    /// Whether changes may be missing.
    pub fn is_stale(&self) -> bool {
        self.lock().board.as_ref().is_none_or(|(_, as_of)| Instant::now() >= as_of.stale_at())
    }

    /// For how long changes may have been missing.
    pub fn lag(&self) -> Duration {
        self.lock().board.as_ref().map_or(self.opened, |(_, as_of)| as_of.at).elapsed()
    }

    /// Takes changes over, of the epoch that the board is of. Those before a gap are taken, the rest is refused.
    pub fn apply(&self, epoch: Epoch, changes: Vec<SeatChange>) -> Result<(), Error> {
        let mut state = self.lock();
        let State { board: Some((board, _)), refusals, .. } = &mut *state else { return Ok(()) };
        let before = board.position();
        let applied = changes.into_iter().try_for_each(|change| {
            refusals.changed(&change);
            board.apply(&wire(epoch, change))
        });
        if applied.is_err() {
            refusals.clear();
        }
        if board.position() != before {
            self.wake();
        }
        applied
    }

    /// Level 0: keeps what the gate said, for others who ask for the same.
    pub fn remember(&self, refused: Refused) {
        let mut state = self.lock();
        if let State { board: Some((board, _)), refusals, .. } = &mut *state {
            refusals.remember(board, refused);
        }
    }

    /// Level 0: the seats that stand in the way of this request, where that is certain enough to say so.
    pub fn refuses(&self, seats: &SeatSet, request: (&RequestId, &CustomerId)) -> Option<Vec<Obstacle>> {
        let state = self.lock();
        let (board, as_of) = state.board.as_ref()?;
        state.refusals.find(board, as_of, seats, request, Instant::now())
    }

    /// Level 0: these seats have changed, or, where none are named, nothing is certain any more.
    pub fn forget(&self, seats: Option<&SeatSet>) {
        let refusals = &mut self.lock().refusals;
        match seats {
            Some(seats) => refusals.forget(seats),
            None => refusals.clear(),
        }
    }

    /// Takes states over, read at `as_of` or later: the truth, even where the board knows of later changes.
    pub fn restore(&self, states: &SeatStates, as_of: AsOf) {
        let snapshot = v1::SeatStates {
            epoch: states.epoch.0,
            version: states.version.0,
            packed: states.packed.bytes().to_vec(),
        };
        let mut state = self.lock();
        state.refusals.clear();
        match &mut state.board {
            None => {
                // What weighs more than the packed map is told by a snapshot anyway.
                let reach = snapshot.packed.len().max(REACH_MIN);
                state.board = Some((Board::new(snapshot, reach), as_of));
            }
            Some((board, known_as_of)) => {
                if let Err(error) = board.restore(snapshot.clone()) {
                    // Stores that were put back in time; or a bug. What the gate says now is what can be bought.
                    tracing::error!(event = %self.event, %error, "the board was wrong; beginning anew");
                    board.replace(snapshot);
                }
                *known_as_of = as_of;
            }
        }
        self.wake();
    }

    /// Nothing was missing at `as_of`.
    pub fn confirm(&self, as_of: AsOf) {
        let mut state = self.lock();
        let Some((_, known_as_of)) = &mut state.board else { return };
        let was_stale = Instant::now() >= known_as_of.stale_at();
        *known_as_of = as_of;
        if was_stale {
            self.wake();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.changed.subscribe()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.changed.receiver_count() > 0
    }

    /// Somebody needs the board without watching it.
    pub(super) fn touch(&self) {
        self.lock().idle_since = Some(Instant::now());
    }

    /// For how long nobody has watched or needed it, as far as this was asked.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        let mut state = self.lock();
        if self.is_watched() {
            state.idle_since = None;
        }
        let since = if self.is_watched() { now } else { *state.idle_since.get_or_insert(now) };
        now - since
    }

    /// Under the lock, so that the order of wakings is that of the changes.
    fn wake(&self) {
        self.changed.send_replace(true);
    }
}

fn wire(epoch: Epoch, change: SeatChange) -> v1::SeatChanges {
    let version = change.version.0;
    let mut changes = v1::SeatChanges {
        epoch: epoch.0,
        after_version: version.saturating_sub(1),
        version,
        ..v1::SeatChanges::default()
    };
    let list = match change.state {
        SeatState::Free => &mut changes.free,
        SeatState::Held => &mut changes.held,
        SeatState::Sold => &mut changes.sold,
        SeatState::Blocked => &mut changes.blocked,
    };
    *list = change.seats.into_iter().map(|seat| seat.0).collect();
    changes
}
