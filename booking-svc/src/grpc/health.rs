use std::time::Duration;

use ticketengine::v1::{
    booking_service_server::SERVICE_NAME as BOOKING_SERVICE,
    event_service_server::SERVICE_NAME as EVENT_SERVICE,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

use crate::{
    booking::Error,
    limits::{READY_EVERY, READY_WAIT},
};

/// The process as a whole, and each service.
const NAMES: [&str; 3] = ["", BOOKING_SERVICE, EVENT_SERVICE];

/// What the health service says.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// Not serving until [`Self::follow`] has seen that the stores answer: tonic-health begins with serving.
    pub(super) async fn new(reporter: HealthReporter) -> Self {
        let health = Self { reporter };
        health.set(ServingStatus::NotServing).await;
        health
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Says what `ready` says, every [`READY_EVERY`], until told to stop. Then it is not serving, for good.
    pub(super) async fn follow<R: Future<Output = Result<(), Error>>>(
        self,
        ready: impl Fn() -> R,
        stop: CancellationToken,
    ) {
        let mut looks = interval(READY_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut serving = false;
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let answer = match stop.run_until_cancelled(timeout(READY_WAIT, ready())).await {
                Some(Ok(Ok(()))) => Ok(()),
                Some(Ok(Err(error))) => Err(error.to_string()),
                Some(Err(_)) => Err(format!("the stores did not answer within {} ms", ms(READY_WAIT))),
                None => break,
            };
            if answer.is_ok() == serving {
                continue;
            }
            serving = answer.is_ok();
            match answer {
                Ok(()) => info!("serving"),
                Err(why) => warn!(why, "not serving"),
            }
            self.set(if serving { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        }
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of watchers, which have heard that we are not serving: they would keep their connections open.
    pub(super) async fn end_watches(mut self) {
        for name in NAMES {
            self.reporter.clear_service_status(name).await;
        }
    }
}

fn ms(length: Duration) -> u128 {
    length.as_millis()
}
