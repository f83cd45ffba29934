//! Whole WebSocket frames, as they go over the wire: built once, shared by all who get the same.

use bytes::Bytes;
use prost::Message as _;
use seat_board::{PackedStates, SeatState};
use serde::Serialize;
use ticketengine::v1::{
    SeatChanges, SeatStates, SeatsHeartbeat, WatchSeatsResponse, watch_seats_response::Message,
};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

use super::Encoding;

/// The longest header of a frame that is not masked.
const HEADER_BYTES_MAX: usize = 10;

/// The shared frames of `ticketengine.v1.json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Json<'a> {
    Snapshot {
        epoch: u64,
        version: u64,
        /// A digit a seat, by ascending seat id.
        states: String,
    },
    Changes {
        epoch: u64,
        after_version: u64,
        version: u64,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        free: &'a [u32],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        held: &'a [u32],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        sold: &'a [u32],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        blocked: &'a [u32],
    },
    Heartbeat {
        epoch: u64,
        version: u64,
        checksum: u32,
        as_of_ms: i64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        stale: bool,
    },
}

/// A snapshot of `seats` seats.
pub(crate) fn snapshot(encoding: Encoding, snapshot: SeatStates, seats: u32) -> Bytes {
    match encoding {
        Encoding::Json => json(&Json::Snapshot {
            epoch: snapshot.epoch,
            version: snapshot.version,
            states: digits(&PackedStates::new(snapshot.packed), seats),
        }),
        Encoding::Bin => protobuf(Message::Snapshot(snapshot)),
    }
}

/// About how long the frame of a snapshot of `seats` seats is.
pub(super) fn snapshot_len(encoding: Encoding, seats: u32) -> usize {
    match encoding {
        Encoding::Json => seats as usize,
        Encoding::Bin => seats as usize / 4,
    }
}

/// Changes, in the order of the versions.
pub(crate) fn changes(encoding: Encoding, changes: SeatChanges) -> Bytes {
    match encoding {
        Encoding::Json => json(&Json::Changes {
            epoch: changes.epoch,
            after_version: changes.after_version,
            version: changes.version,
            free: &changes.free,
            held: &changes.held,
            sold: &changes.sold,
            blocked: &changes.blocked,
        }),
        Encoding::Bin => protobuf(Message::Changes(changes)),
    }
}

/// A heartbeat.
pub(crate) fn heartbeat(encoding: Encoding, heartbeat: SeatsHeartbeat) -> Bytes {
    match encoding {
        Encoding::Json => {
            let as_of = heartbeat.as_of_time.unwrap_or_default();
            json(&Json::Heartbeat {
                epoch: heartbeat.epoch,
                version: heartbeat.version,
                checksum: heartbeat.checksum,
                as_of_ms: as_of
                    .seconds
                    .saturating_mul(1000)
                    .saturating_add(i64::from(as_of.nanos / 1_000_000)),
                stale: heartbeat.stale,
            })
        }
        Encoding::Bin => protobuf(Message::Heartbeat(heartbeat)),
    }
}

/// A text frame that only one socket gets.
pub fn text(text: &str) -> Bytes {
    frame(OpCode::Data(Data::Text), text.as_bytes())
}

/// A binary frame that says back what came.
#[cfg(feature = "conformance")]
pub(crate) fn binary(payload: &[u8]) -> Bytes {
    frame(OpCode::Data(Data::Binary), payload)
}

/// A ping without a payload.
pub fn ping() -> Bytes {
    const PING: &[u8] = &[0x80 | 0x9, 0];
    Bytes::from_static(PING)
}

fn json(message: &Json<'_>) -> Bytes {
    // Numbers and digits only: this can not fail.
    let payload = serde_json::to_vec(message).unwrap_or_default();
    frame(OpCode::Data(Data::Text), &payload)
}

fn protobuf(message: Message) -> Bytes {
    let payload = WatchSeatsResponse { message: Some(message) }.encode_to_vec();
    frame(OpCode::Data(Data::Binary), &payload)
}

/// A whole frame, not masked, as servers send them.
fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    let mut frame = Vec::with_capacity(HEADER_BYTES_MAX + payload.len());
    // Writing to memory: this can not fail.
    let written = header.format(payload.len() as u64, &mut frame);
    debug_assert!(written.is_ok());
    frame.extend_from_slice(payload);
    frame.into()
}

fn digits(states: &PackedStates, seats: u32) -> String {
    let digit = |seat| match states.get(seat) {
        SeatState::Free => '0',
        SeatState::Held => '1',
        SeatState::Sold => '2',
        SeatState::Blocked => '3',
    };
    (0..seats).map(digit).collect()
}
