//! One scenario: what it is, its figures and plots, what to know, what the audit found.

use maud::{Markup, html};

use super::{chip, number, plot};
use crate::bench::{
    outcome::{Figure, Outcome},
    report::verdict::{Sum, Verdict},
};

/// A scenario's part of the page.
pub(super) fn section(outcome: &Outcome) -> Markup {
    html! {
        section.scenario id=(outcome.scenario) {
            h2 { (outcome.scenario) }
            p.about { (outcome.about) }
            div.parts {
                div.found {
                    (figures(&outcome.figures))
                    (remarks(outcome))
                }
                @for drawn in &outcome.plots { (plot::figure(drawn)) }
            }
        }
    }
}

fn figures(figures: &[Figure]) -> Markup {
    html! {
        table.figures {
            tbody {
                @for figure in figures {
                    tr {
                        th scope="row" {
                            (figure.name)
                            @if figure.bound.is_some() { small { (number::bound(figure)) } }
                        }
                        td.number { (number::measured(figure)) }
                        td.spread { (number::spread(figure)) }
                        td.verdict { @if let Some(verdict) = Verdict::of(figure) { (chip(verdict)) } }
                    }
                }
            }
        }
    }
}

fn remarks(outcome: &Outcome) -> Markup {
    let sum = Sum::of(std::slice::from_ref(outcome));
    html! {
        div.remarks {
            @if !outcome.notes.is_empty() {
                ul { @for note in &outcome.notes { li { (note) } } }
            }
            details.audit open[sum.broken > 0] {
                summary.bad[sum.broken > 0] { "Audit: " (sum.audits_in_words()) }
                ul {
                    @for audited in &outcome.audits {
                        li {
                            (audited.event)
                            @for broken in &audited.broken { p.broken { (broken) } }
                        }
                    }
                }
            }
        }
    }
}
