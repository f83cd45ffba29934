//! Who uses the system during a round: customers, watchers, and the besiegers of the vault.

pub(crate) mod caller;
pub(crate) mod customer;
pub(crate) mod field;
pub(crate) mod siege;
pub(crate) mod sockets;
pub(crate) mod streams;
pub(crate) mod view;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{Rng, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use crate::{
    history::{Act, Call, Seen, Sight},
    system::clock::Clock,
};

/// Seats that customers fight for; those after them are the supervisor's.
pub(crate) const HOT_SEATS: u32 = 48;
/// Seats of the house: the supervisor tries the system on its own.
pub(crate) const SEATS: u32 = 64;
/// Short, so that holds end and come back many times in a round.
pub(crate) const HOLD_TTL: Duration = Duration::from_secs(2);
pub(crate) const HOLD_MAX: Duration = Duration::from_secs(6);
pub(crate) const SEATS_PER_CUSTOMER: u32 = 6;

/// What all clients of a round write down, and when they stop.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) event: String,
    pub(crate) clock: Clock,
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    pub(crate) acts: Arc<Mutex<Vec<Act>>>,
    pub(crate) done: CancellationToken,
}

impl Round {
    pub(crate) fn new(event: String, clock: Clock) -> Self {
        Self { event, clock, calls: Arc::default(), acts: Arc::default(), done: CancellationToken::new() }
    }

    /// Waits, but not beyond the end of the round.
    pub(crate) async fn pause(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.done.cancelled()).await;
    }
}

/// What one watcher has seen; shared with the supervisor, who waits for its last position.
#[derive(Clone)]
pub(crate) struct Diary {
    pub(crate) name: String,
    clock: Clock,
    seen: Arc<Mutex<Vec<Seen>>>,
    at: Arc<Mutex<Option<(u64, u64)>>>,
}

impl Diary {
    pub(crate) fn new(name: String, clock: Clock) -> Self {
        Self { name, clock, seen: Arc::default(), at: Arc::default() }
    }

    pub(crate) fn note(&self, what: Sight) {
        match &what {
            Sight::Snapshot { epoch, version, .. } | Sight::Changes { epoch, version, .. } => {
                *self.at.lock().unwrap() = Some((*epoch, *version));
            }
            _ => {}
        }
        self.seen.lock().unwrap().push(Seen { at_us: self.clock.us(), what });
    }

    /// Epoch and version.
    pub(crate) fn position(&self) -> Option<(u64, u64)> {
        *self.at.lock().unwrap()
    }

    /// What it had was wrong: it asks for everything anew.
    pub(crate) fn forget_position(&self) {
        *self.at.lock().unwrap() = None;
    }

    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// A random time below this.
pub(crate) fn jitter(random: &mut StdRng, max: Duration) -> Duration {
    max.mul_f64(random.random::<f64>())
}
