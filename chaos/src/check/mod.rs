//! Whether a history keeps the promises G1 to G7. Pure: no clock, no files.
//!
//! A rule fires only on what no correct system can show: a call that ended Unknown may have had no effect, or have it at any
//! time after it began, and what is promised by a clock is judged by the bounds of that clock.

mod answers;
mod bookings;
mod holds;
mod kafka;
mod life;
mod lives;
mod refusals;
mod search;
mod seats;
mod siege;
#[cfg(test)]
mod tests;
mod watchers;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::history::History;
use lives::Lives;

/// Violations of one check that are told in full; of the others only how many there are.
const TOLD_MAX: usize = 20;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) check: &'static str,
    pub(crate) promise: &'static str,
    /// What was seen, with ids, seats and times in ms.
    pub(crate) what: String,
}

/// What a history is found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// For each check how many things it has judged.
    pub(crate) looked_at: BTreeMap<&'static str, u64>,
}

/// What is checked, and for which promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    name: &'static str,
    promise: &'static str,
}

const fn rule(name: &'static str, promise: &'static str) -> Rule {
    Rule { name, promise }
}

/// Everything that is checked.
const RULES: [Rule; 27] = [
    bookings::SOLD_ONCE,
    bookings::CONFIRMS_KEPT,
    bookings::ASKED_FOR,
    bookings::ALL_OR_NOTHING,
    refusals::REFUSALS_STAND,
    refusals::UNKNOWN_SETTLES,
    answers::SAME_ANSWER,
    holds::NEVER_OVERLAP,
    holds::IN_TIME,
    holds::LIMIT_KEPT,
    holds::FREE_AGAIN,
    holds::RECOVERS,
    words::KNOWN,
    watchers::SEE_ALL,
    watchers::AGREE,
    watchers::CONVERGE,
    watchers::STORES_AGREE,
    seats::LINEARIZABLE,
    seats::UNDECIDED,
    seats::EXPLAINED,
    siege::SOLD_ONCE,
    siege::SAME_ANSWER,
    siege::EPOCH,
    siege::POLITELY,
    siege::UNIQUE,
    kafka::TOLD_ALL,
    kafka::IN_ORDER,
];

/// Judges a history.
pub(crate) fn check(history: &History) -> Verdict {
    let lives = Lives::of(history);
    let mut findings = Findings::default();
    bookings::check(history, &lives, &mut findings);
    refusals::check(history, &lives, &mut findings);
    answers::check(&lives, &mut findings);
    holds::check(history, &lives, &mut findings);
    words::check(history, &mut findings);
    watchers::check(history, &mut findings);
    siege::check(&history.siege, &mut findings);
    kafka::check(history, &mut findings);
    // Last: what the others have found of a seat needs no search.
    seats::check(history, &lives, &mut findings);
    findings.verdict()
}

/// What the checks have found so far.
#[derive(Default)]
struct Findings {
    looked_at: BTreeMap<Rule, u64>,
    found: BTreeMap<Rule, (Vec<String>, usize)>,
    /// Seats of which it is known that somebody had them twice.
    convicted: BTreeSet<u32>,
}

impl Findings {
    fn looked(&mut self, rule: Rule) {
        self.looked_many(rule, 1);
    }

    fn looked_many(&mut self, rule: Rule, count: usize) {
        *self.looked_at.entry(rule).or_default() += count as u64;
    }

    fn found(&mut self, rule: Rule, what: String) {
        let (told, count) = self.found.entry(rule).or_default();
        *count += 1;
        if told.len() < TOLD_MAX {
            told.push(what);
        }
    }

    fn verdict(self) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.looked_at.extend(RULES.map(|rule| (rule.name, 0)));
        verdict.looked_at.extend(self.looked_at.into_iter().map(|(rule, count)| (rule.name, count)));
        for (Rule { name: check, promise }, (mut told, count)) in self.found {
            if count > told.len() {
                told.push(format!("and {} more", count - told.len()));
            }
            verdict.violations.extend(told.into_iter().map(|what| Violation { check, promise, what }));
        }
        verdict
    }
}
