//! What is going on, on standard error: a bar on a terminal, else a line a step.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Error;

/// Between two drawings while nothing changes.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// How far the scenarios are.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// So many scenarios are to come.
    pub(crate) fn new(scenarios: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed:>4} [{bar:24}] {pos}/{len} {prefix}: {msg}");
            let bar = ProgressBar::new(scenarios as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(DRAW_EVERY);
            bar
        });
        Self { bar }
    }

    /// Another scenario begins.
    pub(crate) fn begin(&self, scenario: &'static str) {
        match &self.bar {
            Some(bar) => bar.set_prefix(scenario),
            None => self.step(scenario),
        }
    }

    /// What it does now.
    pub(crate) fn step(&self, what: impl Into<String>) {
        match &self.bar {
            Some(bar) => bar.set_message(what.into()),
            // Nobody looks any more when this fails.
            None => drop(writeln!(io::stderr(), "  {}", what.into())),
        }
    }

    /// The scenario could not be done.
    pub(crate) fn complain(&self, scenario: &'static str, why: &Error) {
        let line = format!("{scenario}: {why}");
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.step(line),
        }
    }

    /// The scenario is over.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
