//! The real binary, ended at a step, or without a guard.

use std::process::{Command, Stdio};

use booking_svc::booking::Step;
use testkit::token::{JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET, TOKEN_SECRET};
use ticketengine::v1::ListEventsRequest;

use super::{
    STORE_LIMIT,
    ports::Port,
    process::Process,
    wait_until,
    world::{Replica, World},
};

/// A process of the service that aborts at a step. Its replica is how it is called.
pub(crate) struct Doomed {
    pub(crate) replica: Replica,
    process: Process,
    _port: Port,
}

impl Doomed {
    /// Starts it: its confirm window is a second, and it sweeps only where that is how it is to end.
    pub(crate) async fn start(world: &World, end: Step) -> Self {
        let sweeps =
            matches!(end, Step::SweepFound | Step::SweepDecided | Step::RebuildRaised | Step::RebuildRead);
        let doomed = Self::spawn(world, &[("TE_ABORT_AT", &format!("{end:?}"))], sweeps);
        // One that is to end by itself may do so before it answers anybody.
        if !sweeps {
            doomed.answers().await;
        }
        doomed
    }

    /// Starts one that sweeps, without a guard.
    #[cfg(feature = "mutants")]
    pub(crate) async fn without(world: &World, guard: &str) -> Self {
        let mutant = Self::spawn(world, &[("TE_MUTANT", guard)], true);
        mutant.answers().await;
        mutant
    }

    /// Starts one that tells Kafka of bookings.
    #[cfg(feature = "kafka")]
    pub(crate) fn relay(world: &World, brokers: &str, end: Option<Step>) -> Self {
        let end = end.map_or_else(String::new, |end| format!("{end:?}"));
        Self::spawn(world, &[("TE_KAFKA_BROKERS", brokers), ("TE_ABORT_AT", &end)], false)
    }

    /// Starts one that tells of seats, too.
    #[cfg(feature = "kafka")]
    pub(crate) fn relay_of_seats(world: &World, brokers: &str, topic: &str) -> Self {
        Self::spawn(world, &[("TE_KAFKA_BROKERS", brokers), ("TE_KAFKA_SEATS_TOPIC", topic)], false)
    }

    fn spawn(world: &World, settings: &[(&str, &str)], sweeps: bool) -> Self {
        let port = Port::take();
        let process = Process::spawn(
            Command::new(env!("CARGO_BIN_EXE_booking-svc"))
                .arg("serve")
                .envs(settings.iter().copied())
                .env("TE_LISTEN", port.address().to_string())
                .env("TE_REDIS_URL", world.redis.url())
                .env("TE_DATABASE_URL", world.database.url())
                .env("TE_DATABASE_CONNECTIONS", "8")
                .env("TE_TOKEN_SECRET", TOKEN_SECRET)
                .env("TE_JWT_SECRET", JWT_SECRET)
                .env("TE_JWT_ISSUER", JWT_ISSUER)
                .env("TE_JWT_AUDIENCE", JWT_AUDIENCE)
                .env("TE_DECISION_WAIT", "800ms")
                .env("TE_CONFIRM_WINDOW", "1s")
                .env("TE_SWEEP_EVERY", if sweeps { "100ms" } else { "0s" })
                .env("TE_RECONCILE_EVERY", "0s")
                .env("TE_LOG", "off")
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        Self { replica: Replica::elsewhere(port.address()), process, _port: port }
    }

    async fn answers(&self) {
        wait_until("the process answers", STORE_LIMIT, async || {
            self.replica.events().list_events(ListEventsRequest::default()).await.is_ok()
        })
        .await;
    }

    /// SIGKILL, as kill -9 does it.
    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }

    /// SIGSTOP: connections stay, nothing answers.
    #[cfg(feature = "kafka")]
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Ends [`Self::pause`].
    #[cfg(feature = "kafka")]
    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// The memory that it has, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.process.resident_kib()
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) {
        wait_until("the process has aborted", STORE_LIMIT, async || !self.process.runs()).await;
    }
}
