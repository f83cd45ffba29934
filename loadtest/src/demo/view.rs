//! The seat map on the customers' screens: a little old, the same for all. That is why they collide.

use std::sync::Arc;

use fastrand::Rng;

use super::house::House;

/// How many of the best free seats everybody wants.
const HOT_SEATS: usize = 48;
/// How many seats a customer considers before it gives up looking.
const GLANCES_MAX: usize = 12;

/// The seats as they were a moment ago.
pub(crate) struct View {
    house: Arc<House>,
    packed: Vec<u8>,
    hot: Vec<u32>,
}

impl View {
    /// From the packed form of the wire: two bits a seat, 0 is free.
    pub(crate) fn new(house: Arc<House>, packed: Vec<u8>) -> Self {
        let mut view = Self { house, packed, hot: Vec::new() };
        let free = view.house.best().iter().copied().filter(|seat| view.is_free(*seat));
        view.hot = free.take(HOT_SEATS).collect();
        view
    }

    fn is_free(&self, seat: u32) -> bool {
        let byte = self.packed.get(seat as usize / 4).copied().unwrap_or(0);
        byte >> (6 - seat % 4 * 2) & 3 == 0
    }

    /// Free seats side by side: among the best, or anywhere. A party that finds no row takes fewer seats.
    pub(crate) fn pick(&self, party: usize, among_the_best: bool, rng: &mut Rng) -> Option<Vec<u32>> {
        for glance in 0..GLANCES_MAX {
            let seat = if among_the_best {
                *rng.choice(&self.hot)?
            } else {
                rng.u32(0..self.house.seat_count().max(1))
            };
            let count = if glance < GLANCES_MAX / 2 { party } else { 1 };
            if let Some(seats) = self.house.around(seat, count, |seat| self.is_free(seat)) {
                return Some(seats.to_vec());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{super::house::tests::house, *};

    fn view(packed: &[u8]) -> View {
        let row = [Some(()); 100];
        View::new(Arc::new(house(&[&row, &row])), packed.to_vec())
    }

    #[test]
    fn the_hot_seats_are_the_best_free_ones() {
        // Seat 2 is in the middle; it and its neighbours 0, 1 and 3 are taken. Seat 102 is behind it.
        assert_eq!(view(&[0b0110_1101]).hot[..3], [4, 5, 102]);
        assert_eq!(view(&[]).hot[..3], [2, 1, 3]);
    }

    #[test]
    fn most_look_at_the_same_few_seats() {
        let (view, mut rng) = (view(&[]), Rng::with_seed(1));
        for _ in 0..1000 {
            let seats = view.pick(3, true, &mut rng).unwrap();
            assert_eq!(seats.len(), 3);
            assert!(seats.iter().any(|seat| view.hot.contains(seat)), "{seats:?}");
        }
    }

    #[test]
    fn others_look_anywhere() {
        let (view, mut rng) = (view(&[]), Rng::with_seed(1));
        let cold = (0..1000).filter(|_| view.pick(1, false, &mut rng).is_some_and(|seats| seats[0] >= 100));
        assert!(cold.count() > 300);
    }

    #[test]
    fn taken_seats_are_not_picked() {
        let (view, mut rng) = (view(&[0b0101_0101; 50]), Rng::with_seed(1));
        assert!(view.pick(1, true, &mut rng).is_none());
        assert!(view.pick(1, false, &mut rng).is_none());
    }

    #[test]
    fn a_party_that_finds_no_row_takes_one_seat() {
        // Every second seat is free.
        let (view, mut rng) = (view(&[0b0001_0001; 50]), Rng::with_seed(1));
        assert_eq!(view.pick(4, true, &mut rng).unwrap().len(), 1);
    }
}
