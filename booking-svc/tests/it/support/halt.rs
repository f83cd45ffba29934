//! A replica whose Confirms stop half-way until the test lets them go on.

use std::{pin::Pin, sync::Arc};

use booking_svc::booking::Step;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    STORE_LIMIT,
    world::{Replica, Settings},
};

/// Where Confirms stop: begun in the gate, the vault not asked.
#[derive(Clone)]
pub(crate) struct Halt {
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Halt {
    /// A replica whose Confirms stop there, and whose callers wait for them.
    pub(crate) async fn replica(mut settings: Settings) -> (Replica, Self) {
        let halt = Self { begun: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) };
        let hook = halt.clone();
        settings.engine.decision_wait = STORE_LIMIT;
        let hook = move |step| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let Self { begun, go } = hook.clone();
            Box::pin(async move {
                if step == Step::ConfirmBegun {
                    begun.add_permits(1);
                    go.acquire().await.unwrap().forget();
                }
            })
        };
        (Replica::start(settings.with_hook(hook)).await, halt)
    }

    /// Waits until a Confirm stands there.
    pub(crate) async fn begun(&self) {
        timeout(STORE_LIMIT, self.begun.acquire()).await.unwrap().unwrap().forget();
    }

    /// Lets one Confirm go on.
    pub(crate) fn go(&self) {
        self.go.add_permits(1);
    }
}
