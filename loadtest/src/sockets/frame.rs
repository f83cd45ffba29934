//! What a server's frames say, read once for all sockets that get the same bytes.

use std::{collections::VecDeque, io::Cursor};

use prost::Message as _;
use serde::Deserialize;
use ticketengine::v1::{WatchSeatsResponse, watch_seats_response::Message as Shared};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// How many frames are remembered: sockets that are read within a second of each other have the same.
const KNOWN_MAX: usize = 64;

/// Epoch and version of an event.
pub(crate) type Position = (u64, u64);

/// What a frame says, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// The first one of a socket.
    Hello,
    /// All seats.
    Snapshot {
        /// As they are here.
        at: Position,
    },
    /// Some seats.
    Changes {
        /// Who is here...
        after: Position,
        /// ... is here then.
        at: Position,
        /// The seats that were sold.
        sold: Vec<u32>,
    },
    /// Nothing is missing.
    Heartbeat,
    /// A pong is asked for.
    Ping,
    /// Anything else.
    Other,
}

/// The frames that came last, and what they say.
#[derive(Default)]
pub(super) struct Frames(VecDeque<(Vec<u8>, Frame)>);

impl Frames {
    /// What the bytes of one whole frame say. True: they are new.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (&Frame, bool) {
        let known = self.0.iter().position(|(known, _)| known == bytes);
        if known.is_none() {
            self.0.truncate(KNOWN_MAX - 1);
            self.0.push_front((bytes.to_vec(), parse(bytes)));
        }
        (&self.0[known.unwrap_or(0)].1, known.is_none())
    }
}

/// How long the frame is that the bytes begin with. None: more bytes are needed to know it, or to have it.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let (_, payload) = FrameHeader::parse(&mut cursor).ok()??;
    let length = usize::try_from(cursor.position() + payload).ok()?;
    (length <= bytes.len()).then_some(length)
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Json {
    Hello,
    Snapshot {
        epoch: u64,
        version: u64,
    },
    Changes {
        epoch: u64,
        after_version: u64,
        version: u64,
        #[serde(default)]
        sold: Vec<u32>,
    },
    Heartbeat,
    #[serde(other)]
    Other,
}

fn parse(bytes: &[u8]) -> Frame {
    let mut cursor = Cursor::new(bytes);
    let Ok(Some((header, _))) = FrameHeader::parse(&mut cursor) else { return Frame::Other };
    let payload = &bytes[usize::try_from(cursor.position()).unwrap_or(bytes.len())..];
    match header.opcode {
        OpCode::Data(Data::Text) => text(payload),
        OpCode::Data(Data::Binary) => binary(payload),
        OpCode::Control(Control::Ping) => Frame::Ping,
        _ => Frame::Other,
    }
}

fn text(payload: &[u8]) -> Frame {
    match serde_json::from_slice(payload).unwrap_or(Json::Other) {
        Json::Hello => Frame::Hello,
        Json::Snapshot { epoch, version } => Frame::Snapshot { at: (epoch, version) },
        Json::Changes { epoch, after_version, version, sold } => {
            Frame::Changes { after: (epoch, after_version), at: (epoch, version), sold }
        }
        Json::Heartbeat => Frame::Heartbeat,
        Json::Other => Frame::Other,
    }
}

fn binary(payload: &[u8]) -> Frame {
    let message = WatchSeatsResponse::decode(payload).ok().and_then(|response| response.message);
    match message {
        Some(Shared::Snapshot(it)) => Frame::Snapshot { at: (it.epoch, it.version) },
        Some(Shared::Changes(it)) => {
            Frame::Changes { after: (it.epoch, it.after_version), at: (it.epoch, it.version), sold: it.sold }
        }
        Some(Shared::Heartbeat(_)) => Frame::Heartbeat,
        None => Frame::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        [&[0x80 | opcode, u8::try_from(payload.len()).unwrap()], payload].concat()
    }

    #[test]
    fn frames_say_the_same_in_both_encodings() {
        let json = br#"{"type":"changes","epoch":1,"after_version":5,"version":9,"held":[1],"sold":[2]}"#;
        let changes = ticketengine::v1::SeatChanges {
            epoch: 1,
            after_version: 5,
            version: 9,
            held: vec![1],
            sold: vec![2],
            ..Default::default()
        };
        let binary = WatchSeatsResponse { message: Some(Shared::Changes(changes)) }.encode_to_vec();
        let said = Frame::Changes { after: (1, 5), at: (1, 9), sold: vec![2] };
        let mut frames = Frames::default();
        assert_eq!(frames.read(&frame(1, json)), (&said, true));
        assert_eq!(frames.read(&frame(2, &binary)), (&said, true));
        assert_eq!(frames.read(&frame(1, json)), (&said, false));
        assert_eq!(frames.read(&frame(9, b"")), (&Frame::Ping, true));
        assert_eq!(frames.read(&frame(1, b"no json")), (&Frame::Other, true));
    }

    #[test]
    fn a_frame_is_as_long_as_it_says_once_it_is_there() {
        let whole = [frame(1, b"abc"), vec![0x81]].concat();
        assert_eq!([0, 1, 4, 5, 6].map(|len| length(&whole[..len])), [None, None, None, Some(5), Some(5)]);
        let long = [&[0x82, 126, 1, 0][..], &[0; 256]].concat();
        assert_eq!((length(&long), length(&long[..259])), (Some(260), None));
    }
}
