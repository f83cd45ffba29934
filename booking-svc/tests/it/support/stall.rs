//! Stops a replica's work at a step, until it is told to go on.

use std::pin::Pin;

use booking_svc::booking::Step;
use tokio::{sync::watch, time::timeout};

use super::STORE_LIMIT;

/// Whoever reaches the step stands there until [`Self::resume`].
#[derive(Clone)]
pub(crate) struct Stall {
    step: Step,
    /// How many have reached it, and whether they may go on.
    state: watch::Sender<(u32, bool)>,
}

impl Stall {
    pub(crate) fn at(step: Step) -> Self {
        Self { step, state: watch::Sender::new((0, false)) }
    }

    /// For `Settings::with_hook`.
    pub(crate) fn hook(
        &self,
    ) -> impl Fn(Step) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + use<> {
        hook([self.clone()])
    }

    /// Waits until somebody stands there.
    pub(crate) async fn reached(&self) {
        let mut state = self.state.subscribe();
        let reached = timeout(STORE_LIMIT, state.wait_for(|(reached, _)| *reached > 0)).await;
        reached.unwrap_or_else(|_| panic!("nobody reached {:?}", self.step)).unwrap();
    }

    /// Lets everybody go on, now and later.
    pub(crate) fn resume(&self) {
        self.state.send_modify(|(_, open)| *open = true);
    }

    async fn stand(self) {
        self.state.send_modify(|(reached, _)| *reached += 1);
        let _ = self.state.subscribe().wait_for(|(_, open)| *open).await;
    }
}

/// The hook of several stalls.
pub(crate) fn hook<const N: usize>(
    stalls: [Stall; N],
) -> impl Fn(Step) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync {
    move |step| match stalls.iter().find(|stall| stall.step == step) {
        Some(stall) => Box::pin(stall.clone().stand()),
        None => Box::pin(async {}),
    }
}
