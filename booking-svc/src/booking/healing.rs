//! The loops that heal: which events there are, the sweeper's passes, the reconciler's.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::metrics::Meter;
use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, metrics::Swept, reconcile::Drift, sweeper::Agenda};
use crate::{
    domain::{Epoch, EventId},
    gate::Shard,
};

/// Between two looks for events that others have created.
const EVENTS_EVERY: Duration = Duration::from_secs(1);
/// Events in one read of the list.
const EVENTS_PAGE: u32 = 5_000;

/// An event, and the vault's epoch of it when it was listed.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: EventId,
    pub(super) epoch: Epoch,
}

/// The events that this replica heals.
#[derive(Clone, Default)]
pub(super) struct Events(Arc<Mutex<Arc<[Listed]>>>);

impl Events {
    pub(super) fn now(&self) -> Arc<[Listed]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine {
    pub(super) fn start_healing(&self, meter: &Meter) {
        let everything = self.0.daemons.stopping();
        self.every("events", Some(EVENTS_EVERY), &everything, Self::list_events);
        self.start_shards(meter);
    }

    /// Sweeps the events of a shard until it is gone.
    pub(super) fn start_sweeper(&self, shard: &Shard, swept: &Swept, gone: &CancellationToken) {
        let every = self.0.options.sweep_every;
        if every.is_none() {
            return;
        }
        let (agenda, swept, shard) = (Agenda::new(every.unwrap_or_default()), swept.clone(), shard.clone());
        swept.begin(&shard);
        self.every("sweeper", every, gone, move |engine| {
            let (agenda, swept, shard) = (agenda.clone(), swept.clone(), shard.clone());
            async move {
                let began = Instant::now();
                if engine.sweep_all(&shard, &agenda).await {
                    swept.all(&shard, began);
                }
            }
        });
    }

    /// Compares the events of a shard with the vault until it is gone.
    pub(super) fn start_reconciler(&self, shard: &Shard, gone: &CancellationToken) {
        let seen = Arc::new(tokio::sync::Mutex::new(HashMap::<EventId, HashSet<Drift>>::new()));
        let (every, shard) = (self.0.options.reconcile_every, shard.clone());
        self.every("reconciler", every, gone, move |engine| {
            let (seen, shard) = (Arc::clone(&seen), shard.clone());
            async move {
                let (mut seen, mut drifted) = (seen.lock().await, Some(0));
                for event in engine.events_of(&shard).iter() {
                    let before = seen.remove(&event.id).unwrap_or_default();
                    let (found, drift) = engine.reconcile(&event.id, before).await;
                    seen.insert(event.id.clone(), found);
                    drifted = drifted.zip(drift).map(|(all, more)| all + more);
                }
                // What could not be compared says nothing: the pass before stands.
                if let Some(seats) = drifted {
                    engine.0.metrics.drifted(&shard, seats);
                }
            }
        });
    }

    /// Runs `pass` again and again until it is over. Jitter keeps replicas apart.
    fn every<F: Future<Output = ()> + Send>(
        &self,
        name: &'static str,
        pause: Option<Duration>,
        over: &CancellationToken,
        pass: impl Fn(Self) -> F + Send + Sync + 'static,
    ) {
        let Some(pause) = pause else { return };
        let (engine, over) = (self.clone(), over.clone());
        self.0.daemons.spawn(name, async move {
            let passes = async {
                loop {
                    pass(engine.clone()).await;
                    let jitter = rand::rng().random_range(0.8..1.2);
                    tokio::time::sleep(pause.mul_f64(jitter)).await;
                }
            };
            over.run_until_cancelled(passes).await;
        });
    }

    async fn list_events(self) {
        let mut found: Vec<Listed> = Vec::new();
        loop {
            match self.0.vault.epochs(found.last().map(|event| &event.id), EVENTS_PAGE).await {
                Ok(page) => {
                    let last = page.len() < EVENTS_PAGE as usize;
                    found.extend(page.into_iter().map(|(id, epoch)| Listed { id, epoch }));
                    if last {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the list of events could not be read; using the one before");
                    return;
                }
            }
        }
        let found: Arc<[Listed]> = found.into();
        let epoch_max = found.iter().map(|event| event.epoch.0).max().unwrap_or_default();
        self.0.metrics.events(found.len(), epoch_max);
        *self.0.events.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}
