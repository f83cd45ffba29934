//! Venue files: a house as people write it down, in JSON. `docs/venue-files.md` describes the format.

mod file;
mod house;
mod labels;
mod plan;

use std::{fs::File, io, io::Read, path::Path};

use crate::domain::{EventError, IdError, NewEvent, SEATS_PER_EVENT_MAX};

pub use labels::LabelsError;

/// The largest venue file.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most seats of one row.
pub const SEATS_PER_ROW_MAX: usize = 1_000;
/// The most rows that one entry can stand for.
pub const ROWS_PER_ENTRY_MAX: usize = 1_000;

/// Why a venue file can not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can not be read.
    #[error("can not be read: {0}")]
    Read(#[from] io::Error),
    /// More than [`FILE_BYTES_MAX`].
    #[error("is larger than {} MiB; use row ranges and shapes, see docs/venue-files.md", FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// Not JSON, a field that the format does not have, or one that is missing.
    #[error("is not a venue file: {0}")]
    Json(#[from] serde_json::Error),
    /// Something in it makes no sense.
    #[error("{place}: {problem}")]
    Problem {
        /// Where, in the file's own words.
        place: String,
        /// What, and what to do.
        problem: Problem,
    },
    /// The event that it describes breaks a rule.
    #[error("describes an event that can not be sold: {0}")]
    Event(#[from] EventError),
}

/// What is wrong at a place of a venue file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not an event id.
    #[error(transparent)]
    EventId(#[from] IdError),
    /// Not a point in time.
    #[error("{0:?} is not a time; write it as 2027-01-31T10:00:00Z or with an offset")]
    Time(String),
    /// A list of labels can not be read.
    #[error("{field}: {error}")]
    Labels {
        /// Which list.
        field: &'static str,
        /// Why not.
        error: LabelsError,
    },
    /// A label of `accessible`, `prices` or `aisles_after` is not one of the row's seats.
    #[error("{field} names {label:?}, which is not one of the row's seats")]
    NoSuchSeat {
        /// Which list.
        field: &'static str,
        /// Which label.
        label: String,
    },
    /// Nothing in `price_categories` has this name.
    #[error("no price category is named {0:?}; add it to price_categories or correct the name")]
    NoSuchPrice(String),
    /// Neither the row nor its section has a price.
    #[error("has no price; give one to the row or to its section")]
    NoPrice,
    /// Nothing in `shapes` has this name.
    #[error("no shape is named {0:?}; add it to shapes or correct the name")]
    NoSuchShape(String),
    /// A name stands twice.
    #[error("the name {0:?} stands twice")]
    Twice(String),
    /// A shape that stands nowhere.
    #[error("no section has this shape; remove it")]
    Unused,
    /// A section needs rows or a shape, and not both.
    #[error("needs either rows or a shape")]
    RowsOrShape,
    /// A row needs one place.
    #[error("needs one of start_cm, middle_cm (straight) and radius_cm (curved)")]
    Place,
    /// Only a curved row has one.
    #[error("middle_deg is for curved rows: give a radius_cm or remove it")]
    MiddleOfStraightRow,
    /// A length or an angle that no house has.
    #[error("{field} must be between {least} and {most}")]
    Bounds {
        /// Which field.
        field: &'static str,
        /// Its least value.
        least: i32,
        /// Its greatest value.
        most: i32,
    },
    /// A curved row that meets its own beginning.
    #[error("the row is longer than its circle; raise radius_cm or take seats out")]
    LongerThanCircle,
    /// The house is too large.
    #[error("here the house grows beyond {SEATS_PER_EVENT_MAX} seats, the most that an event can have")]
    TooManySeats,
}

impl Problem {
    fn at(self, place: impl Into<String>) -> Error {
        Error::Problem { place: place.into(), problem: self }
    }
}

/// Reads a venue file.
pub fn load(path: &Path) -> Result<NewEvent, Error> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the limit holds for pipes and growing files too.
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    parse(&bytes)
}

/// Reads the content of a venue file. What it returns has passed [`NewEvent::check`].
pub fn parse(bytes: &[u8]) -> Result<NewEvent, Error> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    let file: file::VenueFile = serde_json::from_slice(bytes)?;
    let event = house::build(file)?;
    event.check()?;
    Ok(event)
}

#[cfg(test)]
mod tests;
