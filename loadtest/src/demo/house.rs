//! The house as a buyer sees it: which seats are side by side, and which are best.

use ticketengine::v1::Layout;

/// Seats of a row farther apart than this have an aisle between them.
const ADJACENT_CM_MAX: f64 = 100.0;

/// Seats in runs without an aisle, and their order from best to worst.
pub(crate) struct House {
    /// Each run: seats side by side.
    runs: Vec<Vec<u32>>,
    /// Of each seat: its run, and its place in it.
    places: Vec<(usize, usize)>,
    /// All seats, the best first: nearest to the middle of the stage; those behind it last.
    best: Vec<u32>,
}

impl House {
    /// Numbers the seats as the service does: by section, row and place.
    pub(crate) fn new(layout: &Layout) -> Self {
        let mut house = Self { runs: Vec::new(), places: Vec::new(), best: Vec::new() };
        let mut ranks = Vec::new();
        for row in layout.sections.iter().flat_map(|section| &section.rows) {
            let mut before = None;
            for seat in &row.seats {
                let here = (f64::from(seat.x_cm), f64::from(seat.y_cm));
                let adjacent = before
                    .is_some_and(|(x, y): (f64, f64)| (here.0 - x).hypot(here.1 - y) <= ADJACENT_CM_MAX);
                if !adjacent {
                    house.runs.push(Vec::new());
                }
                house.append(u32::try_from(ranks.len()).unwrap_or(u32::MAX));
                let (x, y) = (i64::from(seat.x_cm), i64::from(seat.y_cm));
                ranks.push((y < 0, x * x + y * y));
                before = Some(here);
            }
        }
        house.best = (0..house.seat_count()).collect();
        house.best.sort_by_key(|seat| ranks[*seat as usize]);
        house
    }

    fn append(&mut self, seat: u32) {
        let run = self.runs.len() - 1;
        self.places.push((run, self.runs[run].len()));
        self.runs[run].push(seat);
    }

    /// How many seats there are.
    pub(crate) fn seat_count(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// All seats, the best first.
    pub(crate) fn best(&self) -> &[u32] {
        &self.best
    }

    /// `count` seats side by side, all free, with this one among them.
    pub(crate) fn around(&self, seat: u32, count: usize, is_free: impl Fn(u32) -> bool) -> Option<&[u32]> {
        let (run, place) = *self.places.get(seat as usize)?;
        let run = &self.runs[run];
        let first = (place + 1).saturating_sub(count)..=place;
        first
            .filter_map(|first| run.get(first..first + count))
            .find(|seats| seats.iter().all(|seat| is_free(*seat)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ticketengine::v1::{Row, Seat, Section};

    use super::*;

    /// Rows of seats 50 cm apart from the left, 100 cm behind each other; `None` is an aisle.
    pub(in crate::demo) fn house(rows: &[&[Option<()>]]) -> House {
        let row = |(y, seats): (i32, &&[Option<()>])| Row {
            label: y.to_string(),
            seats: (0..)
                .zip(*seats)
                .filter(|(_, seat)| seat.is_some())
                .map(|(x, _)| Seat { x_cm: x * 50 - 100, y_cm: y * 100, ..Seat::default() })
                .collect(),
        };
        let rows = (1..).zip(rows).map(row).collect();
        House::new(&Layout { sections: vec![Section { name: "Floor".into(), rows }] })
    }

    const SEAT: Option<()> = Some(());

    #[test]
    fn the_best_seat_is_at_the_stage_in_the_middle() {
        // x: -100 -50 0 50, twice.
        let house = house(&[&[SEAT; 4], &[SEAT; 4]]);
        assert_eq!(house.best(), [2, 1, 3, 0, 6, 5, 7, 4]);
    }

    #[test]
    fn behind_the_stage_is_worst() {
        let seat = |y_cm| Row { label: String::new(), seats: vec![Seat { y_cm, ..Seat::default() }] };
        let rows = [-50, 900, 100].map(seat).into();
        assert_eq!(
            House::new(&Layout { sections: vec![Section { name: String::new(), rows }] }).best(),
            [2, 1, 0]
        );
    }

    #[test]
    fn seats_side_by_side_do_not_cross_an_aisle_or_a_row() {
        let house = house(&[&[SEAT, SEAT, None, None, SEAT, SEAT], &[SEAT, SEAT]]);
        assert_eq!(house.around(1, 2, |_| true), Some(&[0, 1][..]));
        assert_eq!(house.around(2, 2, |_| true), Some(&[2, 3][..]));
        assert_eq!(house.around(1, 3, |_| true), None);
        assert_eq!(house.around(3, 2, |_| true), Some(&[2, 3][..]));
        assert_eq!(house.around(99, 1, |_| true), None);
    }

    #[test]
    fn taken_seats_are_left_out() {
        let house = house(&[&[SEAT; 6]]);
        assert_eq!(house.around(2, 2, |seat| seat != 1), Some(&[2, 3][..]));
        assert_eq!(house.around(2, 2, |seat| seat == 2), None);
        assert_eq!(house.around(2, 1, |seat| seat == 2), Some(&[2][..]));
    }
}
