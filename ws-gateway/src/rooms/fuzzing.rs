//! For fuzz targets: a room without its tasks, from the messages of a replica to the frames of its watchers.

use bytes::Bytes;
use prost::Message as _;
use seat_board::{Board, Position, SeatState};
use serde_json::Value;
use ticketengine::v1::{SeatChanges, WatchSeatsResponse, watch_seats_response::Message};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

use super::{
    Encoding, Seats,
    shown::{Cursor, Shown},
    view::View,
};
use crate::upstream::live::{Heard, Live};

/// How many seats the catalog says that the event has.
const SEATS: u32 = 64;
/// A reader that is told all that it lacks gets at most this many frames: changes, a snapshot, a heartbeat.
const FRAMES_MAX: usize = 3;

/// See the file.
pub struct Gateway {
    live: Live,
    shown: Shown,
    /// How often the live board was reset before it was shown.
    resets: u64,
    readers: [Reader; 3],
}

impl Default for Gateway {
    fn default() -> Self {
        let some = || Seats::some(SEATS, [3..5, 40..50]);
        let views = [Seats::all(SEATS), some(), some()].into_iter().zip(0..);
        let mut views = views.map(|(seats, id)| View { id, seats });
        let shown = Shown::default();
        let readers = [Encoding::Bin, Encoding::Bin, Encoding::Json].map(|encoding| Reader {
            view: views.next().expect("a view each"),
            encoding,
            cursor: shown.cursor(None),
            seen: None,
        });
        Self { live: Live::default(), shown, resets: 0, readers }
    }
}

impl Gateway {
    /// Where the live board is, and its checksum.
    pub fn at(&self) -> Option<(Position, u32)> {
        self.live.state().board().map(|(board, _)| (board.position(), board.checksum()))
    }

    /// Hears a message. Panics where the board goes back without a reset, changes although the message is refused, or has
    /// other seats than the message says.
    pub fn hear(&mut self, message: WatchSeatsResponse, set_back: bool) {
        let before = self.live.state().board().map(|(board, resets)| (board.clone(), resets));
        let taken = self.live.take(message.clone(), set_back);
        let state = self.live.state();
        let Some((board, resets)) = state.board() else {
            assert!(before.is_none());
            return;
        };
        let expected = match (&before, &message.message) {
            (_, Some(Message::Snapshot(snapshot))) if taken.is_ok() => snapshot.packed.clone(),
            (Some((before, _)), Some(Message::Changes(changes))) if taken == Ok(Heard::News) => {
                changed(before, changes)
            }
            (Some((before, resets_before)), _) => {
                assert_eq!((board.position(), resets), (before.position(), *resets_before));
                before.states().bytes().to_vec()
            }
            (None, _) => unreachable!("a board of nothing"),
        };
        assert_eq!(board.states().bytes(), expected);
        if let Some((before, resets_before)) = before {
            assert!(resets > resets_before || board.position() >= before.position());
        }
    }

    /// A tick: what watchers are shown goes to where the live board is. With `beat`, they get a heartbeat.
    pub fn tick(&mut self, beat: bool) {
        let state = self.live.state();
        let Some((board, resets)) = state.board() else { return };
        self.shown.advance(board, resets);
        self.resets = resets;
        assert_eq!(self.shown.position(), Some(board.position()));
        if beat {
            let trust = state.trust(Instant::now());
            self.shown.heartbeat(trust.as_of, trust.stale);
        }
    }

    /// A watcher takes all its frames; with `anew`, after it came back over a new socket. Panics where it does not see then
    /// what there is.
    pub fn read(&mut self, reader: usize, anew: bool) {
        let Self { live, shown, resets, readers } = self;
        let count = readers.len();
        let reader = &mut readers[reader % count];
        if anew {
            // What it knows of a history that is no more, only a checksum tells.
            let known = reader.seen.as_ref().filter(|seen| seen.resets == *resets);
            reader.cursor = shown.cursor(known.map(|seen| seen.position));
        }
        let frames =
            std::iter::from_fn(|| shown.next_frame(&mut reader.cursor, &reader.view, reader.encoding));
        let frames: Vec<_> = frames.take(FRAMES_MAX + 1).collect();
        assert!(frames.len() <= FRAMES_MAX, "a reader that never has enough");
        for frame in frames {
            reader.take(&frame);
        }
        let Some(seen) = &mut reader.seen else { return };
        seen.resets = *resets;
        let state = live.state();
        if let Some((board, live_resets)) = state.board()
            && (Some(board.position()), live_resets) == (shown.position(), *resets)
        {
            // Who watches some seats may not have been told of versions that changed others.
            assert!(seen.position <= board.position() && seen.position.epoch == board.position().epoch);
            let states = seats(&reader.view).map(|seat| board.states().get(seat));
            assert!(states.eq(seen.states.iter().copied()), "{:?}", reader.view);
        }
    }
}

/// The bytes of a board's states after changes, as simply as it can be said. Who stands in two lists is what the last
/// one says.
fn changed(board: &Board, changes: &SeatChanges) -> Vec<u8> {
    let mut states: Vec<u8> =
        board.states().bytes().iter().flat_map(|b| [b >> 6, b >> 4 & 3, b >> 2 & 3, b & 3]).collect();
    for (seats, state) in [(&changes.free, 0), (&changes.held, 1), (&changes.sold, 2), (&changes.blocked, 3)]
    {
        for seat in seats {
            states[*seat as usize] = state;
        }
    }
    states.chunks(4).map(|four| four[0] << 6 | four[1] << 4 | four[2] << 2 | four[3]).collect()
}

fn seats(view: &View) -> impl Iterator<Item = u32> {
    let all = view.seats == Seats::all(SEATS);
    (0..SEATS).filter(move |seat| all || (3..5).contains(seat) || (40..50).contains(seat))
}

/// A watcher, with what it was told.
struct Reader {
    view: View,
    encoding: Encoding,
    cursor: Cursor,
    seen: Option<Seen>,
}

struct Seen {
    position: Position,
    resets: u64,
    /// Of the watched seats.
    states: Vec<SeatState>,
}

impl Reader {
    fn take(&mut self, frame: &Bytes) {
        let message = match self.encoding {
            Encoding::Bin => {
                WatchSeatsResponse::decode(payload(frame)).expect("binary").message.expect("known")
            }
            Encoding::Json => self.json(&serde_json::from_slice(&payload(frame)).expect("JSON")),
        };
        match message {
            Message::Snapshot(snapshot) => {
                let position = Position::from(&snapshot);
                let states = seat_board::PackedStates::new(snapshot.packed);
                let count = self.view.len();
                let states = (0..count).map(|place| states.get(place)).collect();
                self.seen = Some(Seen { position, resets: 0, states });
            }
            Message::Changes(changes) => self.change(&changes),
            Message::Heartbeat(_) => {}
        }
    }

    fn change(&mut self, changes: &SeatChanges) {
        let seen = self.seen.as_mut().expect("changes of nothing");
        let SeatChanges { epoch, after_version, version, .. } = *changes;
        assert_eq!(seen.position, Position { epoch, version: after_version });
        assert!(version > after_version);
        seen.position.version = version;
        let lists = [&changes.free, &changes.held, &changes.sold, &changes.blocked].into_iter().zip(0..);
        for (seat, state) in lists.flat_map(|(list, state)| list.iter().map(move |seat| (*seat, state))) {
            let place = seats(&self.view).position(|watched| watched == seat);
            match place {
                Some(place) => seen.states[place] = SeatState::from_bits(state),
                // The replica may speak of more seats than the catalog.
                None => assert!(seat >= SEATS, "seat {seat} is not watched"),
            }
        }
    }

    /// What a JSON frame says, in the other form.
    fn json(&self, frame: &Value) -> Message {
        let number = |name: &str| frame[name].as_u64().expect("a number");
        let (epoch, version) = (number("epoch"), number("version"));
        let list = |name: &str| -> Vec<u32> {
            let seats = frame[name].as_array().into_iter().flatten();
            seats.map(|seat| seat.as_u64().expect("a seat") as u32).collect()
        };
        match frame["type"].as_str().expect("a type") {
            "snapshot" => {
                let digits = frame["states"].as_str().expect("digits");
                assert_eq!(digits.len(), self.view.len() as usize);
                let mut states = seat_board::PackedStates::new(vec![0; digits.len().div_ceil(4)]);
                for (place, digit) in (0..).zip(digits.bytes()) {
                    assert!((b'0'..=b'3').contains(&digit));
                    states.set(place, SeatState::from_bits(digit));
                }
                Message::Snapshot(ticketengine::v1::SeatStates {
                    epoch,
                    version,
                    packed: states.bytes().to_vec(),
                })
            }
            "changes" => Message::Changes(SeatChanges {
                epoch,
                after_version: number("after_version"),
                version,
                free: list("free"),
                held: list("held"),
                sold: list("sold"),
                blocked: list("blocked"),
                net: false,
            }),
            _ => {
                Message::Heartbeat(ticketengine::v1::SeatsHeartbeat { epoch, version, ..Default::default() })
            }
        }
    }
}

/// The payload of a whole frame.
fn payload(frame: &Bytes) -> Bytes {
    let mut cursor = std::io::Cursor::new(frame);
    let (header, len) = FrameHeader::parse(&mut cursor).expect("a header").expect("whole");
    let payload = frame.slice(cursor.position() as usize..);
    assert_eq!((payload.len() as u64, header.is_final, header.mask), (len, true, None));
    payload
}
