//! A watcher as clients are: it keeps a board, and takes nothing for granted.

use std::time::{Duration, Instant};

use booking_svc::domain::SeatState;
use seat_board::{Board, Position};
use ticketengine::v1::{
    SeatsHeartbeat, WatchSeatsRequest, WatchSeatsResponse, booking_service_client::BookingServiceClient,
    watch_seats_response::Message,
};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::support::{STORE_LIMIT, world::Replica};

/// How many changes a reader answers for: none.
const REACH: usize = 0;

/// A stream, and the board that its messages make.
pub(crate) struct Reader {
    stream: Streaming<WatchSeatsResponse>,
    event: String,
    board: Option<Board>,
    pub(crate) stale: bool,
    pub(crate) snapshots: usize,
    pub(crate) changes: usize,
    /// How many versions came as changes.
    pub(crate) versions: u64,
    /// Every seat that any changes named.
    pub(crate) touched: usize,
}

impl Reader {
    /// Begins with nothing, over a connection of its own.
    pub(crate) async fn open(replica: &Replica, event: &str) -> Self {
        let stream = watch(replica, event, None).await.unwrap();
        let event = event.to_owned();
        Self { stream, event, board: None, stale: false, snapshots: 0, changes: 0, versions: 0, touched: 0 }
    }

    /// The same, and reads until it has something.
    pub(crate) async fn begun(replica: &Replica, event: &str) -> Self {
        let mut reader = Self::open(replica, event).await;
        reader.read().await.unwrap();
        reader
    }

    /// Goes on at a replica with what it has.
    pub(crate) async fn go_on_at(&mut self, replica: &Replica) -> Result<(), Status> {
        let known = self.board.as_ref().map(Board::position);
        self.stream = watch(replica, &self.event, known).await?;
        Ok(())
    }

    pub(crate) fn position(&self) -> Position {
        self.board.as_ref().unwrap().position()
    }

    pub(crate) fn packed(&self) -> &[u8] {
        self.board.as_ref().unwrap().states().bytes()
    }

    pub(crate) fn state(&self, seat: u32) -> SeatState {
        self.board.as_ref().unwrap().states().get(seat)
    }

    /// Reads and applies one message. Panics where messages do not join up, or a checksum is wrong.
    pub(crate) async fn read(&mut self) -> Result<Message, Status> {
        let read =
            timeout(STORE_LIMIT, self.stream.message()).await.expect("a stream is never silent for long");
        let message = read?.expect("a stream ends with an error").message.unwrap();
        match &message {
            Message::Snapshot(snapshot) => {
                self.snapshots += 1;
                match &mut self.board {
                    None => self.board = Some(Board::new(snapshot.clone(), REACH)),
                    Some(board) => board.restore(snapshot.clone()).unwrap(),
                }
            }
            Message::Changes(changes) => {
                self.changes += 1;
                self.versions += changes.version - changes.after_version;
                let lists = [&changes.free, &changes.held, &changes.sold, &changes.blocked];
                self.touched += lists.map(Vec::len).into_iter().sum::<usize>();
                self.board.as_mut().unwrap().apply(changes).unwrap();
            }
            Message::Heartbeat(heartbeat) => self.beat(heartbeat),
        }
        Ok(message)
    }

    fn beat(&mut self, heartbeat: &SeatsHeartbeat) {
        self.stale = heartbeat.stale;
        let board = self.board.as_ref().expect("something before a heartbeat");
        let at = Position { epoch: heartbeat.epoch, version: heartbeat.version };
        assert!(at <= board.position(), "a heartbeat of what was not told: {at:?}");
        if at == board.position() {
            assert_eq!(heartbeat.checksum, board.checksum(), "the board differs at {at:?}");
        }
    }

    /// Reads until `done`; says how long it took.
    #[track_caller]
    pub(crate) fn until(&mut self, done: impl Fn(&Self) -> bool) -> impl Future<Output = Duration> {
        let caller = std::panic::Location::caller();
        async move {
            let started = Instant::now();
            while !done(self) {
                assert!(started.elapsed() < STORE_LIMIT, "{caller}: not told; at {:?}", self.position());
                self.read().await.unwrap();
            }
            started.elapsed()
        }
    }

    /// Reads until a seat is so.
    #[track_caller]
    pub(crate) fn until_seat(&mut self, seat: u32, state: SeatState) -> impl Future<Output = Duration> {
        self.until(move |reader| reader.state(seat) == state)
    }
}

/// Over a connection of its own, as different callers have.
pub(crate) async fn watch(
    replica: &Replica,
    event: &str,
    known: Option<Position>,
) -> Result<Streaming<WatchSeatsResponse>, Status> {
    let request = WatchSeatsRequest { event_id: event.into(), known: known.map(Into::into) };
    let answer = BookingServiceClient::new(replica.connect()).watch_seats(request).await?;
    Ok(answer.into_inner())
}

/// The next message of a stream.
pub(crate) async fn next(stream: &mut Streaming<WatchSeatsResponse>) -> Message {
    let read = timeout(STORE_LIMIT, stream.message()).await.expect("a stream is never silent for long");
    read.unwrap().expect("a stream ends with an error").message.unwrap()
}
