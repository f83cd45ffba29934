//! What goes over a socket next, in both directions.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use seat_board::Missing;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep},
};
use tokio_tungstenite::tungstenite::Message;

use super::{close::End, socket::Socket};
use crate::rooms::{Call, Reader, frames};

/// What a line has for its session.
pub(super) enum Event {
    /// All is written, after it was not.
    Cleared,
    Message(Message),
    End(End),
}

/// A socket and what is to be written to it: one private frame at most, then what the reader lacks, then a ping.
pub(super) struct Line<S> {
    socket: Socket<S>,
    reader: Reader,
    private: Option<Bytes>,
    ping: bool,
    /// Everything was written when it was last tried.
    clear: bool,
    /// Of the drain once that began; before, of the stall, and only while the peer does not take what there is.
    timer: Option<Pin<Box<Sleep>>>,
    leaving: bool,
    stall_max: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// With the first private frame.
    pub(super) fn new(socket: Socket<S>, reader: Reader, hello: Bytes, stall_max: Duration) -> Self {
        Self {
            socket,
            reader,
            private: Some(hello),
            ping: false,
            clear: false,
            timer: None,
            leaving: false,
            stall_max,
        }
    }

    /// The socket, to be closed.
    pub(super) fn into_socket(self) -> Socket<S> {
        self.socket
    }

    /// There may be shared frames again.
    pub(super) fn look(&mut self, call: Call) {
        self.reader.look(call);
    }

    /// See [`Reader::changed`].
    pub(super) fn changed(&mut self) -> Option<Arc<Missing>> {
        self.reader.changed()
    }

    /// Whether the peer takes what there is: only then may there be a private frame.
    pub(super) fn takes(&self) -> bool {
        self.clear && self.private.is_none()
    }

    /// Writes a private frame next. Only where the line [`Self::takes`] one.
    pub(super) fn put(&mut self, frame: Bytes) {
        debug_assert!(self.private.is_none());
        self.private = Some(frame);
        // So that its end is an event, after which the next one is asked for.
        self.clear = false;
    }

    /// Writes a ping after the shared frames.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Ends with [`End::Restart`] after a while. The first call counts.
    pub(super) fn leave_after(&mut self, wait: impl FnOnce() -> Duration) {
        if !mem::replace(&mut self.leaving, true) {
            self.timer = Some(Box::pin(sleep(wait())));
        }
    }

    /// Writes what there is, then reads, unless not `reads`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, reads: bool) -> Poll<Event> {
        let Self { socket, reader, private, ping, .. } = self;
        let written = socket.poll_write(cx, || {
            let frame = private.take().or_else(|| reader.next_frame());
            frame.or_else(|| mem::take(ping).then(frames::ping))
        });
        // Up to date or stalled: either way the others need not wait.
        self.reader.done();
        let was_clear = mem::replace(&mut self.clear, matches!(written, Poll::Ready(Ok(()))));
        if let Poll::Ready(Err(error)) = &written {
            return Poll::Ready(Event::End(End::from(error)));
        }
        self.mind_stall();
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Event::End(if self.leaving { End::Restart } else { End::SlowReader }));
        }
        if self.clear && !was_clear {
            return Poll::Ready(Event::Cleared);
        }
        if !reads {
            return Poll::Pending;
        }
        self.socket.poll_read(cx).map(|message| match message {
            Some(Ok(message)) => Event::Message(message),
            Some(Err(error)) => Event::End(End::from(&error)),
            None => Event::End(End::Peer),
        })
    }

    /// Lets the time run while the peer takes nothing.
    fn mind_stall(&mut self) {
        let took = self.socket.took();
        match &mut self.timer {
            _ if self.leaving => {}
            timer if self.clear => *timer = None,
            Some(timer) if took => timer.as_mut().reset(Instant::now() + self.stall_max),
            Some(_) => {}
            timer => *timer = Some(Box::pin(sleep(self.stall_max))),
        }
    }
}
