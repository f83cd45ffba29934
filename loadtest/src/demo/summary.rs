//! The table at the end of a sale.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::tally::Counts;
use crate::{
    error::Error,
    report::{print, table},
};

/// Prints what happened in a sale whose Reserves went on for `selling`.
pub(super) fn show(counts: &Counts, selling: Duration) -> Result<(), Error> {
    let rate = |count: u64| format!("{:.0}/s", count as f64 / selling.as_secs_f64().max(0.001));
    let row = |name: &str, count: u64, note: String| vec![name.to_owned(), count.to_string(), note];
    let plain = |name: &str, count: u64| row(name, count, String::new());

    let mut rows = vec![
        row("Reserve: attempts", counts.attempts, rate(counts.attempts)),
        row("Reserve: wins", counts.wins, rate(counts.wins)),
    ];
    for ((rpc, level, reason), count) in &counts.refusals {
        rows.push(row(&format!("{rpc:?}: refused, {reason}"), *count, format!("by the {level}")));
    }
    rows.extend([
        plain("holds extended", counts.extends),
        plain("holds confirmed: bookings", counts.confirms),
        plain("holds released", counts.releases),
        plain("holds left to run out", counts.ran_out),
        plain("bookings cancelled", counts.cancels),
        plain("calls repeated on purpose, same answer", counts.same_again),
        plain("customers who went home without seats", counts.went_home),
        plain("calls whose outcome stayed open", counts.left_open),
        plain("errors", counts.failed()),
    ]);
    for ((rpc, error), count) in &counts.errors {
        rows.push(plain(&format!("{rpc:?}: {error}"), *count));
    }
    print(format_args!("\nThe sale, {:.1} s from its beginning to the last Reserve", selling.as_secs_f64()))?;
    print(table(&["what", "count", "note"], &rows))?;

    let latencies = [
        latency("Reserve, won", &counts.reserve_won),
        latency("Reserve, refused", &counts.reserve_refused),
        latency("Confirm, acknowledged", &counts.confirm),
    ];
    print("\nLatency in milliseconds, from sending a call to its answer")?;
    print(table(&["call", "count", "p50", "p95", "p99", "max"], &latencies))?;
    print(
        "The loop is closed (a customer waits for its answer before it goes on) and shares the machine's cores\n\
         with the system: these numbers show that the sale worked, not how much the system can take.",
    )
}

fn latency(name: &str, histogram: &Histogram<u64>) -> Vec<String> {
    let ms =
        |us: u64| if histogram.is_empty() { "-".to_owned() } else { format!("{:.1}", us as f64 / 1000.0) };
    let quantiles = [0.5, 0.95, 0.99].map(|quantile| ms(histogram.value_at_quantile(quantile)));
    let mut row = vec![name.to_owned(), histogram.len().to_string()];
    row.extend(quantiles);
    row.push(ms(histogram.max()));
    row
}
