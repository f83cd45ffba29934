//! The result as one page: nothing is loaded, nothing is run. `maud` escapes all text.

mod meter;
mod scenario;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    facts::Facts,
    number, plot,
    verdict::{Sum, Verdict, count},
};
use crate::bench::outcome::Outcome;

const STYLE: &str = concat!(include_str!("page.css"), include_str!("../plot/plot.css"));

/// The page's text.
pub(super) fn render(facts: &Facts, outcomes: &[Outcome]) -> String {
    let sum = Sum::of(outcomes);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "TicketEngine load test: " (sum.bounds_in_words()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(facts, &sum))
                    (bounds(outcomes))
                    @for outcome in outcomes { (scenario::section(outcome)) }
                    (how(facts))
                }
            }
        }
    }
    .into_string()
}

/// The verdict, and the run in one line.
fn head(facts: &Facts, sum: &Sum) -> Markup {
    let mood = match sum {
        Sum { broken: 1.., .. } => "bad",
        Sum { missed: 1.., .. } => "short",
        _ => "good",
    };
    html! {
        header.(mood) {
            p.eyebrow { "TicketEngine · load test" }
            h1 {
                @if sum.broken > 0 {
                    (count(sum.broken, "promise")) " broken"
                } @else {
                    (sum.bounds_in_words())
                }
            }
            p.lead { (sentence(&sum.audits_in_words())) }
            @if facts.quick {
                p.quick { "A quick run, of short rounds: it shows that all works, and is no measure to compare." }
            }
            p.run {
                (facts.date) " · " (facts.commit) " · "
                (facts.machine.cpu) " · " (count(facts.machine.cpus, "core"))
            }
        }
    }
}

/// Every figure that has to be something, side by side.
fn bounds(outcomes: &[Outcome]) -> Markup {
    let rows = || {
        outcomes
            .iter()
            .flat_map(|outcome| outcome.figures.iter().map(move |figure| (outcome.scenario, figure)))
    };
    html! {
        section.bounds {
            h2 { "What has to hold" }
            table {
                thead {
                    tr {
                        th { "scenario" }
                        th { "figure" }
                        th.number { "measured" }
                        th aria-hidden="true" {}
                        th.number { "bound" }
                        th {}
                    }
                }
                tbody {
                    @for (scenario, figure) in rows() {
                        @if let (Some(bound), Some(verdict)) = (figure.bound, Verdict::of(figure)) {
                            tr {
                                td.scenario { a href={ "#" (scenario) } { (scenario) } }
                                td.figure { (figure.name) }
                                td.number.measured { (number::measured(figure)) }
                                td.meter aria-hidden="true" { (meter::meter(figure.value, bound, verdict)) }
                                td.number.bound { (number::bound(figure)) }
                                td.verdict { (chip(verdict)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How to read the figures, and what is needed to get them again.
fn how(facts: &Facts) -> Markup {
    let machine = &facts.machine;
    let rows = [
        ("began", facts.date.clone()),
        ("took", format!("{} min {:02} s", facts.took_s / 60, facts.took_s % 60)),
        ("commit", facts.commit.clone()),
        ("arguments", facts.arguments.clone()),
        ("processor", format!("{}, {}", machine.cpu, count(machine.cpus, "core"))),
        ("memory", format!("{:.1} GiB", machine.memory_mib as f64 / 1024.0)),
        ("kernel", machine.kernel.clone()),
        ("Redis", facts.redis.clone()),
        ("PostgreSQL", facts.postgres.clone()),
    ];
    html! {
        section.how id="how" {
            h2 { "How it was measured" }
            p {
                "The load generator, the services, Redis and PostgreSQL share the machine's cores. Absolute figures \
                 wander on a shared machine, so what counts is the ratio to a bare ceiling that was measured in the \
                 same run, in turn with it. A figure is the median of its rounds; the spread is their least and most."
            }
            p {
                "Under an open loop calls begin at their intended times, whether or not those before were answered, \
                 and a delay counts from the intended start. After a scenario the auditor compares PostgreSQL and \
                 Redis with each other and with what callers were told."
            }
            dl {
                @for (name, value) in rows {
                    div { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

fn chip(verdict: Verdict) -> Markup {
    let class = match verdict {
        Verdict::Ok => "ok",
        Verdict::Missed => "missed",
    };
    html! { span.chip.(class) { (verdict.word()) } }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
