//! What each socket has seen.

use std::time::Instant;

use prost::Message as _;
use serde::Deserialize;
use ticketengine::v1::{WatchSeatsResponse, watch_seats_response::Message as Shared};

/// What one socket has seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    open: bool,
    hello: bool,
    /// Epoch and version.
    at: Option<(u64, u64)>,
    heartbeats: u32,
    /// A frame did not continue what the socket had.
    lost: bool,
    /// When changes came, and to which position they led; only where that is asked for.
    arrivals: Option<Vec<((u64, u64), Instant)>>,
}

/// A frame, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame {
    Hello,
    Snapshot {
        epoch: u64,
        version: u64,
    },
    Changes {
        epoch: u64,
        after_version: u64,
        version: u64,
    },
    Heartbeat,
    #[serde(other)]
    Other,
}

/// Over all sockets.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) open: usize,
    /// Have hello and a snapshot, and no gap since.
    pub(super) snapshots: usize,
    pub(super) two_heartbeats: usize,
    positions: Vec<(u64, u64)>,
}

impl Counts {
    /// How many are at this epoch and version, or later.
    pub(super) fn at(&self, version: (u64, u64)) -> usize {
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

    /// From now on remembers when changes come.
    pub(super) fn watch_arrivals(&mut self) {
        self.arrivals = Some(Vec::new());
    }

    /// When this position, or a later one, came.
    pub(super) fn arrival(&self, at: (u64, u64)) -> Option<Instant> {
        let arrivals = self.arrivals.as_deref().unwrap_or_default();
        arrivals.iter().find(|(position, _)| *position >= at).map(|(_, when)| *when)
    }

    /// The socket ended.
    pub(super) fn closed(&mut self) {
        self.open = false;
    }

    /// A text frame came.
    pub(super) fn text(&mut self, text: &str) {
        self.take(serde_json::from_str(text).unwrap_or(Frame::Other));
    }

    /// A binary frame came.
    pub(super) fn binary(&mut self, bytes: &[u8]) {
        let message = WatchSeatsResponse::decode(bytes).ok().and_then(|response| response.message);
        self.take(match message {
            Some(Shared::Snapshot(it)) => Frame::Snapshot { epoch: it.epoch, version: it.version },
            Some(Shared::Changes(it)) => {
                Frame::Changes { epoch: it.epoch, after_version: it.after_version, version: it.version }
            }
            Some(Shared::Heartbeat(_)) => Frame::Heartbeat,
            None => Frame::Other,
        });
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Hello => self.hello = true,
            Frame::Snapshot { epoch, version } => self.arrive((epoch, version)),
            Frame::Changes { epoch, after_version, version } => {
                self.lost |= self.at != Some((epoch, after_version));
                self.arrive((epoch, version));
            }
            Frame::Heartbeat => self.heartbeats += 1,
            Frame::Other => {}
        }
    }

    fn arrive(&mut self, at: (u64, u64)) {
        self.at = Some(at);
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.push((at, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(sight: &Sight) -> Counts {
        let mut counts = Counts::default();
        counts.add(sight);
        counts
    }

    fn seen(frames: &[&str]) -> Counts {
        let mut sight = Sight::opened();
        frames.iter().for_each(|frame| sight.text(frame));
        count(&sight)
    }

    const HELLO: &str = r#"{"type":"hello","event_id":"e","heartbeat_ms":15000}"#;
    const SNAPSHOT: &str = r#"{"type":"snapshot","epoch":1,"version":5,"states":"0000"}"#;

    #[test]
    fn a_socket_counts_that_has_hello_and_snapshot() {
        assert_eq!(seen(&[HELLO]).snapshots, 0);
        assert_eq!(seen(&[SNAPSHOT]).snapshots, 0);
        let counts = seen(&[HELLO, SNAPSHOT]);
        assert_eq!((counts.open, counts.snapshots, counts.two_heartbeats), (1, 1, 0));
        assert_eq!((counts.at((1, 5)), counts.at((1, 6))), (1, 0));
    }

    #[test]
    fn changes_must_join_up() {
        let next = r#"{"type":"changes","epoch":1,"after_version":5,"version":9,"held":[1]}"#;
        assert_eq!(seen(&[HELLO, SNAPSHOT, next]).at((1, 9)), 1);
        let gap = r#"{"type":"changes","epoch":1,"after_version":6,"version":9,"held":[1]}"#;
        assert_eq!(seen(&[HELLO, SNAPSHOT, gap]).at((1, 5)), 0);
    }

    #[test]
    fn a_change_arrives_with_the_first_frame_that_has_it() {
        let mut sight = Sight::opened();
        sight.text(SNAPSHOT);
        sight.text(r#"{"type":"changes","epoch":1,"after_version":5,"version":6,"held":[1]}"#);
        assert_eq!(sight.arrival((1, 6)), None);
        sight.watch_arrivals();
        sight.text(r#"{"type":"changes","epoch":1,"after_version":6,"version":9,"held":[1]}"#);
        assert!(sight.arrival((1, 7)).is_some() && sight.arrival((1, 9)) == sight.arrival((1, 7)));
        assert_eq!(sight.arrival((1, 10)), None);
        sight.text(r#"{"type":"snapshot","epoch":1,"version":10,"states":"0000"}"#);
        assert!(sight.arrival((1, 10)).is_some());
    }

    #[test]
    fn a_closed_socket_counts_for_nothing() {
        let mut sight = Sight::opened();
        sight.text(HELLO);
        sight.text(SNAPSHOT);
        sight.closed();
        let counts = count(&sight);
        assert_eq!((counts.open, counts.snapshots, counts.at((0, 0))), (0, 0, 0));
    }
}
