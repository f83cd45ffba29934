//! The frames of a gateway, read in both encodings.

use std::time::Duration;

use prost::Message as _;
use serde::Deserialize;
use serde_json::Value;
use ticketengine::v1::{SeatChanges, SeatStates, WatchSeatsResponse, watch_seats_response};

/// A frame, whichever encoding it came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The first.
    Hello {
        /// Between two heartbeats.
        heartbeat: Duration,
    },
    /// All states.
    Snapshot(SeatStates),
    /// What is new.
    Changes(SeatChanges),
    /// What one should have.
    Heartbeat(Heartbeat),
    /// The answer to a command.
    Reply(Value),
    /// News of one's own reservation.
    Reservation(Value),
    /// The last before the socket is closed.
    Goodbye {
        /// The close code that follows.
        code: u16,
    },
}

/// What one should have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Heartbeat {
    /// Of this epoch,
    pub epoch: u64,
    /// and this version of it,
    pub version: u64,
    /// with this CRC-32.
    pub checksum: u32,
    /// Changes may be missing.
    #[serde(default)]
    pub stale: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Text {
    Hello { event_id: String, heartbeat_ms: u64 },
    Snapshot { epoch: u64, version: u64, states: String },
    Changes(Changes),
    Heartbeat(Heartbeat),
    Goodbye { code: u16, reason: String, retry_after_ms: u64 },
}

#[derive(Deserialize)]
struct Changes {
    epoch: u64,
    after_version: u64,
    version: u64,
    #[serde(default)]
    free: Vec<u32>,
    #[serde(default)]
    held: Vec<u32>,
    #[serde(default)]
    sold: Vec<u32>,
    #[serde(default)]
    blocked: Vec<u32>,
}

/// Reads a text frame.
pub fn text(text: &str) -> Frame {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    match value["type"].as_str() {
        Some("reply") => return Frame::Reply(value),
        Some("reservation") => return Frame::Reservation(value["reservation"].clone()),
        _ => {}
    }
    match serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}: {text}")) {
        Text::Hello { event_id, heartbeat_ms } => {
            assert!(heartbeat_ms > 0 && !event_id.is_empty());
            Frame::Hello { heartbeat: Duration::from_millis(heartbeat_ms) }
        }
        Text::Snapshot { epoch, version, states } => {
            Frame::Snapshot(SeatStates { epoch, version, packed: pack(&states) })
        }
        Text::Changes(Changes { epoch, after_version, version, free, held, sold, blocked }) => {
            Frame::Changes(SeatChanges {
                epoch,
                after_version,
                version,
                free,
                held,
                sold,
                blocked,
                net: false,
            })
        }
        Text::Heartbeat(heartbeat) => Frame::Heartbeat(heartbeat),
        Text::Goodbye { code, reason, retry_after_ms } => {
            assert!(!reason.is_empty() && retry_after_ms > 0);
            Frame::Goodbye { code }
        }
    }
}

/// Reads a binary frame.
pub fn binary(bytes: &[u8]) -> Frame {
    match WatchSeatsResponse::decode(bytes).unwrap().message.expect("a frame has a message") {
        watch_seats_response::Message::Snapshot(snapshot) => Frame::Snapshot(snapshot),
        watch_seats_response::Message::Changes(changes) => Frame::Changes(changes),
        watch_seats_response::Message::Heartbeat(heartbeat) => Frame::Heartbeat(Heartbeat {
            epoch: heartbeat.epoch,
            version: heartbeat.version,
            checksum: heartbeat.checksum,
            stale: heartbeat.stale,
        }),
    }
}

/// One digit a seat, as two bits a seat.
fn pack(digits: &str) -> Vec<u8> {
    let mut packed = vec![0; digits.len().div_ceil(4)];
    for (seat, digit) in digits.bytes().enumerate() {
        assert!((b'0'..=b'3').contains(&digit), "a state is 0 to 3: {digit}");
        packed[seat / 4] |= (digit - b'0') << (6 - 2 * (seat % 4));
    }
    packed
}
