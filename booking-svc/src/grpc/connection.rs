//! A client's connection: it takes one of a bounded number of places, and it ends when its client has gone silent.
//!
//! HTTP/2's pings begin after its preface, and they do not end a connection that can not be written to. This does.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpIncoming};

use crate::limits;
use telemetry::Throttle;

/// The client's preface, and the shortest SETTINGS that has to follow it.
const OPENING_BYTES: usize = 24 + 9;

/// Connections as they come. One that finds no place is closed at once, so that its client goes elsewhere.
pub(super) fn accept(
    listener: TcpListener,
    connections_max: usize,
) -> impl Stream<Item = io::Result<Connection<TcpStream>>> {
    let (places, turned_away) = (Arc::new(Semaphore::new(connections_max)), Throttle::default());
    // Socket options that tonic leaves alone when it does not bind by itself.
    TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(limits::TCP_KEEPALIVE))
        .then(async |accepted| {
            if accepted.is_err() {
                sleep(limits::ACCEPT_RETRY).await;
            }
            accepted
        })
        .filter_map(move |accepted| {
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => return Some(Err(error)),
            };
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                return Some(Ok(Connection::new(stream, place)));
            }
            if let Some(silenced) = turned_away.pass(Instant::now()) {
                tracing::warn!(connections_max, silenced, "no place for a connection");
            }
            None
        })
}

/// Ends a connection from elsewhere. Each of its calls carries one.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<CancellationToken>);

impl Line {
    /// Ends the connection, with all that waits to be sent over it.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }

    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// See the module.
pub(super) struct Connection<S> {
    stream: S,
    line: Line,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Fires at [`Self::patience`] or before.
    alarm: Pin<Box<Sleep>>,
    /// When the client was heard last; while the opening is not complete, when it was accepted.
    since: Instant,
    opening_bytes_left: usize,
    _place: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    fn new(stream: S, place: OwnedSemaphorePermit) -> Self {
        let line = Line::default();
        Self {
            stream,
            cut: Box::pin(CancellationToken::clone(&line.0).cancelled_owned()),
            line,
            alarm: Box::pin(sleep(limits::OPENING_WAIT)),
            since: Instant::now(),
            opening_bytes_left: OPENING_BYTES,
            _place: place,
        }
    }

    fn heard(&mut self, bytes: usize) {
        self.opening_bytes_left = self.opening_bytes_left.saturating_sub(bytes);
        if bytes > 0 && self.opening_bytes_left == 0 {
            self.since = Instant::now();
        }
    }

    fn patience(&self) -> Duration {
        if self.opening_bytes_left > 0 { limits::OPENING_WAIT } else { limits::SILENCE_MAX }
    }

    /// Pending, and woken when the connection has to end; then why.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, "an answer was not read"));
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let end = self.since + self.patience();
            if end <= Instant::now() {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client is silent"));
            }
            self.alarm.as_mut().reset(end);
        }
    }

    /// What the stream says, or that it is the end.
    fn or_end<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => self.poll_end(cx).map(Err),
            ready => ready,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.heard(buffer.filled().len() - before);
        self.or_end(cx, polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_end(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.or_end(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.or_end(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.or_end(cx, polled)
    }
}

impl<S> Connected for Connection<S> {
    type ConnectInfo = Line;

    fn connect_info(&self) -> Line {
        self.line.clone()
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
