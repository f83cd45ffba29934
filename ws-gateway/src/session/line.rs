//! What goes over a socket next, in both directions.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use seat_board::Missing;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep},
};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{close::End, socket::Socket};
use crate::rooms::{Reader, frames};

/// Pings in a row without any frame of the peer: who stops for a minute and comes back has lost nothing.
const UNHEARD_MAX: u8 = 5;

/// What a line has for its session.
pub(super) enum Event {
    /// All is written, after it was not.
    Cleared,
    /// The room has written: only where the session [attends](Line::attend).
    News,
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
    /// Of the session's task.
    waker: Option<Waker>,
    /// The session wants to hear when the room writes...
    attended: bool,
    /// ... and it did.
    news: bool,
    /// The peer sent a message since it was asked last whether it lives.
    heard: bool,
    /// How often in a row it did not.
    unheard: u8,
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
            waker: None,
            attended: false,
            news: false,
            heard: true,
            unheard: 0,
        }
    }

    /// The socket, to be closed.
    pub(super) fn into_socket(self) -> Socket<S> {
        self.socket
    }

    /// Wants [`Event::News`].
    pub(super) fn attend(&mut self) {
        self.attended = true;
    }

    /// The room shows something new: writes it.
    pub(super) fn push(&mut self) {
        self.reader.look();
        self.news = self.attended;
        self.help();
    }

    /// Asks the peer whether it lives. A peer that does not read is not read from, and so can not be heard.
    pub(super) fn ask(&mut self) {
        if self.takes() {
            self.unheard = if mem::take(&mut self.heard) { 0 } else { self.unheard + 1 };
            self.ping = true;
            self.help();
        }
    }

    /// Writes in the stead of the session's task, with its waker, where everything of before is written. Else that task is
    /// about to write, and finds what is new then.
    fn help(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let was_clear = self.takes();
        if was_clear {
            // An error comes again when the task writes.
            let _ = self.poll_write(&mut Context::from_waker(&waker));
        }
        // Who does not take all is minded by its task.
        if self.news || self.is_silent() || was_clear != self.clear {
            waker.wake_by_ref();
        }
        self.waker = Some(waker);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { socket, reader, private, ping, .. } = self;
        let written = socket.poll_write(cx, || {
            let frame = private.take().or_else(|| reader.next_frame());
            frame.or_else(|| mem::take(ping).then(frames::ping))
        });
        self.clear = matches!(written, Poll::Ready(Ok(())));
        written
    }

    fn is_silent(&self) -> bool {
        self.unheard >= UNHEARD_MAX
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

    /// Ends with [`End::Restart`] after a while. The first call counts.
    pub(super) fn leave_after(&mut self, wait: impl FnOnce() -> Duration) {
        if !mem::replace(&mut self.leaving, true) {
            self.timer = Some(Box::pin(sleep(wait())));
        }
    }

    /// Writes what there is, then reads, unless not `reads`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, reads: bool) -> Poll<Event> {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        let was_clear = self.clear;
        let written = self.poll_write(cx);
        if let Poll::Ready(Err(error)) = &written {
            return Poll::Ready(Event::End(End::from(error)));
        }
        if self.is_silent() {
            return Poll::Ready(Event::End(End::Silent));
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
        if mem::take(&mut self.news) {
            return Poll::Ready(Event::News);
        }
        if !reads {
            return Poll::Pending;
        }
        self.socket.poll_read(cx).map(|message| {
            // After the peer's close frame, or a broken one, nothing is written but the answer to it.
            self.clear &= matches!(&message, Some(Ok(message)) if !message.is_close());
            match message {
                Some(Ok(message)) => {
                    self.heard = true;
                    Event::Message(message)
                }
                Some(Err(error)) => Event::End(End::from(&error)),
                None => Event::End(End::Peer),
            }
        })
    }

    /// Lets the time run while the peer takes nothing.
    fn mind_stall(&mut self) {
        let took = self.socket.took();
        match &mut self.timer {
            _ if self.leaving => {}
            // Who takes bytes again has read, though no pong may have come by the pings that waited with them.
            timer if self.clear => self.heard |= timer.take().is_some(),
            Some(timer) if took => timer.as_mut().reset(Instant::now() + self.stall_max),
            Some(_) => {}
            timer => *timer = Some(Box::pin(sleep(self.stall_max))),
        }
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
