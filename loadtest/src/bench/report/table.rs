//! The result for the terminal.

use std::fmt::Write;

use comfy_table::CellAlignment;

use super::{
    number,
    verdict::{Sum, Verdict},
};
use crate::{bench::outcome::Outcome, report};

const HEADER: [&str; 6] = ["scenario", "figure", "measured", "spread", "bound", "verdict"];

/// Columns that hold no numbers.
const WORDS: [&str; 3] = ["scenario", "figure", "verdict"];

/// Each figure with its bound, then what they come to, then the audits.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let rows: Vec<Vec<String>> = outcomes.iter().flat_map(rows).collect();
    let mut table = report::table(&HEADER, &rows);
    for (column, _) in table.column_iter_mut().zip(HEADER).filter(|(_, name)| WORDS.contains(name)) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    let sum = Sum::of(outcomes);
    let mut text = format!("{table}\n\n{}. Audits: {}.", sum.bounds_in_words(), sum.audits_in_words());
    for outcome in outcomes {
        for audited in &outcome.audits {
            for broken in &audited.broken {
                // Writing to a string does not fail.
                let _ = write!(text, "\nVIOLATED in {}, event {}: {broken}", outcome.scenario, audited.event);
            }
        }
    }
    text
}

/// The scenario's name stands at its first figure.
fn rows(outcome: &Outcome) -> impl Iterator<Item = Vec<String>> {
    outcome.figures.iter().enumerate().map(|(at, figure)| {
        let scenario = if at == 0 { outcome.scenario } else { "" };
        let verdict = Verdict::of(figure).map_or("", Verdict::word);
        vec![
            scenario.to_owned(),
            figure.name.clone(),
            number::measured(figure),
            number::spread(figure),
            number::bound(figure),
            verdict.to_owned(),
        ]
    })
}
