//! What a scenario found: figures with their bounds, plots, and the audits of what it sold.

use serde::Serialize;

/// What one scenario measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// Its name on the command line.
    pub(crate) scenario: &'static str,
    /// What is measured against what, in a sentence.
    pub(crate) about: String,
    /// In the order in which they are shown.
    pub(crate) figures: Vec<Figure>,
    /// For the HTML report.
    pub(crate) plots: Vec<Plot>,
    /// One an event that was used.
    pub(crate) audits: Vec<Audited>,
    /// What a reader has to know to read the figures right.
    pub(crate) notes: Vec<String>,
}

/// One number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// How much.
    pub(crate) value: f64,
    /// Of what, such as `calls/s`, `ms`, `MiB`; empty for a ratio.
    pub(crate) unit: &'static str,
    /// The least and the most of the rounds that `value` is the median of.
    pub(crate) spread: Option<[f64; 2]>,
    /// What it has to be.
    pub(crate) bound: Option<Bound>,
}

impl Outcome {
    /// Of a scenario that could not be measured.
    pub(crate) fn failed(scenario: &'static str, why: &str) -> Self {
        let measured = Figure {
            name: "measured".to_owned(),
            value: 0.0,
            unit: "",
            spread: None,
            bound: Some(Bound::AtLeast(1.0)),
        };
        Self {
            scenario,
            about: format!("It could not be measured: {why}"),
            figures: vec![measured],
            plots: Vec::new(),
            audits: Vec::new(),
            notes: vec![format!("It could not be measured: {why}")],
        }
    }
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
}

impl Bound {
    /// Whether a value keeps it. What is not a number keeps nothing, nor what is a ratio to nothing.
    pub(crate) fn holds(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::AtLeast(least) => value >= least,
                Self::AtMost(most) => value <= most,
            }
    }
}

/// A picture for the HTML report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plot {
    /// What it shows.
    pub(crate) title: String,
    /// Name and unit of the horizontal axis.
    pub(crate) x: Axis,
    /// Name and unit of the vertical axis.
    pub(crate) y: Axis,
    /// Lines through points, or bars at them.
    pub(crate) kind: Kind,
    /// One line, or one colour of bars, each.
    pub(crate) series: Vec<Series>,
}

/// How a plot is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Points that are joined.
    Lines,
    /// A bar at each point.
    Bars,
}

/// An axis of a plot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Axis {
    /// Such as `latency (ms)`.
    pub(crate) label: String,
    /// Logarithmic. For percentiles, x is 1 / (1 - quantile), so that p50, p90, p99, p99.9 stand evenly.
    pub(crate) log: bool,
}

/// Points that belong together.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub(crate) name: String,
    /// x and y, ascending in x.
    pub(crate) points: Vec<[f64; 2]>,
}

/// What the auditor found in an event after a scenario.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Audited {
    /// Which event.
    pub(crate) event: String,
    /// How many promises were looked at.
    pub(crate) promises: usize,
    /// Those that are broken, each with how often.
    pub(crate) broken: Vec<String>,
}
