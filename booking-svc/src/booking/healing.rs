//! The loops that heal: which events there are, the sweeper's passes, the reconciler's.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use rand::Rng;

use super::{Engine, reconcile::Drift};
use crate::domain::EventId;

/// Between two looks for events that others have created.
const EVENTS_EVERY: Duration = Duration::from_secs(1);
/// Events in one read of the list.
const EVENTS_PAGE: u32 = 500;
/// Events swept at once.
const SWEEPS_AT_ONCE: usize = 16;

/// The events that this replica heals.
type Events = Arc<Mutex<Arc<[EventId]>>>;

impl Engine {
    pub(super) fn start_healing(&self) {
        let events = Events::default();
        let options = &self.0.options;
        self.every("events", Some(EVENTS_EVERY), &events, Self::list_events);
        self.every("sweeper", options.sweep_every, &events, |engine, events| async move {
            let sweeps = stream::iter(now(&events).iter().cloned().collect::<Vec<_>>());
            sweeps
                .for_each_concurrent(SWEEPS_AT_ONCE, |event| {
                    let engine = engine.clone();
                    async move { engine.sweep(&event).await }
                })
                .await;
        });
        let seen = Arc::new(tokio::sync::Mutex::new(HashMap::<EventId, HashSet<Drift>>::new()));
        self.every("reconciler", options.reconcile_every, &events, move |engine, events| {
            let seen = Arc::clone(&seen);
            async move {
                let mut seen = seen.lock().await;
                for event in now(&events).iter() {
                    let before = seen.remove(event).unwrap_or_default();
                    seen.insert(event.clone(), engine.reconcile(event, before).await);
                }
            }
        });
    }

    /// Runs `pass` again and again until the replica stops. Jitter keeps replicas apart.
    fn every<F: Future<Output = ()> + Send>(
        &self,
        name: &'static str,
        pause: Option<Duration>,
        events: &Events,
        pass: impl Fn(Self, Events) -> F + Send + Sync + 'static,
    ) {
        let Some(pause) = pause else { return };
        let (engine, events) = (self.clone(), Arc::clone(events));
        self.0.daemons.spawn(name, async move {
            let stopping = engine.0.daemons.stopping();
            let passes = async {
                loop {
                    pass(engine.clone(), Arc::clone(&events)).await;
                    let jitter = rand::rng().random_range(0.8..1.2);
                    tokio::time::sleep(pause.mul_f64(jitter)).await;
                }
            };
            stopping.run_until_cancelled(passes).await;
        });
    }

    async fn list_events(self, events: Events) {
        let mut found: Vec<EventId> = Vec::new();
        loop {
            match self.0.vault.events(found.last(), EVENTS_PAGE).await {
                Ok(page) => {
                    let last = page.len() < EVENTS_PAGE as usize;
                    found.extend(page.into_iter().map(|event| event.id));
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
        *events.lock().unwrap_or_else(PoisonError::into_inner) = found.into();
    }
}

fn now(events: &Events) -> Arc<[EventId]> {
    Arc::clone(&events.lock().unwrap_or_else(PoisonError::into_inner))
}
