//! One event that is watched: what its watchers are shown, and when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::{
    select,
    sync::{Notify, watch},
    time::{Duration, Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    EnterError, Settings,
    flush::{Flush, Share},
    shown::Shown,
    view::{Seats, View},
};
use crate::upstream::live::Live;

/// Different choices of several sections in one room: each costs a frame a tick and encoding. Who watches all seats or one
/// section always gets in, whatever choices others make up.
pub(super) const VIEWS_MAX: usize = 256;
/// How long a room stays without watchers: those who reload a page are soon back.
const LINGER: Duration = Duration::from_secs(30);

/// What wakes the watchers of a room: look at what is shown now.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    /// Counts the heartbeats that come at their time: with each, peers are asked whether they live.
    pub(super) rounds: u64,
    /// There is no such event any more.
    pub(super) gone: bool,
    /// The gateway is about to end.
    pub(super) draining: bool,
    flush: Arc<Flush>,
}

impl Beat {
    /// A watcher's part in the flush of this beat.
    pub(super) fn share(&self) -> Share {
        Share(Arc::clone(&self.flush))
    }
}

/// See the file.
pub(super) struct Room {
    pub(super) event_id: Arc<str>,
    pub(super) live: Live,
    settings: Settings,
    state: Mutex<State>,
    beats: watch::Sender<Beat>,
    /// A watcher came or left.
    door: Notify,
}

/// What [`Room`] guards. Taken before the lock of `live`, never after it.
pub(super) struct State {
    pub(super) shown: Shown,
    views: Vec<Weak<View>>,
    views_made: u32,
    watchers: usize,
    empty_since: Instant,
    next_round: Instant,
}

impl Room {
    /// An empty room.
    pub(super) fn new(event_id: Arc<str>, settings: Settings) -> Self {
        let now = Instant::now();
        let state = State {
            shown: Shown::default(),
            views: Vec::new(),
            views_made: 0,
            watchers: 0,
            empty_since: now,
            next_round: now + settings.heartbeat,
        };
        let beat = Beat { rounds: 0, gone: false, draining: false, flush: Flush::new(0) };
        Self {
            event_id,
            live: Live::default(),
            settings,
            state: Mutex::new(state),
            beats: watch::Sender::new(beat),
            door: Notify::new(),
        }
    }

    /// For short: it is taken by each watcher at each beat.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new watcher. It sees what was published before at once, and the beats after.
    pub(super) fn enter(&self, seats: Seats) -> Result<(Arc<View>, watch::Receiver<Beat>), EnterError> {
        let mut state = self.state();
        let view = state.view(seats)?;
        state.watchers += 1;
        Ok((view, self.beats.subscribe()))
    }

    /// A watcher leaves; what it has not heard yet, nobody waits for.
    pub(super) fn leave(&self, beats: &watch::Receiver<Beat>) {
        let mut state = self.state();
        if beats.has_changed().unwrap_or(false) {
            drop(beats.borrow().share());
        }
        state.watchers -= 1;
        if state.watchers == 0 {
            state.empty_since = Instant::now();
            self.door.notify_one();
        }
    }

    /// Whether nobody has watched for a while, or nobody does and the gateway ends.
    pub(super) fn is_over(&self, now: Instant, draining: bool) -> bool {
        let state = self.state();
        state.watchers == 0 && (draining || now >= state.empty_since + LINGER)
    }

    /// Shows what is new: the first after a quiet time at once, then what has come together, once a tick. Ends when
    /// the room may be over.
    pub(super) async fn run(&self, draining: &CancellationToken) {
        // Who opened the room has yet to come in; whoever closes it looks again.
        while !self.is_over(Instant::now(), draining.is_cancelled()) {
            let due = self.due();
            let told = self.beats.borrow().draining;
            select! {
                () = self.live.news() => {}
                () = self.door.notified() => {}
                () = sleep_until(due) => {}
                () = draining.cancelled(), if !told => {}
            }
            if let Some(flush) = self.beat(draining.is_cancelled()) {
                flush.pace(self.settings.tick).await;
            }
        }
    }

    /// When there is something to do without news.
    fn due(&self) -> Instant {
        let state = self.state();
        let mut due = state.next_round;
        if !state.shown.stale() {
            due = due.min(self.live.state().stale_at());
        }
        if state.watchers == 0 {
            due = due.min(state.empty_since + LINGER);
        }
        due
    }

    /// Publishes what is new. None: nothing is.
    fn beat(&self, draining: bool) -> Option<Arc<Flush>> {
        let now = Instant::now();
        let mut state = self.state();
        let state = &mut *state;
        let live = self.live.state();
        let moved = live.board().is_some_and(|(board, resets)| state.shown.advance(board, resets));
        let trust = live.trust(now);
        drop(live);

        let round = now >= state.next_round;
        if round {
            state.next_round = now + self.settings.heartbeat;
        }
        let heartbeat = round || trust.stale != state.shown.stale();
        if heartbeat {
            state.shown.heartbeat(trust.as_of, trust.stale);
        } else if moved {
            state.shown.vouch(trust.as_of);
        }
        let last = self.beats.borrow().clone();
        if !moved && !heartbeat && last.gone == trust.gone && last.draining == draining {
            return None;
        }
        let flush = Flush::new(state.watchers);
        self.beats.send_replace(Beat {
            rounds: last.rounds + u64::from(round),
            gone: trust.gone,
            draining,
            flush: Arc::clone(&flush),
        });
        Some(flush)
    }
}

impl State {
    fn view(&mut self, seats: Seats) -> Result<Arc<View>, EnterError> {
        self.views.retain(|view| view.strong_count() > 0);
        if let Some(view) = self.views.iter().filter_map(Weak::upgrade).find(|view| view.seats == seats) {
            return Ok(view);
        }
        let combined = |view: &&Weak<View>| view.upgrade().is_some_and(|view| view.seats.is_combined());
        if seats.is_combined() && self.views.iter().filter(combined).count() >= VIEWS_MAX {
            return Err(EnterError::Views);
        }
        self.views_made = self.views_made.wrapping_add(1);
        let view = Arc::new(View { id: self.views_made, seats });
        self.views.push(Arc::downgrade(&view));
        Ok(view)
    }
}
