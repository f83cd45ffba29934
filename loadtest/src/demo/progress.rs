//! What is going on, on standard error: a bar on a terminal, else a line now and then.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;

use super::{
    sale::Sale,
    tally::{Counts, Rpc},
};

/// Between two drawings of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows how far the sale is until it is dropped.
pub(super) async fn show(sale: Arc<Sale>, customers: u32) {
    if io::stderr().is_terminal() {
        draw_bar(&sale, customers).await;
    } else {
        write_lines(&sale, customers).await;
    }
}

async fn draw_bar(sale: &Sale, customers: u32) {
    let style = ProgressStyle::with_template("{elapsed:>4} [{bar:32}] {pos}/{len} customers done  {msg}");
    let bar =
        ProgressBar::new(customers.into()).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut ticks = interval(DRAW_EVERY);
    loop {
        ticks.tick().await;
        let counts = sale.tally.counts();
        bar.set_position(counts.done);
        bar.set_message(Line(&counts).to_string());
    }
}

async fn write_lines(sale: &Sale, customers: u32) {
    let mut ticks = interval(LINE_EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let counts = sale.tally.counts();
        let line = writeln!(io::stderr(), "{}/{customers} customers done  {}", counts.done, Line(&counts));
        if line.is_err() {
            return; // Nobody looks any more.
        }
    }
}

struct Line<'a>(&'a Counts);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0;
        let refused = counts.refused(Rpc::Reserve);
        write!(f, "{} tries, {} won, {refused} refused, ", counts.attempts, counts.wins)?;
        write!(f, "{} booked, {} errors", counts.confirms, counts.failed())
    }
}
