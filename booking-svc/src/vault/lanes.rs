//! Group commit: decisions that arrive while a commit is under way go together into the next transaction.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use opentelemetry::metrics::{Histogram, Meter};
use telemetry::{
    Trace,
    stores::{Began, Operations},
};
use tokio::{
    select,
    sync::{Mutex, Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Options, Vault,
    decide::{Answer, Failure, Locked, ask},
    pool::Pool,
};
use crate::{
    domain::{Decision, EventId, Outcome, ReservationId, SeatId},
    tasks::Tasks,
};

/// What is recorded of commits.
pub(super) struct Metrics {
    batches: Histogram<u64>,
    operations: Operations,
}

impl Metrics {
    pub(super) fn new(meter: &Meter, operations: Operations) -> Self {
        let batches = meter
            .u64_histogram("ticketengine.commit.decisions")
            .with_boundaries(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
            .with_description("Decisions that went into one commit")
            .build();
        Self { batches, operations }
    }
}

/// Decisions that may wait for a lane.
const DECISIONS_WAITING_MAX: usize = 4_096;
/// Decisions in one transaction.
const DECISIONS_PER_COMMIT_MAX: usize = 64;
/// Decisions that may wait to be run alone.
const ALONE_WAITING_MAX: usize = 1_024;
/// How often a decision is run alone before its caller is told to repeat it.
const ALONE_ATTEMPTS: u32 = 2;

/// Where decisions wait for the lanes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue(mpsc::Sender<Job>);

/// A decision and whoever wants to know. The decision is made whether or not the caller is still there.
struct Job {
    decision: Decision,
    trace: Trace,
    reply: oneshot::Sender<Result<Outcome, Error>>,
}

impl Job {
    fn reply(self, result: Result<Outcome, Error>) {
        // Nobody listens when the caller has gone away.
        let _ = self.reply.send(result);
    }
}

impl Vault {
    /// Decides a reservation, together with others that wait. Returns what is decided: the first decision stands,
    /// whatever was asked later. Once begun it runs to its end, even when the future is dropped.
    ///
    /// A reservation that is decided already answers with its outcome also when `epoch` is stale.
    pub async fn decide(&self, decision: Decision) -> Result<Outcome, Error> {
        if let Some(seat) = decision.seats.iter().find(|seat| i32::try_from(seat.0).is_err()) {
            return Err(Error::SeatNotFound { event: decision.reservation.event, seat });
        }
        let (reply, answer) = oneshot::channel();
        self.decisions.0.try_send(Job { decision, trace: Trace::current(), reply }).map_err(|refused| {
            match refused {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Error::Unavailable("the service is stopping".into()),
            }
        })?;
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the service is stopping".into())))
    }
}

/// Starts the lanes. They end when `daemons` is told to stop, after what is queued by then.
pub(super) fn start(pool: Pool, options: &Options, daemons: &Tasks, metrics: Metrics) -> Queue {
    let (queue, waiting) = mpsc::channel(DECISIONS_WAITING_MAX);
    let lanes = Arc::new(Lanes {
        intake: Mutex::new(Intake { waiting, set_aside: VecDeque::new() }),
        pool,
        metrics,
        patience: options.decide_timeout,
        alone: Semaphore::new(options.alone()),
        alone_waiting: Arc::new(Semaphore::new(ALONE_WAITING_MAX)),
        tasks: daemons.clone(),
    });
    for _ in 0..options.lanes() {
        let lanes = Arc::clone(&lanes);
        daemons.spawn("vault lane", async move {
            let stop = lanes.tasks.stopping();
            while let Some(batch) = lanes.next_batch(&stop).await {
                Lanes::commit(&lanes, batch).await;
            }
        });
    }
    Queue(queue)
}

/// What the lanes share.
struct Lanes {
    intake: Mutex<Intake>,
    pool: Pool,
    metrics: Metrics,
    patience: Duration,
    /// Bounds the connections of decisions that are run alone.
    alone: Semaphore,
    alone_waiting: Arc<Semaphore>,
    tasks: Tasks,
}

struct Intake {
    waiting: mpsc::Receiver<Job>,
    /// Older than what is waiting; they had to stay out of the batch before. At most one batch.
    set_aside: VecDeque<Job>,
}

/// Decisions that can be made together: no two share a seat or a reservation.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    reservations: HashSet<ReservationId>,
    seats: HashSet<(EventId, SeatId)>,
}

impl Batch {
    /// Gives back a job that collides with one of the batch.
    fn admit(&mut self, job: Job) -> Option<Job> {
        let id = &job.decision.reservation;
        let seats = || job.decision.seats.iter().map(|seat| (id.event.clone(), seat));
        if self.reservations.contains(id) || seats().any(|seat| self.seats.contains(&seat)) {
            return Some(job);
        }
        self.reservations.insert(id.clone());
        self.seats.extend(seats());
        self.jobs.push(job);
        None
    }
}

impl Lanes {
    /// Waits for work; takes all that there is, up to a batch. None when the service stops and all is done.
    async fn next_batch(&self, stop: &CancellationToken) -> Option<Vec<Job>> {
        let mut intake = self.intake.lock().await;
        let mut older = std::mem::take(&mut intake.set_aside);
        if older.is_empty() {
            older.push_back(intake.first(stop).await?);
        }
        let mut batch = Batch::default();
        let mut set_aside = VecDeque::new();
        while batch.jobs.len() < DECISIONS_PER_COMMIT_MAX && set_aside.len() < DECISIONS_PER_COMMIT_MAX {
            let Some(job) = older.pop_front().or_else(|| intake.waiting.try_recv().ok()) else { break };
            set_aside.extend(batch.admit(job));
        }
        set_aside.append(&mut older);
        intake.set_aside = set_aside;
        Some(batch.jobs)
    }

    /// Decides a batch. What it could not decide is run alone, so that one that fails or waits for a lock neither
    /// fails its neighbours nor holds up the lane.
    async fn commit(lanes: &Arc<Self>, jobs: Vec<Job>) {
        let decisions: Vec<&Decision> = jobs.iter().map(|job| &job.decision).collect();
        lanes.metrics.batches.record(decisions.len() as u64, &[]);
        let traces = jobs.iter().map(|job| &job.trace);
        match lanes.ask(&decisions, Locked::Skip, traces).await {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    match answer {
                        Answer::Settled(result) => job.reply(result),
                        Answer::Busy => Self::run_alone(lanes, job),
                    }
                }
            }
            Err(Failure::NotSent(error)) => jobs.into_iter().for_each(|job| job.reply(Err(error.clone()))),
            Err(Failure::Unknown(error)) => {
                tracing::warn!(%error, decisions = jobs.len(), "a batch failed; its decisions are run one by one");
                jobs.into_iter().for_each(|job| Self::run_alone(lanes, job));
            }
        }
    }

    fn run_alone(lanes: &Arc<Self>, job: Job) {
        let Ok(place) = Arc::clone(&lanes.alone_waiting).try_acquire_owned() else {
            return job.reply(Err(Error::Unavailable("too many decisions have failed".into())));
        };
        let lanes = Arc::clone(lanes);
        lanes.tasks.clone().spawn("vault decision", async move {
            let result = lanes.decide_alone(&job.decision, &job.trace).await;
            drop(place);
            job.reply(result);
        });
    }

    async fn decide_alone(&self, decision: &Decision, trace: &Trace) -> Result<Outcome, Error> {
        let Ok(Ok(_permit)) = timeout(self.patience, self.alone.acquire()).await else {
            return Err(Error::Unavailable("too many decisions are stuck".into()));
        };
        let mut last = Error::Unavailable("not tried".into());
        for _ in 0..ALONE_ATTEMPTS {
            match self.ask(&[decision], Locked::Wait, [trace]).await {
                Ok(answers) => match answers.into_iter().next() {
                    Some(Answer::Settled(result)) => return result,
                    Some(Answer::Busy) | None => last = Error::Corrupt("busy, though it waited".into()),
                },
                Err(Failure::NotSent(error) | Failure::Unknown(error)) => last = error,
            }
        }
        tracing::warn!(reservation = %decision.reservation, error = %last, "a decision failed");
        Err(last)
    }
}

impl Lanes {
    /// Asks the vault once, on behalf of calls that may be traced.
    async fn ask<'a>(
        &self,
        decisions: &[&Decision],
        locked: Locked,
        traces: impl IntoIterator<Item = &'a Trace>,
    ) -> Result<Vec<Answer>, Failure> {
        let mut connection = self.pool.get().await.map_err(|error| Failure::NotSent(error.into()))?;
        let began = Began::now();
        let answers = ask(&mut connection, self.patience, decisions, locked).await;
        self.metrics.operations.done("decide", began, traces, &answers);
        answers
    }
}

impl Intake {
    async fn first(&mut self, stop: &CancellationToken) -> Option<Job> {
        select! {
            job = self.waiting.recv() => job,
            () = stop.cancelled() => {
                self.waiting.close();
                self.waiting.recv().await
            }
        }
    }
}
