//! A line that two take turns at: the task of its session, and the room, which writes to it in that task's stead.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use seat_board::Missing;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    close::End,
    line::{Event, Line},
    socket::Socket,
};
use crate::rooms::Outlet;

/// The lock is held for as long as a poll takes, never while anybody waits. None: the session closes.
pub(super) struct Shared<S>(Mutex<Option<Line<S>>>);

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    pub(super) fn new(line: Line<S>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(line))))
    }

    /// None also where a bug has left the line half done: nothing more may be written to it.
    fn with<T>(&self, act: impl FnOnce(&mut Line<S>) -> T) -> Option<T> {
        self.0.lock().ok()?.as_mut().map(act)
    }

    /// The socket, to be closed: the room does not write to it any more.
    pub(super) fn close(&self) -> Option<Socket<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(Line::into_socket)
    }

    /// See [`Line::attend`].
    pub(super) fn attend(&self) {
        self.with(Line::attend);
    }

    /// See [`Line::changed`].
    pub(super) fn changed(&self) -> Option<Arc<Missing>> {
        self.with(Line::changed).flatten()
    }

    /// See [`Line::takes`].
    pub(super) fn takes(&self) -> bool {
        self.with(|line| line.takes()).unwrap_or(false)
    }

    /// See [`Line::put`].
    pub(super) fn put(&self, frame: Bytes) {
        self.with(|line| line.put(frame));
    }

    /// See [`Line::leave_after`].
    pub(super) fn leave_after(&self, wait: impl FnOnce() -> Duration) {
        self.with(|line| line.leave_after(wait));
    }

    /// See [`Line::poll`].
    pub(super) fn poll(&self, cx: &mut Context<'_>, reads: bool) -> Poll<Event> {
        self.with(|line| line.poll(cx, reads)).unwrap_or(Poll::Ready(Event::End(End::Peer)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Outlet for Shared<S> {
    fn push(&self) {
        self.with(Line::push);
    }

    fn ask(&self) {
        self.with(Line::ask);
    }
}
