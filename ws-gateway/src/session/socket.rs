//! The WebSocket of one session: tungstenite reads, answers pings and closes; frames that were built elsewhere are written
//! straight to the stream, without a copy.
//!
//! The invariant: **at most one frame is partly written, and while one is, nobody else writes.** Two write to the stream,
//! tungstenite (pongs and close frames, out of its own small buffer) and this file (ready frames). So:
//! - a ready frame is begun only when tungstenite's buffer is empty: a `poll_flush` was ready and no message came since;
//! - while a ready frame is partly written, tungstenite is not called at all: not to flush or close, and not to read
//!   either, since its `read` begins by writing the pong that it owes.
//!
//! So a peer that does not read is not read from: it can make the gateway neither buffer nor work.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream, stream::FusedStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::limits::MESSAGE_BYTES_MAX;

/// Allocated for each socket at once.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Tungstenite writes pongs and a close frame only: 127 bytes each.
const WRITE_BUFFER_BYTES_MAX: usize = 512;
/// What is read and thrown away at a time after the end.
const DISCARD_BYTES: usize = 1 << 10;

/// How each socket is set. Tungstenite's own defaults are 128 KiB, unlimited and 64 MiB.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .accept_unmasked_frames(false)
}

/// See the file.
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    /// What is left of the frame that is being written; empty: none is.
    partial: Bytes,
    /// Bytes were taken since [`Self::took`] was asked.
    took: bool,
    /// Tungstenite may have something to write: it has given a message since its buffer was seen to be empty.
    owes: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// After the upgrade; `read_ahead` is what came behind its request.
    pub(super) async fn new(stream: S, read_ahead: Bytes) -> Self {
        Self::with(stream, read_ahead, config()).await
    }

    /// The same with other settings.
    pub(super) async fn with(stream: S, read_ahead: Bytes, config: WebSocketConfig) -> Self {
        // An empty read-ahead would be allocated twice.
        let stream = if read_ahead.is_empty() {
            WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
        } else {
            WebSocketStream::from_partially_read(stream, read_ahead.into(), Role::Server, Some(config)).await
        };
        Self { stream, partial: Bytes::new(), took: false, owes: false }
    }

    /// Writes frames as long as `next` has one and the peer takes them. Ready: everything is written. `next` is asked only
    /// when the frame before is written in full.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut() -> Option<Bytes>,
    ) -> Poll<Result<(), Error>> {
        loop {
            ready!(self.poll_partial(cx))?;
            if self.owes {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                self.owes = false;
            }
            let Some(frame) = next() else { return Poll::Ready(Ok(())) };
            self.partial = frame;
        }
    }

    fn poll_partial(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.partial.is_empty() {
            let taken = ready!(Pin::new(self.stream.get_mut()).poll_write(cx, &self.partial))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.partial.advance(taken);
            self.took = true;
        }
        // Lets go of the frame, which may be the last one that holds a large buffer.
        self.partial = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Whether a frame is partly written: then nothing is read.
    pub(super) fn is_blocked(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Whether the peer has taken bytes of ready frames since this was asked last.
    pub(super) fn took(&mut self) -> bool {
        std::mem::take(&mut self.took)
    }

    /// The next message of the peer; None at the end. Pending while a frame is partly written: it is the writing that
    /// wakes then.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.is_blocked() {
            return Poll::Pending;
        }
        let message = Pin::new(&mut self.stream).poll_next(cx);
        self.owes |= message.is_ready();
        message
    }

    /// Puts a close frame behind what is being written. Nothing else may be written then.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>, frame: &CloseFrame) -> Poll<Result<(), Error>> {
        ready!(self.poll_partial(cx))?;
        ready!(Pin::new(&mut self.stream).poll_ready(cx))?;
        match Pin::new(&mut self.stream).start_send(Message::Close(Some(frame.clone()))) {
            // The peer closed first: it has its answer.
            Err(Error::Protocol(_) | Error::ConnectionClosed | Error::AlreadyClosed) | Ok(()) => {
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Writes what tungstenite has left and reads on until the peer has closed too. Where it can not be understood any more,
    /// what it sends is thrown away: closing with bytes unread would reset the connection, and the peer could lose the
    /// close frame.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        while !self.stream.is_terminated() {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) => break,
                None => return Poll::Ready(Ok(())),
            }
        }
        let stream = self.stream.get_mut();
        ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        let mut discarded = [0; DISCARD_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
