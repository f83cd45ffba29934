//! What a run found, for people and for programs: a table, a JSON file, an HTML page that needs no network.

mod facts;
mod json;
mod number;
mod page;
mod plot;
#[cfg(test)]
mod sample;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use std::{fs, io, path::Path};

pub(crate) use facts::{Facts, Machine};
pub(crate) use table::table;
pub(crate) use verdict::Sum;

use super::outcome::Outcome;
use crate::error::Error;

/// Writes everything that was measured, with verdicts, for programs.
///
/// # Errors
/// The file can not be written.
pub(crate) fn write_json(path: &Path, facts: &Facts, outcomes: &[Outcome]) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(&json::Document::new(facts, outcomes));
    write(path, text.map_err(io::Error::from))
}

/// Writes one page that holds everything, with pictures.
///
/// # Errors
/// The file can not be written.
pub(crate) fn write_html(path: &Path, facts: &Facts, outcomes: &[Outcome]) -> Result<(), Error> {
    write(path, Ok(page::render(facts, outcomes)))
}

fn write(path: &Path, text: io::Result<String>) -> Result<(), Error> {
    text.and_then(|text| fs::write(path, text))
        .map_err(|source| Error::Report { path: path.to_owned(), source })
}
