//! Which seats a group of watchers sees.

use std::{borrow::Cow, ops::Range};

use seat_board::PackedStates;
use ticketengine::v1::{SeatChanges, SeatStates};

/// The seats of an event that somebody watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    count: u32,
    /// Ascending, apart from each other, none empty; None: all.
    watched: Option<Box<[Range<u32>]>>,
    /// Put together from several ranges.
    combined: bool,
}

impl Seats {
    /// All of an event's `count` seats.
    pub fn all(count: u32) -> Self {
        Self { count, watched: None, combined: false }
    }

    /// Some of an event's `count` seats: a range a section, in any order. Ids beyond the last seat are left out.
    pub fn some(count: u32, ranges: impl IntoIterator<Item = Range<u32>>) -> Self {
        let cut = |range: Range<u32>| range.start..range.end.min(count);
        let mut ranges: Vec<_> = ranges.into_iter().map(cut).filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup();
        let combined = ranges.len() > 1;
        ranges.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        let all = matches!(&*ranges, [range] if *range == (0..count));
        Self { count, watched: (!all).then(|| ranges.into()), combined: combined && !all }
    }

    /// Whether this is one of the many choices that can be made up. All seats, and each section by itself, are as many as
    /// the event has.
    pub(super) fn is_combined(&self) -> bool {
        self.combined
    }
}

/// What watchers of the same seats share.
#[derive(Debug)]
pub(super) struct View {
    /// Unique within its room.
    pub(super) id: u32,
    pub(super) seats: Seats,
}

impl View {
    /// How many seats are watched.
    pub(super) fn len(&self) -> u32 {
        match &self.seats.watched {
            None => self.seats.count,
            Some(ranges) => ranges.iter().map(|range| range.end - range.start).sum(),
        }
    }

    fn sees(ranges: &[Range<u32>], seat: u32) -> bool {
        let next = ranges.partition_point(|range| range.end <= seat);
        ranges.get(next).is_some_and(|range| range.contains(&seat))
    }

    /// Whether watchers must hear of the changes. Who watches all seats hears of every version.
    pub(super) fn concerns(&self, changes: &SeatChanges) -> bool {
        let Some(ranges) = &self.seats.watched else { return true };
        let lists = [&changes.free, &changes.held, &changes.sold, &changes.blocked];
        lists.into_iter().flatten().any(|seat| Self::sees(ranges, *seat))
    }

    /// The changes of watched seats, told from version `after` on.
    pub(super) fn changes(&self, changes: &SeatChanges, after: u64) -> SeatChanges {
        let watched = |seats: &[u32]| match &self.seats.watched {
            None => seats.to_vec(),
            Some(ranges) => seats.iter().copied().filter(|seat| Self::sees(ranges, *seat)).collect(),
        };
        SeatChanges {
            epoch: changes.epoch,
            after_version: after,
            version: changes.version,
            free: watched(&changes.free),
            held: watched(&changes.held),
            sold: watched(&changes.sold),
            blocked: watched(&changes.blocked),
            net: changes.net,
        }
    }

    /// The states of the watched seats, packed as if they were numbered from 0.
    pub(super) fn states<'a>(&self, states: &'a PackedStates) -> Cow<'a, PackedStates> {
        let Some(ranges) = &self.seats.watched else { return Cow::Borrowed(states) };
        let mut packed = PackedStates::new(vec![0; self.len().div_ceil(4) as usize]);
        for (place, seat) in (0..).zip(ranges.iter().cloned().flatten()) {
            packed.set(place, states.get(seat));
        }
        Cow::Owned(packed)
    }

    /// A snapshot of the watched seats.
    pub(super) fn snapshot(&self, board: &seat_board::Board) -> SeatStates {
        let seat_board::Position { epoch, version } = board.position();
        SeatStates { epoch, version, packed: self.states(board.states()).bytes().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(seats: Seats) -> View {
        View { id: 0, seats }
    }

    #[test]
    fn ranges_are_put_in_order_and_joined() {
        let seats = Seats::some(100, [50..60, 10..20, 20..25, 15..18, 30..30, 90..200]);
        assert_eq!(seats.watched.as_deref(), Some(&[10..25, 50..60, 90..100][..]));
        assert_eq!(view(seats).len(), 35);
        assert_eq!(Seats::some(100, [50..100, 0..50]), Seats::all(100));
        assert_eq!(view(Seats::some(100, [])).len(), 0);
        let combined = |ranges: &[Range<u32>]| Seats::some(100, ranges.iter().cloned()).is_combined();
        assert!(combined(&[0..10, 10..20]) && combined(&[0..10, 20..30]));
        assert!(!combined(&[0..10, 0..10]) && !combined(&[0..50, 50..100]) && !combined(&[]));
    }

    #[test]
    fn only_watched_seats_are_told() {
        let view = view(Seats::some(12, [2..4, 8..9]));
        let changes = SeatChanges {
            epoch: 3,
            after_version: 7,
            version: 9,
            free: vec![1, 2],
            held: vec![3, 4, 8],
            sold: vec![9],
            ..SeatChanges::default()
        };
        assert!(view.concerns(&changes));
        let told = SeatChanges { after_version: 5, free: vec![2], held: vec![3, 8], sold: vec![], ..changes };
        assert_eq!(view.changes(&SeatChanges { sold: vec![9], ..told.clone() }, 5), told);
        assert!(!view.concerns(&SeatChanges { held: vec![0, 1, 4, 7, 9, 11], ..SeatChanges::default() }));
    }

    #[test]
    fn watched_states_are_packed_from_zero() {
        let states = PackedStates::new(vec![0b00_01_10_11, 0b00_01_10_11, 0b11_00_00_00]);
        let some = view(Seats::some(12, [2..4, 7..9]));
        assert_eq!(some.states(&states).bytes(), [0b10_11_11_11]);
        assert_eq!(view(Seats::all(12)).states(&states).bytes(), states.bytes());
    }
}
