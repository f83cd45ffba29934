//! What a client makes of its frames.

use seat_board::{Board, Position, SeatState};
use testkit::frame::Frame;
use ticketengine::v1::SeatChanges;

/// A board as one client has it, which checks each frame.
#[derive(Default)]
pub(crate) struct View {
    board: Option<Board>,
    /// Where only a part of the house is watched: its first seat. Packed states begin there.
    first_seat: u32,
    pub(crate) tally: Tally,
}

/// What a client has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) snapshots: u64,
    pub(crate) changes: u64,
    /// Heartbeats whose checksum was compared.
    pub(crate) compared: u64,
    pub(crate) stale: u64,
    /// Changes that did not continue what the client had.
    pub(crate) gaps: u64,
    /// Heartbeats whose checksum was another.
    pub(crate) diverged: u64,
    /// Snapshots older than what the client had.
    pub(crate) set_back: u64,
    /// Connections that were made.
    pub(crate) connections: u64,
}

/// The client must ask anew, without its position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl View {
    /// Of the part of the house that begins with this seat.
    pub(crate) fn from_seat(first_seat: u32) -> Self {
        Self { first_seat, ..Self::default() }
    }

    /// What it is of.
    pub(crate) fn position(&self) -> Option<Position> {
        self.board.as_ref().map(Board::position)
    }

    /// Two bits a seat.
    pub(crate) fn packed(&self) -> &[u8] {
        self.board.as_ref().map_or(&[], |board| board.states().bytes())
    }

    /// The state of a seat, once there is a board.
    pub(crate) fn state(&self, seat: u32) -> Option<SeatState> {
        self.board.as_ref().map(|board| board.states().get(seat))
    }

    /// Changes with the numbers that seats have in the packed states.
    fn within(&self, changes: &SeatChanges) -> SeatChanges {
        let mut changes = changes.clone();
        for seats in [&mut changes.free, &mut changes.held, &mut changes.sold, &mut changes.blocked] {
            for seat in seats {
                *seat = seat.checked_sub(self.first_seat).expect("a seat outside is left out");
            }
        }
        changes
    }

    /// Takes a frame over.
    pub(crate) fn take(&mut self, frame: &Frame) -> Result<(), Lost> {
        match frame {
            Frame::Snapshot(snapshot) => {
                self.tally.snapshots += 1;
                let at = self.position();
                self.tally.set_back += u64::from(at.is_some_and(|at| Position::from(snapshot) < at));
                match &mut self.board {
                    Some(board) => board.replace(snapshot.clone()),
                    None => self.board = Some(Board::new(snapshot.clone(), 0)),
                }
            }
            Frame::Changes(changes) => {
                self.tally.changes += 1;
                let changes = self.within(changes);
                if self.board.as_mut().is_none_or(|board| board.apply(&changes).is_err()) {
                    self.tally.gaps += 1;
                    self.board = None;
                    return Err(Lost);
                }
            }
            Frame::Heartbeat(heartbeat) => {
                self.tally.stale += u64::from(heartbeat.stale);
                let at = Position { epoch: heartbeat.epoch, version: heartbeat.version };
                let Some(board) = self.board.as_ref().filter(|board| board.position() == at) else {
                    return Ok(());
                };
                self.tally.compared += 1;
                if board.checksum() != heartbeat.checksum {
                    self.tally.diverged += 1;
                    self.board = None;
                    return Err(Lost);
                }
            }
            Frame::Hello { .. } | Frame::Reply(_) | Frame::Reservation(_) | Frame::Goodbye { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ticketengine::v1::SeatStates;

    use super::*;

    #[test]
    fn a_snapshot_of_the_past_is_a_step_back() {
        let mut view = View::default();
        for (epoch, version, set_back) in [(1, 5, 0), (1, 5, 0), (1, 4, 1), (2, 1, 1), (1, 9, 2)] {
            view.take(&Frame::Snapshot(SeatStates { epoch, version, packed: vec![0] })).unwrap();
            assert_eq!(view.tally.set_back, set_back, "{epoch} {version}");
        }
    }
}
