//! The result for programs.

use serde::Serialize;

use super::{
    facts::Facts,
    verdict::{Sum, Verdict},
};
use crate::bench::outcome::{Audited, Figure, Outcome, Plot};

/// Rises when a field changes its name or meaning.
const SCHEMA: u32 = 1;

/// Everything that was measured.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    schema: u32,
    facts: &'a Facts,
    sum: Sum,
    outcomes: Vec<Judged<'a>>,
}

/// An outcome, with verdicts.
#[derive(Serialize)]
struct Judged<'a> {
    scenario: &'a str,
    about: &'a str,
    figures: Vec<JudgedFigure<'a>>,
    plots: &'a [Plot],
    audits: &'a [Audited],
    notes: &'a [String],
}

#[derive(Serialize)]
struct JudgedFigure<'a> {
    #[serde(flatten)]
    figure: &'a Figure,
    verdict: Option<Verdict>,
}

impl<'a> Document<'a> {
    pub(super) fn new(facts: &'a Facts, outcomes: &'a [Outcome]) -> Self {
        let sum = Sum::of(outcomes);
        Self { schema: SCHEMA, facts, sum, outcomes: outcomes.iter().map(judged).collect() }
    }
}

fn judged(outcome: &Outcome) -> Judged<'_> {
    let Outcome { scenario, about, figures, plots, audits, notes } = outcome;
    let figures =
        figures.iter().map(|figure| JudgedFigure { figure, verdict: Verdict::of(figure) }).collect();
    Judged { scenario, about, figures, plots, audits, notes }
}
