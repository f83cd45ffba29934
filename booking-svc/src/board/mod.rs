//! Live status: one board an event that is watched, fed by one task, read by all its watchers.
//!
//! Nothing is queued. A watcher is a position; what it lacks is computed when it asks. A board that is fresh also repeats
//! refusals: level 0 of the funnel.

mod live;
mod refusals;
mod watch;

pub use live::{AsOf, Live};
pub use refusals::{Obstacle, Refused};
pub use watch::Watch;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use seat_board::Position;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        watch::{Receiver, Sender},
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{domain::EventId, limits::BOARDS_MAX};

/// A board that nobody watches is kept for so long, for those who come back.
const LINGER: Duration = Duration::from_secs(30);

/// The boards of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Boards(Arc<Shared>);

struct Shared {
    lives: Mutex<HashMap<EventId, Arc<Live>>>,
    /// One place a watcher.
    places: Arc<Semaphore>,
    watchers_max: usize,
    /// Counts first watchers of events: whoever feeds boards looks again.
    wanted: Sender<u64>,
    /// The replica stops: all watches end, and no new ones begin.
    closing: CancellationToken,
}

/// Why an event can not be watched here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// A limit is reached; says which.
    #[error("too many {0}")]
    Full(&'static str),
    /// The replica stops.
    #[error("stopping")]
    Stopping,
}

impl Boards {
    /// None yet. At most `watchers_max` watch at a time.
    pub fn new(watchers_max: usize) -> Self {
        Self(Arc::new(Shared {
            lives: Mutex::default(),
            places: Arc::new(Semaphore::new(watchers_max)),
            watchers_max,
            wanted: Sender::new(0),
            closing: CancellationToken::new(),
        }))
    }

    /// Begins to watch an event, from what the watcher knows.
    pub fn watch(&self, event: &EventId, known: Option<Position>) -> Result<Watch, Closed> {
        if self.0.closing.is_cancelled() {
            return Err(Closed::Stopping);
        }
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| Closed::Full("watchers"))?;
        self.begin(event, known, Some(place))
    }

    /// The same for one of the service's own, from nothing: it takes no place of a watcher.
    pub fn watch_within(&self, event: &EventId) -> Result<Watch, Closed> {
        if self.0.closing.is_cancelled() {
            return Err(Closed::Stopping);
        }
        self.begin(event, None, None)
    }

    fn begin(
        &self,
        event: &EventId,
        known: Option<Position>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Watch, Closed> {
        let mut lives = self.lock();
        if lives.len() >= BOARDS_MAX && !lives.contains_key(event) {
            // One that lingers makes room.
            lives.retain(|_, live| live.is_watched());
            if lives.len() >= BOARDS_MAX {
                return Err(Closed::Full("boards"));
            }
        }
        let live = self.open(&mut lives, event);
        // Under the lock: a board that is watched is not dropped.
        Ok(Watch::new(live, known, self.0.closing.clone(), place))
    }

    /// The board of an event that is followed already.
    pub fn of(&self, event: &EventId) -> Option<Arc<Live>> {
        self.lock().get(event).map(Arc::clone)
    }

    /// Has the event followed for a while, where there is room, though nobody watches it; gives its board.
    pub fn follow(&self, event: &EventId) -> Option<Arc<Live>> {
        let mut lives = self.lock();
        if self.0.closing.is_cancelled() || (lives.len() >= BOARDS_MAX && !lives.contains_key(event)) {
            return None;
        }
        let live = self.open(&mut lives, event);
        live.touch();
        Some(live)
    }

    fn open(&self, lives: &mut HashMap<EventId, Arc<Live>>, event: &EventId) -> Arc<Live> {
        match lives.entry(event.clone()) {
            Entry::Occupied(live) => Arc::clone(live.get()),
            Entry::Vacant(free) => {
                self.look_again();
                Arc::clone(free.insert(Arc::new(Live::new(event.clone()))))
            }
        }
    }

    /// Whether there is a board of the event.
    pub fn has(&self, event: &EventId) -> bool {
        self.lock().get(event).is_some_and(|live| live.position().is_some())
    }

    /// The boards that are to be fed. Those that nobody has watched for a while are dropped.
    pub fn watched(&self) -> Vec<Arc<Live>> {
        let now = Instant::now();
        let mut lives = self.lock();
        lives.retain(|_, live| live.idle(now) < LINGER);
        lives.values().map(Arc::clone).collect()
    }

    /// Tells, from now on, of events that get their first watcher.
    pub fn wanted(&self) -> Wanted {
        Wanted(self.0.wanted.subscribe())
    }

    /// Has all who feed boards look which are theirs.
    pub fn look_again(&self) {
        self.0.wanted.send_modify(|count| *count += 1);
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.0.watchers_max - self.0.places.available_permits()
    }

    /// Ends all watches.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// Fires when all watches end.
    pub fn closing(&self) -> CancellationToken {
        self.0.closing.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Arc<Live>>> {
        self.0.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there are boards that want to be fed at once.
pub struct Wanted(Receiver<u64>);

impl Wanted {
    /// Waits until there are; at once where there have been since the last time.
    pub async fn wait(&mut self) {
        if self.0.changed().await.is_err() {
            // The replica stops.
            std::future::pending::<()>().await;
        }
    }

    /// Whether there have been since the last time.
    pub fn take(&mut self) -> bool {
        let wanted = self.0.has_changed().unwrap_or(false);
        self.0.mark_unchanged();
        wanted
    }
}

#[cfg(test)]
mod tests;
