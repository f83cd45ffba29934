//! A room without a stream: a test says what the live board is.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use seat_board::Board;
use ticketengine::v1::{
    SeatChanges, SeatStates, SeatsHeartbeat, WatchSeatsResponse, watch_seats_response::Message,
};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Seats, Settings, Watcher, room::Room};
use crate::metrics::Metrics;

/// The pace of a test's room.
pub(crate) const PACE: Settings =
    Settings { tick: Duration::from_millis(50), heartbeat: Duration::from_secs(15) };

/// A room of 64 seats that runs.
pub(crate) struct Stage {
    room: Arc<Room>,
    pub(crate) draining: CancellationToken,
    /// The house as the test has made it.
    pub(crate) truth: Board,
}

impl Stage {
    /// With a board of epoch 1, version 0, all seats free.
    pub(crate) fn new() -> Self {
        let stage = Self::without_board();
        stage.tell(Message::Snapshot(stage.truth.snapshot()));
        stage
    }

    /// Before the first snapshot.
    pub(crate) fn without_board() -> Self {
        let room = Arc::new(Room::new("theatre".into(), PACE, Metrics::unseen()));
        let draining = CancellationToken::new();
        let (running, token, tracker) = (Arc::clone(&room), draining.clone(), TaskTracker::new());
        tracker.clone().spawn(async move { running.run(&token, &tracker).await });
        let truth = Board::new(SeatStates { epoch: 1, version: 0, packed: vec![0; 16] }, 0);
        Self { room, draining, truth }
    }

    /// Says something as the stream would.
    pub(crate) fn tell(&self, message: Message) {
        let _ = self.room.live.take(WatchSeatsResponse { message: Some(message) }, false);
    }

    /// Changes a seat by one version. Changes come one by one through states 0 to 3.
    pub(crate) fn change(&mut self) {
        let after_version = self.truth.position().version;
        let (version, seat) = (after_version + 1, vec![after_version as u32 % 64]);
        let mut changes = SeatChanges { epoch: 1, after_version, version, ..SeatChanges::default() };
        match after_version / 64 % 4 {
            0 => changes.held = seat,
            1 => changes.sold = seat,
            2 => changes.blocked = seat,
            _ => changes.free = seat,
        }
        self.truth.apply(&changes).unwrap();
        self.tell(Message::Changes(changes));
    }

    /// News from the stream that nothing is missing.
    pub(crate) fn beat(&self) {
        self.tell(Message::Heartbeat(self.heartbeat()));
    }

    /// What the service would say.
    pub(crate) fn heartbeat(&self) -> SeatsHeartbeat {
        let position = self.truth.position();
        SeatsHeartbeat {
            epoch: position.epoch,
            version: position.version,
            checksum: self.truth.checksum(),
            as_of_time: Some(prost_types::Timestamp { seconds: 1_764_000_000, nanos: 5_000_000 }),
            stale: false,
        }
    }

    /// The event is gone.
    pub(crate) fn end(&self) {
        self.room.live.end();
    }

    /// A watcher of all seats.
    pub(crate) fn enter(&self) -> Watcher {
        self.enter_for(Seats::all(64))
    }

    /// A watcher of some.
    pub(crate) fn enter_for(&self, seats: Seats) -> Watcher {
        let (view, beats) = self.room.enter(seats).unwrap();
        Watcher { room: Arc::clone(&self.room), view, beats, place: None }
    }
}

/// The payload of a whole frame.
pub(crate) fn payload(frame: &Bytes) -> Bytes {
    let mut cursor = std::io::Cursor::new(frame);
    let (header, len) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
    let payload = frame.slice(cursor.position() as usize..);
    assert_eq!((payload.len() as u64, header.is_final, header.mask), (len, true, None));
    payload
}

/// What a binary frame says.
pub(crate) fn decode(frame: &Bytes) -> Message {
    WatchSeatsResponse::decode(payload(frame)).unwrap().message.unwrap()
}

/// A client of the JSON protocol, or of the binary one: it has what the frames say, and nothing may be missing.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) board: Option<Board>,
    pub(crate) snapshots: u32,
    pub(crate) changes: u32,
    pub(crate) heartbeats: u32,
    pub(crate) stale: bool,
}

impl Client {
    /// Takes a frame over as clients must: changes continue what there is, and the checksum is right.
    pub(crate) fn take(&mut self, message: Message) {
        match message {
            Message::Snapshot(snapshot) => {
                self.snapshots += 1;
                self.board = Some(Board::new(snapshot, 0));
            }
            Message::Changes(changes) => {
                self.changes += 1;
                self.board.as_mut().unwrap().apply(&changes).unwrap();
            }
            Message::Heartbeat(heartbeat) => {
                self.heartbeats += 1;
                self.stale = heartbeat.stale;
                if let Some(board) = &self.board
                    && board.position().version == heartbeat.version
                {
                    assert_eq!(board.checksum(), heartbeat.checksum);
                }
            }
        }
    }
}
