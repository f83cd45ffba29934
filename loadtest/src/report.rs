//! Tables for people, on standard output.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::{audit::Check, error::Error};

/// How many offenders of a promise are named.
const OFFENDERS_SHOWN: usize = 5;

/// A table of names and values, the values to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints lines to standard output.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<(), Error> {
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// Prints each promise with its verdict. True when all are kept.
pub(crate) fn audit(event: &str, checks: &[Check]) -> Result<bool, Error> {
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let verdict = if check.is_kept() { "OK" } else { "VIOLATED" };
            let counts = [check.offenders.len(), check.looked_at].map(|count| count.to_string());
            [check.promise.to_owned()].into_iter().chain(counts).chain([verdict.to_owned()]).collect()
        })
        .collect();
    print(format_args!(
        "\nAudit of event {event}, straight from PostgreSQL and Redis: each count must be 0"
    ))?;
    print(table(&["promise", "found", "looked at", "verdict"], &rows))?;

    for check in checks.iter().filter(|check| !check.is_kept()) {
        print(format_args!("\nVIOLATED: {}", check.promise))?;
        for offender in check.offenders.iter().take(OFFENDERS_SHOWN) {
            print(format_args!("  {offender}"))?;
        }
        let more = check.offenders.len().saturating_sub(OFFENDERS_SHOWN);
        if more > 0 {
            print(format_args!("  and {more} more"))?;
        }
    }
    Ok(checks.iter().all(Check::is_kept))
}
