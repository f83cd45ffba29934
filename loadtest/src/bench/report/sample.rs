//! A run as it could have been, with something of everything.

use super::{Facts, Machine};
use crate::bench::outcome::{Audited, Axis, Bound, Figure, Kind, Outcome, Plot, Series};

/// What must never reach a page as it is.
pub(super) const NASTY: &str = r#"<script>alert("1")</script> & 'more' ]]>"#;

pub(super) fn facts() -> Facts {
    Facts {
        date: "2026-11-23 18:30 UTC".to_owned(),
        took_s: 427,
        commit: "7c8c896".to_owned(),
        machine: Machine {
            cpu: "Some(R) Processor @ 2.60GHz".to_owned(),
            cpus: 2,
            memory_mib: 24_100,
            kernel: "6.1.0-38-amd64".to_owned(),
        },
        redis: "7.0.15".to_owned(),
        postgres: "15.14".to_owned(),
        arguments: "reject latency growth".to_owned(),
        quick: true,
    }
}

pub(super) fn outcomes() -> Vec<Outcome> {
    vec![reject(), latency(), growth()]
}

fn figure(name: &str, value: f64, unit: &'static str, bound: Option<Bound>) -> Figure {
    Figure { name: name.to_owned(), value, unit, spread: Some([value * 0.96, value * 1.05]), bound }
}

fn series(name: &str, points: Vec<[f64; 2]>) -> Series {
    Series { name: name.to_owned(), points }
}

fn axis(label: &str, log: bool) -> Axis {
    Axis { label: label.to_owned(), log }
}

fn plot(title: &str, x: Axis, y: Axis, kind: Kind, series: Vec<Series>) -> Plot {
    Plot { title: title.to_owned(), x, y, kind, series }
}

fn audited(event: &str) -> Audited {
    Audited { event: event.to_owned(), promises: 9, broken: Vec::new() }
}

fn reject() -> Outcome {
    let rounds = |rates: [f64; 4]| (1..).map(f64::from).zip(rates).map(|(x, y)| [x, y]).collect();
    let bars = vec![
        series("bare server", rounds([92_113.0, 90_450.0, 93_870.0, 91_020.0])),
        series("TicketEngine", rounds([71_830.0, 70_222.0, 74_030.0, 70_900.0])),
    ];
    Outcome {
        scenario: "reject",
        about: "Many customers want 100 hot seats that are all taken, against a bare tonic server that answers the \
                same message with the same kind of error."
            .to_owned(),
        figures: vec![
            figure("rate", 71_831.4, "/s", None),
            figure("bare server", 92_113.2, "/s", None),
            figure("rate, of the bare server's", 0.779_8, "", Some(Bound::AtLeast(0.75))),
            figure("answered by level 0", 99.2, "%", None),
        ],
        plots: vec![plot("Refusals a second", axis("round", false), axis("calls/s", false), Kind::Bars, bars)],
        audits: vec![audited("bench-reject-1"), audited("bench-reject-2")],
        notes: vec![
            "64 connections, 1,024 calls in flight.".to_owned(),
            "Without level 0 the rate is 0.55 of the bare server's.".to_owned(),
        ],
    }
}

fn latency() -> Outcome {
    let curve = |base: f64, rise: f64| {
        let xs = (0..240).map(|at| 10_f64.powf(f64::from(at) / 60.0));
        xs.map(|x| [x, base + rise * x.powf(0.42)]).collect()
    };
    let lines = vec![series("refused", curve(0.25, 0.22)), series("won", curve(0.6, 0.5))];
    let time = (0..60).map(|at| [f64::from(at), 10_000.0 + 120.0 * (f64::from(at) * 0.9).sin()]).collect();
    let plots = vec![
        plot(
            "Latency by percentile",
            axis("percentile", true),
            axis("latency (ms)", true),
            Kind::Lines,
            lines,
        ),
        plot(
            "Calls begun",
            axis("time (s)", false),
            axis("calls/s", false),
            Kind::Lines,
            vec![series("all", time)],
        ),
    ];
    Outcome {
        scenario: "latency",
        about: "An open loop of 10,000 Reserves a second, of which 99% are doomed; from the intended start to the \
                answer."
            .to_owned(),
        figures: vec![
            figure("p50", 0.412, "ms", None),
            figure("p95", 2.313, "ms", Some(Bound::AtMost(3.0))),
            figure("p99", 8.004, "ms", Some(Bound::AtMost(8.0))),
            figure("p99.9", 14.31, "ms", None),
            figure("calls that were late to begin", 12.0, "calls", None),
        ],
        plots,
        audits: vec![audited("bench-latency")],
        notes: Vec::new(),
    }
}

fn growth() -> Outcome {
    let seats = [100.0, 10_000.0, 100_000.0];
    let costs = |costs: [f64; 3]| seats.into_iter().zip(costs).map(|(x, y)| [x, y]).collect();
    let lines = vec![
        series("reject, 1 event", costs([11.2, 11.3, 11.4])),
        series("reject, 1,000 events", costs([11.4, 11.5, 11.9])),
        series("win, 1 event", costs([24.0, 24.6, 26.1])),
    ];
    let mut broken = audited(NASTY);
    broken.broken.push(format!("a seat has at most one active booking: 2 times {NASTY}"));
    Outcome {
        scenario: "growth",
        about: format!("What a call costs in houses of three sizes. {NASTY}"),
        figures: vec![figure(
            &format!("reject at 100,000 seats and 1,000 events, of 100 and one {NASTY}"),
            1.06,
            "",
            Some(Bound::AtMost(1.1)),
        )],
        plots: vec![plot(
            &format!("Processor time a call {NASTY}"),
            axis("seats", true),
            axis("time (µs)", false),
            Kind::Lines,
            lines,
        )],
        audits: vec![broken],
        notes: vec![NASTY.to_owned()],
    }
}
