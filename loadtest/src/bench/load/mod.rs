//! Load: as much as the system takes (closed), or at a rate of our own whatever the system does (open).

mod closed;
mod open;
mod pace;

pub(crate) use closed::{Slice, Worker, closed};
pub(crate) use open::{IN_FLIGHT_MAX, Open, Opened, open};

use std::{collections::BTreeMap, time::Duration};

use tonic::Code;

/// What came of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What was asked for.
    Granted,
    /// A seat is not free: the answer of the sale, not a failure.
    Refused,
    /// Anything else.
    Failed(Code),
    /// Nothing is left to ask for; no call was made.
    Nothing,
}

/// Answers, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// See [`Answer::Granted`].
    pub(crate) granted: u64,
    /// See [`Answer::Refused`].
    pub(crate) refused: u64,
    /// By code.
    pub(crate) failed: BTreeMap<i32, u64>,
    /// Workers that had nothing left to ask for.
    pub(crate) idle: u64,
}

impl Counts {
    /// Enters an answer.
    pub(crate) fn note(&mut self, answer: Answer) {
        match answer {
            Answer::Granted => self.granted += 1,
            Answer::Refused => self.refused += 1,
            Answer::Failed(code) => *self.failed.entry(code as i32).or_default() += 1,
            Answer::Nothing => self.idle += 1,
        }
    }

    /// Adds those of another worker.
    pub(crate) fn add(&mut self, other: &Self) {
        self.granted += other.granted;
        self.refused += other.refused;
        self.idle += other.idle;
        for (code, count) in &other.failed {
            *self.failed.entry(*code).or_default() += count;
        }
    }

    /// How many answers of a kind; of failures, those with the same code.
    pub(crate) fn of(&self, answer: Answer) -> u64 {
        match answer {
            Answer::Granted => self.granted,
            Answer::Refused => self.refused,
            Answer::Failed(code) => self.failed.get(&(code as i32)).copied().unwrap_or_default(),
            Answer::Nothing => self.idle,
        }
    }

    /// How many calls were made.
    pub(crate) fn answered(&self) -> u64 {
        self.granted + self.refused + self.failures()
    }

    /// How many calls failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The failures in words; none where there are none.
    pub(crate) fn complaint(&self) -> Option<String> {
        let told = |(code, count): (&i32, &u64)| format!("{count} {:?}", Code::from_i32(*code));
        let all: Vec<_> = self.failed.iter().map(told).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

/// So many in so much time.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
