//! What each socket has seen.

use super::frame::{Frame, Position};

/// What one socket has seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    open: bool,
    hello: bool,
    at: Option<Position>,
    heartbeats: u32,
    /// A frame did not continue what the socket had.
    lost: bool,
}

/// Over all sockets.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Are not closed.
    pub(crate) open: usize,
    /// Have hello and a snapshot, and no gap since.
    pub(crate) snapshots: usize,
    /// Know that nothing was missing for a while.
    pub(crate) two_heartbeats: usize,
    positions: Vec<Position>,
}

impl Counts {
    /// How many are at this epoch and version, or later.
    pub(crate) fn at(&self, version: Position) -> usize {
        self.positions.iter().filter(|at| **at >= version).count()
    }

    /// Counts a socket.
    pub(super) fn add(&mut self, sight: &Sight) {
        if !sight.open {
            return;
        }
        self.open += 1;
        self.two_heartbeats += usize::from(sight.heartbeats >= 2);
        if sight.hello
            && !sight.lost
            && let Some(at) = sight.at
        {
            self.snapshots += 1;
            self.positions.push(at);
        }
    }
}

impl Sight {
    /// Of a socket that was just opened.
    pub(super) fn opened() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// The socket ended.
    pub(super) fn closed(&mut self) {
        self.open = false;
    }

    /// A frame came. Where it led to a new position: from where, and to where.
    pub(super) fn take(&mut self, frame: &Frame) -> Option<(Position, Position)> {
        let at = match frame {
            Frame::Snapshot { at } => *at,
            Frame::Changes { after, at, .. } => {
                self.lost |= self.at != Some(*after);
                *at
            }
            Frame::Hello => {
                self.hello = true;
                return None;
            }
            Frame::Heartbeat => {
                self.heartbeats += 1;
                return None;
            }
            Frame::Ping | Frame::Other => return None,
        };
        Some((self.at.replace(at).unwrap_or_default(), at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: Frame = Frame::Snapshot { at: (1, 5) };

    fn changes(after: u64) -> Frame {
        Frame::Changes { after: (1, after), at: (1, 9), sold: Vec::new() }
    }

    fn seen(frames: &[Frame]) -> (Sight, Counts) {
        let (mut sight, mut counts) = (Sight::opened(), Counts::default());
        for frame in frames {
            sight.take(frame);
        }
        counts.add(&sight);
        (sight, counts)
    }

    #[test]
    fn a_socket_counts_that_has_hello_and_snapshot() {
        assert_eq!(seen(&[Frame::Hello]).1.snapshots, 0);
        assert_eq!(seen(&[SNAPSHOT]).1.snapshots, 0);
        let (_, counts) = seen(&[Frame::Hello, SNAPSHOT]);
        assert_eq!((counts.open, counts.snapshots, counts.two_heartbeats), (1, 1, 0));
        assert_eq!((counts.at((1, 5)), counts.at((1, 6))), (1, 0));
    }

    #[test]
    fn changes_must_join_up() {
        assert_eq!(seen(&[Frame::Hello, SNAPSHOT, changes(5)]).1.at((1, 9)), 1);
        assert_eq!(seen(&[Frame::Hello, SNAPSHOT, changes(6)]).1.at((1, 5)), 0);
    }

    #[test]
    fn a_frame_leads_from_where_the_socket_was() {
        let (mut sight, _) = seen(&[Frame::Hello, SNAPSHOT]);
        assert_eq!(sight.take(&changes(5)), Some(((1, 5), (1, 9))));
        assert_eq!(sight.take(&Frame::Heartbeat), None);
        assert_eq!(sight.take(&Frame::Snapshot { at: (2, 1) }), Some(((1, 9), (2, 1))));
    }

    #[test]
    fn a_closed_socket_counts_for_nothing() {
        let (mut sight, mut counts) = (seen(&[Frame::Hello, SNAPSHOT]).0, Counts::default());
        sight.closed();
        counts.add(&sight);
        assert_eq!((counts.open, counts.snapshots, counts.at((0, 0))), (0, 0, 0));
    }
}
