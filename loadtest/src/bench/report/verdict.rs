//! Whether figures keep their bounds and audits found nothing.

use serde::Serialize;

use crate::bench::outcome::{Figure, Outcome};

/// Whether a figure keeps its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It does.
    Ok,
    /// It does not.
    Missed,
}

impl Verdict {
    /// Of one figure; none where there is no bound.
    pub(super) fn of(figure: &Figure) -> Option<Self> {
        figure.bound.map(|bound| if bound.holds(figure.value) { Self::Ok } else { Self::Missed })
    }

    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Missed => "MISSED",
        }
    }
}

/// What figures and audits come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sum {
    /// Figures that keep their bounds.
    pub(crate) ok: usize,
    /// Figures that do not.
    pub(crate) missed: usize,
    /// Events that were audited.
    pub(crate) audits: usize,
    /// Promises that the audits looked at.
    pub(crate) promises: usize,
    /// Promises that are broken.
    pub(crate) broken: usize,
}

impl Sum {
    /// Of some scenarios.
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let mut sum = Self::default();
        for outcome in outcomes {
            for verdict in outcome.figures.iter().filter_map(Verdict::of) {
                match verdict {
                    Verdict::Ok => sum.ok += 1,
                    Verdict::Missed => sum.missed += 1,
                }
            }
            for audited in &outcome.audits {
                sum.audits += 1;
                sum.promises += audited.promises;
                sum.broken += audited.broken.len();
            }
        }
        sum
    }

    /// How many figures have a bound.
    pub(super) fn bounds(&self) -> usize {
        self.ok + self.missed
    }

    /// The bounds in a sentence.
    pub(super) fn bounds_in_words(&self) -> String {
        match (self.ok, self.missed) {
            (0, 0) => "No figure has a bound".to_owned(),
            (1, 0) => "The bound holds".to_owned(),
            (ok, 0) => format!("All {ok} bounds hold"),
            (0, 1) => "The bound is missed".to_owned(),
            (ok, _) => format!("{ok} of {} bounds hold", self.bounds()),
        }
    }

    /// The audits in a sentence.
    pub(super) fn audits_in_words(&self) -> String {
        let seen = format!("{} audited, {}", count(self.audits, "event"), count(self.promises, "promise"));
        match (self.audits, self.broken) {
            (0, _) => "nothing was sold, so nothing was audited".to_owned(),
            (_, 0) => format!("{seen}, all kept"),
            (_, broken) => format!("{seen}, {broken} BROKEN"),
        }
    }
}

/// A number of things.
pub(super) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
