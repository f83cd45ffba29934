use std::fmt;

use seat_board::{PackedStates, SeatState};

use super::{Epoch, Version};

/// The most seats that one reservation can hold.
pub const SEATS_PER_RESERVATION_MAX: usize = 50;

/// Names a seat within its event: its place in the layout, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId(pub u32);

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The status of all seats at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatStates {
    /// Of the gate.
    pub epoch: Epoch,
    /// Within the epoch.
    pub version: Version,
    /// Two bits a seat.
    pub packed: PackedStates,
}

/// A change of some seats, all to the same state: what one version is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatChange {
    /// Which version.
    pub version: Version,
    /// What the seats are now.
    pub state: SeatState,
    /// Which seats.
    pub seats: Vec<SeatId>,
}

/// Length in bytes of a packed map of `seats` seats: four a byte.
pub const fn packed_len(seats: u32) -> usize {
    seats.div_ceil(4) as usize
}

/// The seats of one reservation: ascending, each once, at least one and at most [`SEATS_PER_RESERVATION_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeatSet(Box<[SeatId]>);

/// Why numbers are not the seats of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeatSetError {
    /// The list was empty.
    #[error("seat_ids must name at least one seat")]
    Empty,
    /// More than [`SEATS_PER_RESERVATION_MAX`].
    #[error("seat_ids names {0} seats; one reservation holds at most {SEATS_PER_RESERVATION_MAX}")]
    TooMany(usize),
    /// The same seat twice.
    #[error("seat_ids names seat {0} twice")]
    Twice(SeatId),
}

impl SeatSet {
    /// Sorts and checks the seats of a reservation.
    pub fn new(ids: impl IntoIterator<Item = u32>) -> Result<Self, SeatSetError> {
        let mut seats: Vec<SeatId> = ids.into_iter().map(SeatId).collect();
        if seats.is_empty() {
            return Err(SeatSetError::Empty);
        }
        if seats.len() > SEATS_PER_RESERVATION_MAX {
            return Err(SeatSetError::TooMany(seats.len()));
        }
        seats.sort_unstable();
        if let Some(pair) = seats.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SeatSetError::Twice(pair[0]));
        }
        Ok(Self(seats.into()))
    }

    /// The seats, ascending.
    pub fn as_slice(&self) -> &[SeatId] {
        &self.0
    }

    /// The seats, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SeatId> + '_ {
        self.0.iter().copied()
    }

    /// How many; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest seat.
    pub fn last(&self) -> SeatId {
        self.0[self.0.len() - 1]
    }
}

/// Comma-separated, ascending: one spelling for one set, as the gate keeps it.
impl fmt::Display for SeatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, seat) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{seat}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_set_is_sorted_and_has_one_spelling() {
        let seats = SeatSet::new([7, 2, 11]).unwrap();
        assert_eq!(seats.to_string(), "2,7,11");
        assert_eq!(seats.last(), SeatId(11));
    }

    #[test]
    fn a_seat_set_refuses_none_too_many_and_twice() {
        assert_eq!(SeatSet::new([]), Err(SeatSetError::Empty));
        assert_eq!(SeatSet::new(0..10_000), Err(SeatSetError::TooMany(10_000)));
        assert_eq!(SeatSet::new([3, 1, 3]), Err(SeatSetError::Twice(SeatId(3))));
        assert!(SeatSet::new(0..50).is_ok());
    }
}
