//! Calls of one script about one event go together: those that come while one run is under way wait for the next.
//!
//! A run costs both sides more than a call in it, and what the calls change is written at once.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{
    Error, Gate,
    script::{Reply, Script},
};
use crate::domain::{Epoch, EventId};

/// Calls in one run: about a millisecond of Redis, which nobody else gets meanwhile.
const CALLS_PER_RUN_MAX: usize = 64;
/// Calls of one script that may wait for a run about their event.
const CALLS_WAITING_MAX: usize = 8_192;

type Answer = Result<(Epoch, Reply), Error>;

/// The groups of one script. Cheap to clone.
#[derive(Clone)]
pub(super) struct Groups {
    script: &'static Script,
    /// The events that a run is under way for, and who waits for the next.
    waiting: Arc<Mutex<HashMap<EventId, VecDeque<Job>>>>,
}

/// A call, and whoever wants to know. It is made whether or not the caller is still there.
struct Job {
    args: Vec<String>,
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
        Self { script, waiting: Arc::default() }
    }

    /// Runs a call together with others that wait.
    pub(super) async fn run(&self, gate: &Gate, event: &EventId, args: Vec<String>) -> Answer {
        let (sender, answer) = oneshot::channel();
        if let Some(first) = self.join(event, Job { args, answer: sender })? {
            let (groups, gate, event) = (self.clone(), gate.clone(), event.clone());
            gate.tasks.clone().spawn("gate run", async move { groups.drive(&gate, event, first).await });
        }
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the run of a script was given up".into())))
    }

    /// Waits for the run under way; gives the job back where there is none.
    fn join(&self, event: &EventId, job: Job) -> Result<Option<Job>, Error> {
        match self.lock().entry(event.clone()) {
            Entry::Vacant(place) => {
                place.insert(VecDeque::new());
                Ok(Some(job))
            }
            Entry::Occupied(queue) if queue.get().len() >= CALLS_WAITING_MAX => {
                Err(Error::Unavailable("too many calls wait for redis".into()))
            }
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(job);
                Ok(None)
            }
        }
    }

    async fn drive(&self, gate: &Gate, event: EventId, first: Job) {
        let under_way = UnderWay { groups: self, event: &event };
        let mut jobs = vec![first];
        while !jobs.is_empty() {
            if let Err(error) = gate.run_group(self.script, &event, jobs).await {
                // They would wait as long for the same; nothing of theirs was sent.
                under_way.leave(&error);
            }
            jobs = under_way.next();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, VecDeque<Job>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one run of an event. Dropped early, by a panic, it lets those who wait go.
struct UnderWay<'a> {
    groups: &'a Groups,
    event: &'a EventId,
}

impl UnderWay<'_> {
    /// The next group; none, and the run is over.
    fn next(&self) -> Vec<Job> {
        let mut waiting = self.groups.lock();
        let Some(queue) = waiting.get_mut(self.event) else { return Vec::new() };
        if queue.is_empty() {
            waiting.remove(self.event);
            return Vec::new();
        }
        let most = queue.len().min(CALLS_PER_RUN_MAX);
        queue.drain(..most).collect()
    }

    fn leave(&self, error: &Error) {
        let left = self.groups.lock().get_mut(self.event).map(std::mem::take);
        left.into_iter().flatten().for_each(|job| job.answer(Err(error.clone())));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.groups.lock().remove(self.event);
    }
}

impl Gate {
    /// Answers each job. An error has been told to all of them.
    async fn run_group(&self, script: &'static Script, event: &EventId, jobs: Vec<Job>) -> Result<(), Error> {
        let args: Vec<&str> = jobs.iter().flat_map(|job| &job.args).map(String::as_str).collect();
        let replies = self.run(script, event, &args).await;
        match replies {
            Ok((epoch, mut replies)) => {
                for job in jobs {
                    let answer = replies.nested().and_then(|reply| self.accept(event, reply));
                    job.answer(answer.map(|reply| (epoch, reply)));
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
            _ => Ok(reply),
        }
    }
}
