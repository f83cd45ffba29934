//! Calls of one script about one event go together: those that come while runs are under way wait for the next.
//!
//! A run costs both sides more than a call in it, and what the calls change is written at once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use telemetry::{Trace, stores::Began};

use super::{
    Error, Gate, Place,
    script::{Reply, Script},
};
use crate::domain::EventId;

/// Calls in one run: about a millisecond of Redis, which nobody else gets meanwhile.
const CALLS_PER_RUN_MAX: usize = 64;
/// Runs of one script for one event at once: while Redis does one, the answers of the other are worked on.
const RUNS_AT_ONCE: usize = 2;
/// So many runs in a row may fail for want of an answer before those who wait are told: one connection can break.
const SILENT_RUNS_MAX: u32 = 1;
/// Calls of one script that may wait for a run about their event.
const CALLS_WAITING_MAX: usize = 8_192;

type Answer = Result<(Place, Reply), Error>;

/// The groups of one script. Cheap to clone.
#[derive(Clone)]
pub(super) struct Groups {
    script: &'static Script,
    /// The events that runs are under way for.
    events: Arc<Mutex<HashMap<EventId, Line>>>,
}

/// How many runs of an event are under way, and who waits for the next.
#[derive(Default)]
struct Line {
    runs: usize,
    waiting: VecDeque<Job>,
}

/// A call, and whoever wants to know. It is made whether or not the caller is still there.
struct Job {
    args: Vec<String>,
    trace: Trace,
    answer: oneshot::Sender<Answer>,
}

impl Job {
    fn answer(self, answer: Answer) {
        // Nobody listens when the caller has gone away.
        let _ = self.answer.send(answer);
    }
}

impl Groups {
    pub(super) fn of(script: &'static Script) -> Self {
        Self { script, events: Arc::default() }
    }

    /// Runs a call together with others that wait.
    pub(super) async fn run(&self, gate: &Gate, event: &EventId, args: Vec<String>) -> Answer {
        let (sender, answer) = oneshot::channel();
        if let Some(first) = self.join(event, Job { args, trace: Trace::current(), answer: sender })? {
            let (groups, gate, event) = (self.clone(), gate.clone(), event.clone());
            gate.tasks.clone().spawn("gate run", async move { groups.drive(&gate, event, first).await });
        }
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the run of a script was given up".into())))
    }

    /// Waits for the next run; gives the job back where one can begin at once.
    fn join(&self, event: &EventId, job: Job) -> Result<Option<Job>, Error> {
        let mut events = self.lock();
        let line = events.entry(event.clone()).or_default();
        if line.runs < RUNS_AT_ONCE {
            line.runs += 1;
            return Ok(Some(job));
        }
        if line.waiting.len() >= CALLS_WAITING_MAX {
            return Err(Error::Unavailable("too many calls wait for redis".into()));
        }
        line.waiting.push_back(job);
        Ok(None)
    }

    async fn drive(&self, gate: &Gate, event: EventId, first: Job) {
        let mut run = Run { groups: self, event: &event, over: false };
        let (mut jobs, mut silent) = (vec![first], 0);
        while !jobs.is_empty() {
            match gate.run_group(self.script, &event, jobs).await {
                // They would wait as long for the same; nothing of theirs was sent.
                Err(error @ (Error::Unavailable(_) | Error::Moved(_))) if silent == SILENT_RUNS_MAX => {
                    run.leave(&error);
                }
                Err(Error::Unavailable(_) | Error::Moved(_)) => silent += 1,
                Err(_) | Ok(()) => silent = 0,
            }
            jobs = run.next();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Line>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the runs of an event.
struct Run<'a> {
    groups: &'a Groups,
    event: &'a EventId,
    over: bool,
}

impl Run<'_> {
    /// The next group. When nobody waits the run is over, in the same step: nobody can begin to wait for it.
    fn next(&mut self) -> Vec<Job> {
        let mut events = self.groups.lock();
        let Some(line) = events.get_mut(self.event) else { return Vec::new() };
        if line.waiting.is_empty() {
            self.over = true;
            end_run(&mut events, self.event);
            return Vec::new();
        }
        let most = line.waiting.len().min(CALLS_PER_RUN_MAX);
        line.waiting.drain(..most).collect()
    }

    fn leave(&self, error: &Error) {
        let left = self.groups.lock().get_mut(self.event).map(|line| std::mem::take(&mut line.waiting));
        left.into_iter().flatten().for_each(|job| job.answer(Err(error.clone())));
    }
}

impl Drop for Run<'_> {
    /// Ended early, by a panic, the last run lets those who wait go: they hear that it was given up.
    fn drop(&mut self) {
        if !self.over {
            end_run(&mut self.groups.lock(), self.event);
        }
    }
}

fn end_run(events: &mut HashMap<EventId, Line>, event: &EventId) {
    let Some(line) = events.get_mut(event) else { return };
    line.runs -= 1;
    if line.runs == 0 {
        events.remove(event);
    }
}

impl Gate {
    /// Answers each job. An error has been told to all of them.
    async fn run_group(&self, script: &'static Script, event: &EventId, jobs: Vec<Job>) -> Result<(), Error> {
        let args: Vec<&str> = jobs.iter().flat_map(|job| &job.args).map(String::as_str).collect();
        let began = Began::now();
        let replies = self.run(script, event, &args).await;
        self.operations.spans(script.name, began, jobs.iter().map(|job| &job.trace), &replies);
        match replies {
            Ok((place, mut replies)) => {
                for job in jobs {
                    let answer = replies.nested().and_then(|reply| self.accept(event, reply));
                    job.answer(answer.map(|reply| (place.clone(), reply)));
                }
                Ok(())
            }
            Err(error) => {
                jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
                Err(error)
            }
        }
    }

    /// One call's reply, unless it failed alone.
    fn accept(&self, event: &EventId, mut reply: Reply) -> Result<Reply, Error> {
        match reply.word() {
            "COLD" => {
                self.learn(event, None);
                Err(Error::Cold(reply.text()?))
            }
            "ERROR" => Err(Error::Corrupt(reply.text()?)),
            "UNWRITABLE" => Err(Error::Unavailable(reply.text()?)),
            _ => Ok(reply),
        }
    }
}
