use proptest::{collection::vec, prelude::*};

use super::*;

fn snapshot(epoch: u64, version: u64, packed: &[u8]) -> SeatStates {
    SeatStates { epoch, version, packed: packed.to_vec() }
}

fn held(epoch: u64, after_version: u64, version: u64, seats: &[u32]) -> SeatChanges {
    SeatChanges { epoch, after_version, version, held: seats.to_vec(), ..SeatChanges::default() }
}

fn at(epoch: u64, version: u64) -> Position {
    Position { epoch, version }
}

#[test]
fn the_lowest_seat_has_the_high_bits() {
    let mut states = PackedStates::new(vec![0b00_01_10_11, 0]);
    use SeatState::{Blocked, Free, Held, Sold};
    assert_eq!([0, 1, 2, 3, 4].map(|seat| states.get(seat)), [Free, Held, Sold, Blocked, Free]);
    states.set(5, Sold);
    states.set(3, Held);
    assert_eq!(states.bytes(), [0b00_01_10_01, 0b00_10_00_00]);
}

#[test]
fn changes_must_continue_the_board() {
    let mut board = Board::new(snapshot(3, 7, &[0; 2]), 100);
    let gap = |found| Err(Error::Gap { at: at(3, 7), found });
    assert_eq!(board.apply(&held(3, 8, 9, &[1])), gap(at(3, 8)));
    assert_eq!(board.apply(&held(3, 6, 8, &[1])), gap(at(3, 6)));
    assert_eq!(board.apply(&held(4, 7, 8, &[1])), gap(at(4, 7)));
    assert!(matches!(board.apply(&held(3, 7, 7, &[1])), Err(Error::Nonsense(_))));
    assert!(matches!(board.apply(&held(3, 7, 8, &[8])), Err(Error::Nonsense(_))));
    assert!(matches!(board.apply(&held(3, 7, 8, &[u32::MAX])), Err(Error::Nonsense(_))));
    assert_eq!((board.position(), board.states().bytes()), (at(3, 7), &[0, 0][..]));

    assert_eq!(board.apply(&held(3, 7, 8, &[1])), Ok(()));
    assert_eq!((board.position(), board.states().get(1)), (at(3, 8), SeatState::Held));
}

#[test]
fn a_snapshot_of_the_same_epoch_is_told_as_changes() {
    let mut board = Board::new(snapshot(1, 5, &[0, 0]), 100);
    board.restore(snapshot(1, 9, &[0b01_00_00_00, 0b00_00_00_10])).unwrap();
    let changes = SeatChanges { sold: vec![7], net: true, ..held(1, 5, 9, &[0]) };
    assert_eq!(board.since(at(1, 5)), Missing::Changes(changes));

    let older = Err(Error::Older { at: at(1, 9), found: at(1, 8) });
    assert_eq!(board.restore(snapshot(1, 8, &[0, 0])), older);
    assert!(matches!(board.restore(snapshot(1, 9, &[0, 0])), Err(Error::Nonsense(_))));
    assert_eq!(board.restore(board.snapshot()), Ok(()));
}

#[test]
fn a_version_within_a_difference_of_snapshots_gets_a_snapshot() {
    // Seat 0 is held at version 7 and free again at 9: the difference does not name it.
    let mut board = Board::new(snapshot(1, 5, &[0]), 100);
    board.restore(snapshot(1, 9, &[0])).unwrap();
    board.apply(&held(1, 9, 10, &[3])).unwrap();
    assert_eq!(board.since(at(1, 7)), Missing::Snapshot);
    let net = SeatChanges { net: true, ..held(1, 5, 10, &[3]) };
    assert_eq!(board.since(at(1, 5)), Missing::Changes(net.clone()));
    // Nor does it help who asks a board that was told of it.
    let mut other = Board::new(snapshot(1, 5, &[0]), 100);
    other.apply(&net).unwrap();
    assert_eq!(other.since(at(1, 7)), Missing::Snapshot);
    assert_eq!(other.since(at(1, 5)), Missing::Changes(net));
    assert_eq!(board.since(at(1, 9)), Missing::Changes(held(1, 9, 10, &[3])));
}

#[test]
fn a_version_has_one_state_however_many_seats_it_tells_of() {
    let mut board = Board::new(snapshot(1, 5, &[0, 0]), 100);
    for packed in [&[1, 0][..], &[0], &[0; 3]] {
        assert!(matches!(board.restore(snapshot(1, 5, packed)), Err(Error::Nonsense(_))));
        assert_eq!(board.snapshot(), snapshot(1, 5, &[0, 0]));
    }
}

#[test]
fn a_new_epoch_is_told_as_a_snapshot() {
    let mut board = Board::new(snapshot(1, 5, &[0, 0]), 100);
    board.apply(&held(1, 5, 6, &[2])).unwrap();
    board.restore(snapshot(2, 0, &[0, 1])).unwrap();
    assert_eq!(board.since(at(1, 5)), Missing::Snapshot);
    assert_eq!(board.since(at(2, 0)), Missing::Nothing);
    assert_eq!(board.since(at(2, 1)), Missing::Ahead);
    assert_eq!(board.since(at(3, 0)), Missing::Ahead);
}

#[test]
fn changes_out_of_reach_are_a_snapshot() {
    let mut board = Board::new(snapshot(1, 0, &[0; 25]), 10);
    for version in 1..=20 {
        board.apply(&held(1, version - 1, version, &[version as u32])).unwrap();
    }
    // Each step weighs two.
    assert_eq!(board.since(at(1, 14)), Missing::Snapshot);
    assert_eq!(board.since(at(1, 15)), Missing::Changes(held(1, 15, 20, &[16, 17, 18, 19, 20])));
    assert_eq!(board.since(Position::default()), Missing::Snapshot);
}

proptest! {
    /// Whoever has the states of any version, asks now and then and applies the answers, ends with the board's states.
    #[test]
    fn a_reader_converges_from_any_version(
        steps in vec((vec((0..64_u32, 0..4_u8), 0..5), any::<bool>(), any::<bool>()), 1..60),
        reach in 0..60_usize,
    ) {
        let mut board = Board::new(snapshot(1, 0, &[0; 16]), reach);
        let mut reader = Board::new(board.snapshot(), 0);
        for (seats, by_snapshot, reads) in steps {
            let (mut next, after) = (board.snapshot(), board.position().version);
            let mut states = PackedStates::new(next.packed);
            for (seat, state) in &seats {
                states.set(*seat, SeatState::from_bits(*state));
            }
            next = snapshot(1, after + 1, states.bytes());
            if by_snapshot {
                board.restore(next.clone()).unwrap();
            } else {
                let last: std::collections::BTreeMap<_, _> = seats.iter().copied().collect();
                let of = |wanted| last.iter().filter(|(_, s)| **s == wanted).map(|(seat, _)| *seat).collect();
                let changes = SeatChanges {
                    epoch: 1, after_version: after, version: after + 1,
                    free: of(0), held: of(1), sold: of(2), blocked: of(3), net: false,
                };
                board.apply(&changes).unwrap();
            }
            prop_assert_eq!(board.states().bytes(), &*next.packed);
            if reads {
                match board.since(reader.position()) {
                    Missing::Changes(changes) => reader.apply(&changes).unwrap(),
                    Missing::Snapshot => reader.replace(board.snapshot()),
                    other => prop_assert!(false, "{other:?}"),
                }
                prop_assert_eq!(reader.position(), board.position());
                prop_assert_eq!(reader.checksum(), board.checksum());
            }
        }
    }
}
