//! What readers get, however fast they are and wherever they come from.

use std::ops::Range;

use proptest::{collection::vec, prelude::*};
use seat_board::{PackedStates, SeatState};
use ticketengine::v1::{SeatStates, watch_seats_response::Message};

use super::*;
use crate::rooms::{
    Seats,
    testing::{Client, decode},
};

const SEATS: u32 = 64;

fn view(id: u32, seats: Seats) -> View {
    View { id, seats }
}

fn held(after_version: u64, version: u64, seats: &[u32]) -> SeatChanges {
    SeatChanges { epoch: 1, after_version, version, held: seats.to_vec(), ..SeatChanges::default() }
}

fn at(epoch: u64, version: u64) -> Position {
    Position { epoch, version }
}

/// A live board at version 0 and what is shown of it.
fn stage() -> (Board, Shown) {
    let live = Board::new(SeatStates { epoch: 1, version: 0, packed: vec![0; 16] }, 1_000);
    let mut shown = Shown::default();
    assert!(shown.advance(&live, 0));
    (live, shown)
}

/// All that a reader can have now.
fn drain(shown: &mut Shown, cursor: &mut Cursor, view: &View) -> Vec<Message> {
    let frames = std::iter::from_fn(|| shown.next_frame(cursor, view, Encoding::Bin));
    frames.map(|frame| decode(&frame)).collect()
}

fn kinds(messages: &[Message]) -> Vec<String> {
    let kind = |message: &Message| match message {
        Message::Snapshot(snapshot) => format!("snapshot {}.{}", snapshot.epoch, snapshot.version),
        Message::Changes(changes) => format!("{}-{}", changes.after_version, changes.version),
        Message::Heartbeat(heartbeat) => {
            format!("beat {}{}", heartbeat.version, if heartbeat.stale { " stale" } else { "" })
        }
    };
    messages.iter().map(kind).collect()
}

#[test]
fn a_new_reader_gets_a_snapshot_and_a_heartbeat() {
    let (mut live, mut shown) = stage();
    let (all, mut cursor) = (view(0, Seats::all(SEATS)), shown.cursor(None));
    assert_eq!(kinds(&drain(&mut shown, &mut cursor, &all)), ["snapshot 1.0", "beat 0"]);
    live.apply(&held(0, 1, &[1])).unwrap();
    live.apply(&held(1, 3, &[2])).unwrap();
    assert!(drain(&mut shown, &mut cursor, &all).is_empty());
    assert!(shown.advance(&live, 0) && !shown.advance(&live, 0));
    assert_eq!(drain(&mut shown, &mut cursor, &all), [Message::Changes(held(0, 3, &[1, 2]))]);
    shown.heartbeat(None, false);
    assert_eq!(kinds(&drain(&mut shown, &mut cursor, &all)), ["beat 3"]);
}

#[test]
fn all_who_lack_the_same_share_one_frame() {
    let (mut live, mut shown) = stage();
    let all = view(0, Seats::all(SEATS));
    let mut cursors = [(); 3].map(|()| shown.cursor(Some(at(1, 0))));
    live.apply(&held(0, 1, &[1])).unwrap();
    shown.advance(&live, 0);
    for encoding in [Encoding::Json, Encoding::Bin] {
        let frames =
            cursors.each_mut().map(|cursor| shown.next_frame(&mut cursor.clone(), &all, encoding).unwrap());
        assert!(frames.iter().all(|frame| frame.as_ptr() == frames[0].as_ptr()));
    }
}

#[test]
fn who_watches_sections_hears_of_other_versions_at_heartbeats() {
    let (mut live, mut shown) = stage();
    let some = view(1, Seats::some(SEATS, Some(10..20)));
    let mut cursor = shown.cursor(None);
    drain(&mut shown, &mut cursor, &some);
    let mut next = |live: &mut Board, shown: &mut Shown, seats: &[u32]| {
        let version = live.position().version;
        live.apply(&held(version, version + 1, seats)).unwrap();
        shown.advance(live, 0);
        drain(shown, &mut cursor, &some)
    };
    assert_eq!(next(&mut live, &mut shown, &[1, 2]), []);
    assert_eq!(next(&mut live, &mut shown, &[30]), []);
    assert_eq!(next(&mut live, &mut shown, &[9, 10, 20]), [Message::Changes(held(0, 3, &[10]))]);
    assert_eq!(next(&mut live, &mut shown, &[30]), []);
    shown.heartbeat(None, false);
    assert_eq!(kinds(&drain(&mut shown, &mut cursor, &some)), ["3-4", "beat 4"]);
}

#[test]
fn a_snapshot_comes_where_it_is_smaller_and_where_changes_are_out_of_reach() {
    let (mut live, mut shown) = stage();
    let (all, mut old, mut slow) =
        (view(0, Seats::all(SEATS)), shown.cursor(Some(at(0, 9))), shown.cursor(Some(at(1, 0))));
    assert_eq!(kinds(&drain(&mut shown, &mut old, &all)), ["snapshot 1.0", "beat 0"]);
    let seats: Vec<u32> = (0..60).collect();
    live.apply(&held(0, 1, &seats)).unwrap();
    shown.advance(&live, 0);
    let json = shown.next_frame(&mut slow.clone(), &all, Encoding::Json).unwrap();
    assert!(json.ends_with(b"00\"}".as_slice()), "{json:?}");
    // Two bits a seat are smaller than a list of nearly all, though not by much more than a header.
    assert_eq!(kinds(&drain(&mut shown, &mut slow, &all)), ["0-1", "beat 1"]);
}

#[test]
fn a_reader_who_is_ahead_waits_for_a_heartbeat() {
    let (mut live, mut shown) = stage();
    let all = view(0, Seats::all(SEATS));
    let (mut patient, mut set_back) = (shown.cursor(Some(at(1, 2))), shown.cursor(Some(at(5, 2))));
    assert_eq!(kinds(&drain(&mut shown, &mut patient, &all)), ["beat 0"]);
    assert_eq!(kinds(&drain(&mut shown, &mut set_back, &all)), ["beat 0"]);
    live.apply(&held(0, 3, &[7])).unwrap();
    shown.advance(&live, 0);
    assert_eq!(kinds(&drain(&mut shown, &mut patient, &all)), ["2-3"]);
    // While the board may be behind, nothing goes back.
    shown.heartbeat(None, true);
    assert_eq!(kinds(&drain(&mut shown, &mut set_back, &all)), ["beat 3 stale"]);
    shown.heartbeat(None, false);
    assert_eq!(kinds(&drain(&mut shown, &mut set_back, &all)), ["snapshot 1.3", "beat 3"]);
}

#[test]
fn a_board_that_was_wrong_is_told_anew() {
    let (live, mut shown) = stage();
    let (all, mut cursor) = (view(0, Seats::all(SEATS)), shown.cursor(None));
    drain(&mut shown, &mut cursor, &all);
    let right = Board::new(SeatStates { packed: vec![1; 16], ..live.snapshot() }, 10);
    assert!(shown.advance(&right, 1));
    assert_eq!(drain(&mut shown, &mut cursor, &all), [Message::Snapshot(right.snapshot())]);
}

#[test]
fn without_a_board_readers_hear_only_that_it_is_stale() {
    let mut shown = Shown::default();
    let (all, mut cursor) = (view(0, Seats::all(SEATS)), shown.cursor(Some(at(3, 4))));
    assert_eq!(drain(&mut shown, &mut cursor, &all), []);
    shown.heartbeat(None, true);
    assert_eq!(kinds(&drain(&mut shown, &mut cursor, &all)), ["beat 0 stale"]);
    assert_eq!(drain(&mut shown, &mut cursor, &all), []);
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// Seats change.
    Change(Vec<(u32, u8)>),
    /// The gate was rebuilt.
    Epoch,
    /// What is shown moves.
    Tick,
    Heartbeat,
    /// A reader takes up to so many frames.
    Read(usize, usize),
    /// A reader comes back with what it has.
    Reconnect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec((0..SEATS, 0..4_u8), 0..6).prop_map(Step::Change),
        1 => Just(Step::Epoch),
        4 => Just(Step::Tick),
        1 => Just(Step::Heartbeat),
        6 => (0..4_usize, 1..4_usize).prop_map(|(reader, frames)| Step::Read(reader, frames)),
        1 => (0..4_usize).prop_map(Step::Reconnect),
    ]
}

struct Reader {
    view: View,
    watched: Range<u32>,
    cursor: Cursor,
    client: Client,
}

impl Reader {
    fn read(&mut self, shown: &mut Shown, frames: usize) {
        for _ in 0..frames {
            let Some(frame) = shown.next_frame(&mut self.cursor, &self.view, Encoding::Bin) else { return };
            let mut message = decode(&frame);
            if let Message::Changes(SeatChanges { free, held, sold, blocked, .. }) = &mut message {
                // Snapshots are numbered from 0, changes by seat id.
                for seat in [free, held, sold, blocked].into_iter().flatten() {
                    *seat -= self.watched.start;
                }
            }
            // Clients check that changes continue what they have.
            self.client.take(message);
        }
    }
}

fn applied(live: &mut Board, seats: &[(u32, u8)]) {
    let mut next = live.snapshot();
    let mut states = PackedStates::new(next.packed);
    for (seat, state) in seats {
        states.set(*seat, SeatState::from_bits(*state));
    }
    next.packed = states.bytes().to_vec();
    next.version += 1;
    live.restore(next).unwrap();
}

proptest! {
    /// Readers that read when they like, as much as they like, and come back now and then, of all seats or of some,
    /// end with the board.
    #[test]
    fn readers_converge(steps in vec(step(), 1..120)) {
        let (mut live, mut shown) = stage();
        let watched = [0..SEATS, 0..SEATS, 8..40, 60..64];
        let mut readers = watched.map(|watched| {
            let view = view(watched.start, Seats::some(SEATS, Some(watched.clone())));
            Reader { view, watched, cursor: shown.cursor(None), client: Client::default() }
        });
        for step in steps {
            match step {
                Step::Change(seats) => applied(&mut live, &seats),
                Step::Epoch => live.restore(SeatStates { epoch: live.position().epoch + 1, version: 0, ..live.snapshot() }).unwrap(),
                Step::Tick => { shown.advance(&live, 0); }
                Step::Heartbeat => shown.heartbeat(None, false),
                Step::Read(reader, frames) => readers[reader].read(&mut shown, frames),
                Step::Reconnect(reader) => {
                    let known = readers[reader].client.board.as_ref().map(Board::position);
                    readers[reader].cursor = shown.cursor(known);
                }
            }
        }
        shown.advance(&live, 0);
        shown.heartbeat(None, false);
        for reader in &mut readers {
            reader.read(&mut shown, usize::MAX);
            let board = reader.client.board.as_ref().unwrap();
            prop_assert_eq!(board.position(), live.position());
            for (place, seat) in (0..).zip(reader.watched.clone()) {
                prop_assert_eq!(board.states().get(place), live.states().get(seat));
            }
        }
    }
}
