//! A watcher's place in a room, and how it reads.

use std::sync::Arc;

use bytes::Bytes;
use seat_board::{Missing, Position};
use tokio::sync::watch;

use super::{
    Encoding,
    outlets::Outlet,
    room::{Beat, Room},
    shown::Cursor,
    view::View,
};

/// A place in a room; dropping it leaves.
pub struct Watcher {
    pub(super) room: Arc<Room>,
    pub(super) view: Arc<View>,
    pub(super) beats: watch::Receiver<Beat>,
    /// Among the outlets of the room.
    pub(super) place: Option<usize>,
}

impl Watcher {
    /// The event that is watched.
    pub fn event_id(&self) -> Arc<str> {
        Arc::clone(&self.room.event_id)
    }

    /// Begins to read, for a client that has `known`. The bell goes with the reader.
    pub fn read(self, encoding: Encoding, known: Option<Position>) -> (Bell, Reader) {
        let (room, view) = (Arc::clone(&self.room), Arc::clone(&self.view));
        let beat = *self.beats.borrow();
        let cursor = room.state().shown.cursor(known);
        let reader = Reader { room, view, encoding, cursor, looked: None, behind: true };
        (Bell { watcher: self, late: beat.draining || beat.gone }, reader)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.room.outlets.remove(place);
        }
        self.room.leave();
    }
}

/// What a room has for a watcher beside frames.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// There is no such event any more.
    pub gone: bool,
    /// The gateway is about to end.
    pub draining: bool,
}

/// Rings when the session is to end. Owns the place in the room.
pub struct Bell {
    watcher: Watcher,
    /// The watcher came when the end had been told already.
    late: bool,
}

impl Bell {
    /// From now on the room writes frames to the outlet itself. To be called before the first look of the reader.
    pub fn attach(&mut self, outlet: Arc<dyn Outlet>) {
        self.watcher.place = Some(self.watcher.room.outlets.insert(outlet));
    }

    /// Waits for the next call. May be dropped and called again: no call is lost, though several may become one.
    pub async fn rings(&mut self) -> Call {
        let beats = &mut self.watcher.beats;
        if !std::mem::take(&mut self.late) && beats.changed().await.is_err() {
            // The sender is in the room, which the watcher holds.
            std::future::pending::<()>().await;
        }
        let Beat { gone, draining } = *beats.borrow_and_update();
        Call { gone, draining }
    }
}

/// Takes the shared frames of a room, at its own speed. What it has not taken is not kept anywhere: it is made from the
/// board when it is asked for.
pub struct Reader {
    room: Arc<Room>,
    view: Arc<View>,
    encoding: Encoding,
    cursor: Cursor,
    /// Up to where [`Self::changed`] has told.
    looked: Option<Position>,
    /// There may be frames to take.
    behind: bool,
}

impl Reader {
    /// There may be frames again.
    pub fn look(&mut self) {
        self.behind = true;
    }

    /// The next frame, which counts as sent; None while there is none.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        if !self.behind {
            return None;
        }
        let frame = self.room.state().shown.next_frame(&mut self.cursor, &self.view, self.encoding);
        self.behind = frame.is_some();
        frame
    }

    /// What changed since this was asked last, of all seats of the event; None: nothing. Not of what is sent, but of what
    /// is known, however slow the peer is.
    pub fn changed(&mut self) -> Option<Arc<Missing>> {
        let mut state = self.room.state();
        let now = state.shown.position();
        let from = std::mem::replace(&mut self.looked, now);
        if now == from {
            return None;
        }
        match from {
            Some(from) => Some(state.shown.missing(from)),
            None => Some(Arc::new(Missing::Snapshot)),
        }
    }
}
