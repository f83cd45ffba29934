//! A true history of an event, two boards that follow it with gaps, and readers who were at any place of it: what a board
//! says that a reader lacks leads to the truth. An input is a list of steps, two bytes each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seat_board::{Board, Missing, PackedStates, Position, SeatState};
use ticketengine::v1::{SeatChanges, SeatStates};

const SEATS: usize = 8;
const STEPS_MAX: usize = 200;

/// The states of all seats, by version; the epoch is the place in the outer list.
struct Truth(Vec<Vec<SeatStates>>);

impl Truth {
    fn now(&self) -> &SeatStates {
        self.0.last().and_then(|epoch| epoch.last()).expect("begun")
    }

    fn begin(&mut self, states: &SeatStates) {
        let epoch = self.0.len() as u64;
        self.0.push(vec![SeatStates { epoch, version: 0, packed: states.packed.clone() }]);
    }

    /// A version more, in which one seat changes.
    fn change(&mut self, seat: u32, state: SeatState) -> SeatChanges {
        let SeatStates { epoch, version, packed } = self.now().clone();
        let mut states = PackedStates::new(packed);
        states.set(seat, state);
        let next = SeatStates { epoch, version: version + 1, packed: states.bytes().to_vec() };
        self.0.last_mut().expect("begun").push(next);
        let mut changes =
            SeatChanges { epoch, after_version: version, version: version + 1, ..Default::default() };
        match state {
            SeatState::Free => changes.free.push(seat),
            SeatState::Held => changes.held.push(seat),
            SeatState::Sold => changes.sold.push(seat),
            SeatState::Blocked => changes.blocked.push(seat),
        }
        changes
    }

    fn at(&self, Position { epoch, version }: Position) -> &SeatStates {
        &self.0[epoch as usize][version as usize]
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut truth = Truth(Vec::new());
    truth.begin(&SeatStates { epoch: 0, version: 0, packed: vec![0; SEATS / 4] });
    let mut boards = [4, 40].map(|reach| Board::new(truth.now().clone(), reach));
    for step in bytes.chunks_exact(2).take(STEPS_MAX) {
        let (what, which) = (step[0], step[1]);
        let board = &mut boards[usize::from(which & 1)];
        match what % 8 {
            0..=2 => {
                let changes = truth.change(u32::from(which >> 5), SeatState::from_bits(what >> 6));
                // Each board hears of it, or has a gap.
                for (board, hears) in boards.iter_mut().zip([which & 2, which & 4]) {
                    let (before, at) = (board.checksum(), board.position());
                    if hears != 0 && board.apply(&changes).is_err() {
                        assert_eq!((board.checksum(), board.position()), (before, at));
                    }
                }
            }
            3 => {
                board.restore(truth.now().clone()).expect("the truth");
            }
            4 if truth.0.len() < 4 => truth.begin(&truth.now().clone()),
            _ => read(board, &truth, which >> 1),
        }
        assert!(boards.iter().all(|board| board.snapshot() == *truth.at(board.position())));
    }
    // Whoever was where, ends with the truth.
    for board in &boards {
        (0..=u8::MAX).for_each(|place| read(board, &truth, place));
    }
});

/// A reader who is at a place of the history asks the board.
fn read(board: &Board, truth: &Truth, place: u8) {
    let all: usize = truth.0.iter().map(Vec::len).sum();
    let Some(states) = truth.0.iter().flatten().nth(all.saturating_sub(1 + usize::from(place))) else {
        return;
    };
    let known = Position::from(states);
    match board.since(known) {
        Missing::Nothing => assert_eq!(known, board.position()),
        Missing::Ahead => assert!(known > board.position()),
        Missing::Snapshot => assert!(known < board.position()),
        Missing::Changes(changes) => {
            let mut reader = Board::new(states.clone(), 0);
            reader.apply(&changes).expect("changes continue what the reader has");
            assert_eq!(reader.snapshot(), board.snapshot(), "from {known:?}");
            assert_eq!(reader.checksum(), board.checksum());
        }
    }
}
