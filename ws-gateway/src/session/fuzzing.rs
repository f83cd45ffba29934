//! For fuzz targets: what a browser can send, up to where a call would be made of it.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tonic::metadata::AsciiMetadataValue;

use super::{
    access::Caller,
    command::{Call, Claim, Command, Refused, Request, decode},
    refusal::Refusal,
    reply::{Answer, Frame},
    socket::Socket,
};
use crate::limits::{
    ACCESS_TOKEN_BYTES_MAX, MESSAGE_BYTES_MAX, RESERVATION_TOKEN_BYTES_MAX, SEATS_PER_RESERVATION_MAX,
};

/// A refusal says at most this much, whatever was sent.
const REFUSAL_BYTES_MAX: usize = 8_192;
/// The longest frame that tungstenite writes by itself: a header and 125 bytes.
const CONTROL_FRAME_BYTES_MAX: usize = 127;

/// Reads a text frame. Panics where it is taken although it breaks a rule, or is refused with a reply that does.
pub fn command(text: &str) {
    match decode(text) {
        Ok(request) => {
            let mut spelled = spell(&request);
            if let Some(trace) = &request.traceparent {
                let flags = trace.trace_flags().to_u8();
                spelled["traceparent"] =
                    json!(format!("00-{}-{}-{flags:02x}", trace.trace_id(), trace.span_id()));
            }
            let spelled = spelled.to_string();
            assert_eq!(decode(&spelled).as_ref(), Ok(&request), "one meaning: {spelled}");
        }
        Err(refused) => check_refused(refused),
    }
}

/// The command in its plain spelling; checks what goes on from here.
fn spell(Request { id, command, .. }: &Request) -> Value {
    safe(id, 64);
    let call = match command {
        Command::Authenticate { token } => {
            safe(token, ACCESS_TOKEN_BYTES_MAX);
            if let Ok(caller) = Caller::read(token) {
                assert!((1..=128).contains(&caller.customer_id.len()));
                assert!(!caller.customer_id.contains(char::is_control), "{:?}", caller.customer_id);
            }
            return json!({"op": "authenticate", "id": id, "token": token});
        }
        Command::Call(call) => call,
    };
    let claimed = |op: &str, Claim { reservation_id, token }: &Claim| {
        safe(reservation_id, 128);
        let mut spelled = json!({"op": op, "id": id, "reservation_id": reservation_id});
        if let Some(token) = token {
            safe(token, RESERVATION_TOKEN_BYTES_MAX);
            spelled["reservation_token"] = json!(token);
        }
        spelled
    };
    match call {
        Call::Reserve { request_id, seat_ids } => {
            safe(request_id, 64);
            assert!((1..=SEATS_PER_RESERVATION_MAX).contains(&seat_ids.len()));
            json!({"op": "reserve", "id": id, "request_id": request_id, "seat_ids": seat_ids})
        }
        Call::Extend(claim) => claimed("extend", claim),
        Call::Release(claim) => claimed("release", claim),
        Call::Follow(claim) => claimed("follow", claim),
        Call::Confirm { claim, payment_reference } => {
            safe(payment_reference, 128);
            let mut spelled = claimed("confirm", claim);
            spelled["payment_reference"] = json!(payment_reference);
            spelled
        }
    }
}

/// May stand in a header, a key and a line of a log.
fn safe(text: &str, bytes_max: usize) {
    assert!((1..=bytes_max).contains(&text.len()), "{} bytes", text.len());
    assert!(text.bytes().all(|b| (0x21..=0x7e).contains(&b)), "{text:?}");
    assert!(AsciiMetadataValue::try_from(text).is_ok(), "{text:?}");
}

fn check_refused(mut refused: Refused) {
    assert!(!refused.message.is_empty());
    let id = refused.id.take();
    if let Some(id) = &id {
        safe(id, 64);
    }
    let answer = Answer::from(Refusal::from(refused));
    let reply = Frame::Reply { id: id.clone(), answer }.text();
    assert!(reply.len() < REFUSAL_BYTES_MAX, "{} bytes", reply.len());
    let reply: Value = serde_json::from_str(&reply).expect("a reply is JSON");
    assert_eq!(reply["id"].as_str(), id.as_deref());
}

/// Reads what comes over the wire after the upgrade. Panics where the way in which it comes matters, where a message is
/// longer than allowed, or where more is written than the peer has sent.
pub fn wire(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let ahead = usize::from(cut).min(bytes.len());
    let whole = Heard::from(bytes, ahead, usize::MAX);
    assert_eq!(whole, Heard::from(bytes, 0, 1), "one byte at a time");
    assert!(whole.written <= bytes.len() + CONTROL_FRAME_BYTES_MAX, "{} bytes written", whole.written);
    for message in &whole.messages {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", message.len());
        if let Message::Text(text) = message {
            command(text);
        }
    }
}

/// What a session hears of a peer.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    messages: Vec<Message>,
    /// How much was written to the peer.
    written: usize,
}

impl Heard {
    fn from(bytes: &[u8], ahead: usize, chunk: usize) -> Self {
        let (ahead, unread) = bytes.split_at(ahead);
        let written = Cell::new(0);
        let wire = Wire { unread, chunk, written: &written };
        let socket = Socket::new(wire, Bytes::copy_from_slice(ahead)).now_or_never();
        let mut socket = socket.expect("nothing to wait for");
        let mut cx = Context::from_waker(Waker::noop());
        let mut messages = Vec::new();
        while let Poll::Ready(Some(Ok(message))) = socket.poll_read(&mut cx) {
            let closes = message.is_close();
            messages.push(message);
            if socket.poll_write(&mut cx, || None).map(|done| done.is_err()) == Poll::Ready(true) || closes {
                break;
            }
        }
        let close = CloseFrame { code: CloseCode::Policy, reason: "end".into() };
        let _ = socket.poll_close(&mut cx, &close);
        let _ = socket.poll_end(&mut cx);
        drop(socket);
        Self { messages, written: written.into_inner() }
    }
}

/// A peer that has sent all it will send, and takes everything.
struct Wire<'a> {
    unread: &'a [u8],
    chunk: usize,
    written: &'a Cell<usize>,
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.unread.len().min(self.chunk).min(buffer.remaining());
        let (now, later) = self.unread.split_at(taken);
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.set(self.written.get() + bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
