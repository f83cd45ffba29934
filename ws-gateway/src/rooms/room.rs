//! One event that is watched: what its watchers are shown, and when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::{
    runtime::Handle,
    select,
    sync::{Notify, watch},
    time::{Duration, Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EnterError, Settings,
    outlets::{self, Outlets, Round},
    pace::stretched,
    shown::Shown,
    view::{Seats, View},
};
use crate::{
    metrics::{Metrics, Sent},
    upstream::live::Live,
};

/// Different choices of several sections in one room: each costs a frame a tick and encoding. Who watches all seats or one
/// section always gets in, whatever choices others make up.
pub(super) const VIEWS_MAX: usize = 256;
/// Peers are asked whether they live once a heartbeat, but not all at once: in so many parts.
const ASKINGS: u32 = outlets::PARTS as u32;
/// How long a room stays without watchers: those who reload a page are soon back.
const LINGER: Duration = Duration::from_secs(30);

/// What wakes the sessions of a room: all else comes by their outlets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// There is no such event any more.
    pub(super) gone: bool,
    /// The gateway is about to end.
    pub(super) draining: bool,
}

/// See the file.
pub(super) struct Room {
    pub(super) event_id: Arc<str>,
    pub(super) live: Live,
    settings: Settings,
    metrics: Metrics,
    state: Mutex<State>,
    beats: watch::Sender<Beat>,
    /// Where frames are written to.
    pub(super) outlets: Outlets,
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
    next_heartbeat: Instant,
    next_asking: Instant,
    /// Counts the askings.
    askings: usize,
}

impl Room {
    /// An empty room.
    pub(super) fn new(event_id: Arc<str>, settings: Settings, metrics: Metrics) -> Self {
        let now = Instant::now();
        let state = State {
            shown: Shown::default(),
            views: Vec::new(),
            views_made: 0,
            watchers: 0,
            empty_since: now,
            next_heartbeat: now + settings.heartbeat,
            next_asking: now + settings.heartbeat,
            askings: 0,
        };
        Self {
            event_id,
            live: Live::default(),
            settings,
            metrics,
            state: Mutex::new(state),
            beats: watch::Sender::default(),
            outlets: Outlets::default(),
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

    /// A watcher leaves.
    pub(super) fn leave(&self) {
        let mut state = self.state();
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

    /// Whether its watchers were told last that changes may be missing.
    pub(super) fn is_stale(&self) -> bool {
        self.state().shown.stale()
    }

    /// Shows what is new: the first after a quiet time at once, then what has come together, once a tick. Ends when
    /// the room may be over.
    pub(super) async fn run(self: &Arc<Self>, draining: &CancellationToken, tracker: &TaskTracker) {
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
            let begun = Instant::now();
            let is_new = self.beat(draining.is_cancelled());
            if is_new {
                self.push(tracker).await;
            }
            let flush = begun.elapsed();
            if is_new {
                self.metrics.ticked(flush);
            }
            self.count_sent();
            while let Some(turn) = self.asking() {
                self.outlets.ask(turn).await;
            }
            if is_new {
                sleep_until(begun + stretched(self.settings.tick, flush)).await;
            }
        }
    }

    fn count_sent(&self) {
        let sent = self.state().shown.take_sent();
        if sent != Sent::default() {
            self.metrics.sent(sent);
        }
    }

    /// Writes what is new to all watchers, together with tasks on the other cores where they are many.
    async fn push(self: &Arc<Self>, tracker: &TaskTracker) {
        let writers = self.outlets.writers(Handle::current().metrics().num_workers());
        let round = Arc::new(Round::default());
        let others = (1..writers.get()).map(|_| {
            let (room, round) = (Arc::clone(self), Arc::clone(&round));
            tracker.spawn(async move { room.outlets.push(&round).await })
        });
        let others: Vec<_> = others.collect();
        self.outlets.push(&round).await;
        for other in others {
            // It panicked, or the runtime ends: nobody has to wait.
            let _ = other.await;
        }
    }

    /// Which part of the peers is to be asked now whether it lives, where it is time for one.
    pub(super) fn asking(&self) -> Option<usize> {
        let (now, heartbeat) = (Instant::now(), self.settings.heartbeat);
        let mut state = self.state();
        if now < state.next_asking {
            return None;
        }
        // A room that is late does not ask a peer twice in a row, which could not answer in between.
        let on_time = now < state.next_asking + heartbeat;
        state.next_asking = if on_time { state.next_asking } else { now } + heartbeat / ASKINGS;
        state.askings = state.askings.wrapping_add(1);
        Some(state.askings - 1)
    }

    /// When there is something to do without news.
    fn due(&self) -> Instant {
        let state = self.state();
        let mut due = state.next_heartbeat.min(state.next_asking);
        if !state.shown.stale() {
            due = due.min(self.live.state().stale_at());
        }
        if state.watchers == 0 {
            due = due.min(state.empty_since + LINGER);
        }
        due
    }

    /// Shows what is new. True: the watchers lack something.
    fn beat(&self, draining: bool) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let state = &mut *state;
        let live = self.live.state();
        let moved = live.board().is_some_and(|(board, resets)| state.shown.advance(board, resets));
        let trust = live.trust(now);
        drop(live);

        let due = now >= state.next_heartbeat;
        if due {
            state.next_heartbeat = now + self.settings.heartbeat;
        }
        let heartbeat = due || trust.stale != state.shown.stale();
        if heartbeat {
            state.shown.heartbeat(trust.as_of, trust.stale);
        } else if moved {
            state.shown.vouch(trust.as_of);
        }
        let beat = Beat { gone: trust.gone, draining };
        self.beats.send_if_modified(|last| std::mem::replace(last, beat) != beat);
        moved || heartbeat
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.count_sent();
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
