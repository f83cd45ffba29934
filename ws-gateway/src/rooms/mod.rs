//! One room an event that is watched: the live board, and the frames that its watchers share.

mod cache;
pub mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod outlets;
mod pace;
mod reader;
mod room;
mod shown;
#[cfg(test)]
pub(crate) mod testing;
mod view;

pub use outlets::Outlet;
pub use reader::{Bell, Call, Reader, Watcher};
pub use view::Seats;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{select, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    limits::ROOMS_MAX,
    metrics::Metrics,
    upstream::{Targets, watch},
};
use room::Room;

/// How a socket wants the shared frames, by its subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `ticketengine.v1.json`: text frames.
    Json,
    /// `ticketengine.v1.bin`: binary frames.
    Bin,
}

/// The pace of all rooms.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two frames of changes (`TE_TICK`).
    pub tick: Duration,
    /// Between two heartbeats of a room (`TE_HEARTBEAT`).
    pub heartbeat: Duration,
}

/// Why nobody can enter just now. All of these are "come back later".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnterError {
    /// Too many events are being watched.
    #[error("too many events are being watched")]
    Rooms,
    /// Too many different choices of several sections are being watched.
    #[error("too many different choices of several sections are being watched")]
    Views,
}

/// All rooms. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    targets: Targets,
    metrics: Metrics,
    settings: Settings,
    tracker: TaskTracker,
    draining: CancellationToken,
    /// Taken before the lock of a room, never after it.
    open: Mutex<HashMap<Arc<str>, Arc<Room>>>,
}

impl Rooms {
    /// No room yet. Their tasks run in `tracker`. When `draining` fires, the sessions in all rooms say goodbye, and each
    /// room ends with its last watcher.
    pub fn new(
        targets: Targets,
        metrics: Metrics,
        settings: Settings,
        tracker: TaskTracker,
        draining: CancellationToken,
    ) -> Self {
        let inner = Inner { targets, metrics, settings, tracker, draining, open: Mutex::default() };
        let rooms = Self(Arc::new(inner));
        let metrics = &rooms.0.metrics;
        let look = rooms.clone();
        metrics.gauge("ticketengine.gateway.rooms", "Events that are watched", move || look.open().len());
        let look = rooms.clone();
        let stale = move || look.open().values().filter(|room| room.is_stale()).count();
        metrics.gauge("ticketengine.gateway.rooms.stale", "Of them, those that are cut off", stale);
        rooms
    }

    /// A place in the room of an event, which opens where there is none. The event must exist: ask the catalog before.
    ///
    /// Errors: too much is being watched already.
    pub fn enter(&self, event_id: &str, seats: Seats) -> Result<Watcher, EnterError> {
        let mut open = self.open();
        let room = match open.get(event_id) {
            Some(room) => Arc::clone(room),
            None if open.len() >= ROOMS_MAX => return Err(EnterError::Rooms),
            None => {
                let room = Arc::new(Room::new(event_id.into(), self.0.settings, self.0.metrics.clone()));
                open.insert(Arc::clone(&room.event_id), Arc::clone(&room));
                self.0.tracker.spawn(self.clone().keep(Arc::clone(&room)));
                room
            }
        };
        let (view, beats) = room.enter(seats)?;
        Ok(Watcher { room, view, beats, place: None })
    }

    /// Runs a room until it is over.
    async fn keep(self, room: Arc<Room>) {
        loop {
            select! {
                () = room.run(&self.0.draining, &self.0.tracker) => {}
                () = self.follow(&room) => {}
            }
            let mut open = self.open();
            if room.is_over(Instant::now(), self.0.draining.is_cancelled()) {
                self.close(&mut open, &room);
                return;
            }
        }
    }

    /// Keeps the room's board up to date. When its event is gone nobody new gets in, so that who asks again is told by
    /// the catalog, or starts anew.
    async fn follow(&self, room: &Arc<Room>) {
        watch::follow(&room.event_id, &self.0.targets, &room.live).await;
        self.close(&mut self.open(), room);
        std::future::pending::<()>().await;
    }

    fn close(&self, open: &mut HashMap<Arc<str>, Arc<Room>>, room: &Arc<Room>) {
        if open.get(&room.event_id).is_some_and(|other| Arc::ptr_eq(other, room)) {
            open.remove(&room.event_id);
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Room>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
