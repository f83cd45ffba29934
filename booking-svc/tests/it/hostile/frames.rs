//! HTTP/2 written by hand: what no client library would send.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// SETTINGS_INITIAL_WINDOW_SIZE.
pub(super) const WINDOW: u16 = 4;
/// CANCEL, the code of a client that has changed its mind.
pub(super) const CANCEL: u32 = 8;
/// ENHANCE_YOUR_CALM, the code of a server that has had enough.
pub(super) const CALM: u32 = 11;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A call that is open to all.
pub(super) const MAP: &str = "/ticketengine.booking.v1.BookingService/GetSeatMap";
/// A frame that the service sends is no longer than this.
const FRAME_BYTES_MAX: usize = 16 << 10;

/// A frame as it was received.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

/// A connection whose bytes are the test's.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    /// Connects and says nothing.
    pub(super) async fn silent(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Begins HTTP/2 with these settings.
    pub(super) async fn open(address: &str, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::silent(address).await;
        let values =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        let payload: Vec<u8> = values.collect();
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()).await.unwrap();
        raw
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// The next frame; `None` where the connection has ended, a reset included.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        next(&mut self.0).await
    }

    /// Whether the other side ends the connection within `limit`.
    pub(super) async fn ends_within(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while self.next().await.is_some() {} }).await.is_ok()
    }
}

pub(super) async fn next(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, ..] = head;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind, payload })
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// The HEADERS of a gRPC call, complete.
pub(super) fn call(stream: u32, flags: u8, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block(path, more))
}

/// The fields of a call: HPACK literals that no table keeps, in no code.
pub(super) fn block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "service"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    fields.iter().chain(more).flat_map(|(name, value)| literal(0, name, value)).collect()
}

/// A field with its name; `form` is 0 for one that no table keeps, and 0x40 for one that it does.
pub(super) fn literal(form: u8, name: &str, value: &str) -> Vec<u8> {
    [&[form][..], &length(name.len()), name.as_bytes(), &length(value.len()), value.as_bytes()].concat()
}

/// HPACK's integer with a prefix of seven bits.
fn length(bytes: usize) -> Vec<u8> {
    if bytes < 127 {
        return vec![bytes as u8];
    }
    let (mut all, mut rest) = (vec![127], bytes - 127);
    while rest >= 128 {
        all.push(rest as u8 | 128);
        rest >>= 7;
    }
    all.push(rest as u8);
    all
}

/// A gRPC message as it stands in DATA.
pub(super) fn message(compressed: bool, bytes: &[u8]) -> Vec<u8> {
    [&[u8::from(compressed)][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}
