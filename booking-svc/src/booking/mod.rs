//! The use cases: gate, then vault, then gate. Also what heals them: sweeper, rebuild, reconcile. And live status.

mod bookings;
mod catalog;
mod confirm;
mod error;
mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
mod healing;
mod live;
mod metrics;
#[cfg(feature = "mutants")]
mod mutants;
mod rebuild;
mod rebuilds;
mod reconcile;
mod recover;
mod refuse;
mod reserve;
mod shards;
mod steps;
mod sweeper;
mod token;

pub use crate::board::Watch;
pub use error::{Backend, Error, Level, TakenSeat};
pub use steps::{Step, Steps};

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::Meter;
use telemetry::Trace;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    board::Boards,
    domain::{CustomerId, EventId, Reservation, ReservationId},
    gate::Gate,
    limits,
    tasks::Tasks,
    vault::Vault,
};
use catalog::Catalog;
use healing::Events;
use metrics::Metrics;
use rebuilds::Rebuilds;
use token::Tokens;

/// Critical sections (Confirm, Release, Cancel, blocks) under way at once; more are shed.
const CRITICAL_SECTIONS_MAX: usize = 4096;
/// The sweeper's decisions under way at once; more come up again.
const SWEEPS_MAX: usize = 256;

/// Whose things a caller may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Only this customer's.
    Customer(CustomerId),
    /// Everybody's: staff.
    Anyone,
}

impl Owner {
    /// Whether the caller may touch this customer's things.
    pub fn covers(&self, customer: &CustomerId) -> bool {
        match self {
            Self::Customer(owner) => owner == customer,
            Self::Anyone => true,
        }
    }

    fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Anyone => None,
        }
    }
}

/// A caller's claim on a reservation.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which reservation.
    pub id: ReservationId,
    /// Who asks.
    pub owner: Owner,
    /// The token that Reserve or Extend returned.
    pub token: Option<String>,
}

/// Something that costs money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced<T> {
    /// What it is.
    pub item: T,
    /// Sum of the seats' prices, in minor units.
    pub total_minor: i64,
    /// ISO 4217.
    pub currency: Arc<str>,
}

/// A hold, and the proof of it.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The hold.
    pub reservation: Priced<Reservation>,
    /// The signed reservation token.
    pub token: String,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Whether more follow after the last item.
    pub more: bool,
}

impl<T> Page<T> {
    /// Cuts a list that was read one item too far.
    fn cut(mut items: Vec<T>, limit: u32) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        Self { items, more }
    }
}

/// Settings of the use cases.
#[derive(Clone)]
pub struct Options {
    /// Signs reservation tokens (first) and verifies them (all); at least one, each at least 32 bytes.
    pub token_secrets: Vec<Vec<u8>>,
    /// How long a begun Confirm may stay undecided before the sweeper decides void.
    pub confirm_window: Duration,
    /// How long a caller waits for the vault's decision before it is told to repeat the call.
    pub decision_wait: Duration,
    /// Whether free seats wait out the holds that may have been lost with the gate's memory (G4).
    pub quarantine: bool,
    /// How long a Redis that was cut off may go on granting after another has taken over: added to that wait.
    pub failover_lag: Duration,
    /// Whether refusals are repeated from the board (level 0).
    pub board_refusals: bool,
    /// Between two passes of the sweeper; None switches it off.
    pub sweep_every: Option<Duration>,
    /// Between two comparisons of gate and vault; None switches them off.
    pub reconcile_every: Option<Duration>,
    /// Who watches seats at once.
    pub watchers_max: usize,
    /// What happens between two stores: nothing, outside of tests.
    pub steps: Steps,
}

/// The use cases of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What the use cases share.
struct Shared {
    gate: Gate,
    vault: Vault,
    catalog: Catalog,
    tokens: Tokens,
    rebuilds: Rebuilds,
    metrics: Metrics,
    /// Live status, for those who watch.
    boards: Boards,
    /// Bounds the critical sections; a permit lives as long as its section.
    critical: Arc<Semaphore>,
    /// The same for the sweeper: a vault that hangs must not make it crowd out the customers.
    sweeping: Arc<Semaphore>,
    /// What sweeper and reconciler look after.
    events: Events,
    /// Critical sections: they outlive their callers, and shutdown waits for them.
    work: Tasks,
    /// Sweeper, reconciler, rebuilds, boards: shutdown tells them to stop.
    daemons: Tasks,
    options: Options,
}

impl Engine {
    /// Starts the use cases and what heals them.
    pub fn start(
        gate: Gate,
        vault: Vault,
        meter: &Meter,
        work: Tasks,
        daemons: Tasks,
        options: Options,
    ) -> Self {
        let engine = Self(Arc::new(Shared {
            catalog: Catalog::new(vault.clone()),
            tokens: Tokens::new(&options.token_secrets),
            rebuilds: Rebuilds::default(),
            metrics: Metrics::new(meter),
            boards: Boards::new(options.watchers_max),
            critical: Arc::new(Semaphore::new(CRITICAL_SECTIONS_MAX)),
            sweeping: Arc::new(Semaphore::new(SWEEPS_MAX)),
            events: Events::default(),
            gate,
            vault,
            work,
            daemons,
            options,
        }));
        engine.start_healing(meter);
        metrics::tell_of_boards(meter, &engine.0.boards);
        metrics::tell_of_rebuilds(meter, &engine.0.rebuilds);
        engine
    }

    /// Both stores answer, and it is not so that half of the events have just gone cold.
    pub async fn ready(&self) -> Result<(), Error> {
        let (gate, vault) = tokio::join!(self.answers(Backend::Gate), self.answers(Backend::Vault));
        gate.and(vault)?;
        let events = self.0.events.now();
        match self.0.rebuilds.recent(&events) {
            (cold, Some(event)) if 2 * cold >= events.len() => Err(self.rebuilding(&event)),
            _ => Ok(()),
        }
    }

    /// For tests, which end or pause the process here: a point between two stores that is not the engine's own.
    pub async fn reached(&self, step: Step) {
        self.0.options.steps.reached(step).await;
    }

    /// Whether a store answers at once; metrics say it, too.
    async fn answers(&self, store: Backend) -> Result<(), Error> {
        let up = match store {
            Backend::Gate => {
                let (answer, all) = self.0.gate.ping(limits::PING_WAIT).await;
                self.0.metrics.shards(answer, all);
                // One shard of a cluster that is down must not take the events of the others out of service.
                2 * answer > all
            }
            Backend::Vault => {
                timeout(limits::PING_WAIT, self.0.vault.ping()).await.is_ok_and(|pong| pong.is_ok())
            }
        };
        self.0.metrics.answered(store, up);
        if up { Ok(()) } else { Err(Error::BackendUnavailable(store)) }
    }

    /// Runs a critical section in a task of its own: a caller that hangs up does not cut it in half.
    /// A caller that has waited long enough is told to repeat its call; the section goes on.
    async fn critical<T: Send + 'static>(
        &self,
        name: &'static str,
        section: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.0.critical)
            .try_acquire_owned()
            .map_err(|_| Error::Overloaded("critical sections"))?;
        let trace = Trace::current();
        let task = self.0.work.spawn(name, async move {
            let result = trace.within(section).await;
            drop(permit);
            result
        });
        match timeout(self.0.options.decision_wait, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => {
                tracing::error!(%panicked, name, "a critical section failed");
                Err(Error::Internal)
            }
            Err(_) => Err(Error::BackendUnavailable(Backend::Vault)),
        }
    }

    /// Has the event's gate rebuilt, and tells the caller to come back.
    fn rebuilding(&self, event: &EventId) -> Error {
        self.request_rebuild(event);
        Error::GateRebuilding { event: event.clone(), retry_after: rebuild::RETRY_AFTER }
    }
}
