//! Replicas of the service in memory, of which a test decides what they say.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use seat_board::{Board, Missing, Position};
use ticketengine::v1::{
    self, SeatChanges, SeatStates, SeatsHeartbeat, WatchSeatsRequest, WatchSeatsResponse,
    booking_service_server::{BookingService, BookingServiceServer},
    watch_seats_response::Message,
};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// Between two looks at the board.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks from one heartbeat to the next: the service's second would make the tests slow.
const HEARTBEAT_LOOKS: u32 = 10;

/// What a replica knows and how it behaves.
pub(super) struct House {
    board: Arc<Mutex<Board>>,
    /// With which position each stream began.
    pub(super) began: Mutex<Vec<Option<Position>>>,
    /// Says nothing any more, and keeps its streams open.
    pub(super) silent: AtomicBool,
    /// Heartbeats have a wrong checksum.
    pub(super) wrong: AtomicBool,
    /// Leaves out the first version of changes.
    pub(super) skips: AtomicBool,
    /// Heartbeats say that there may be news that the replica does not know.
    pub(super) cut_off: AtomicBool,
    /// Heartbeats are of the version before.
    pub(super) behind: AtomicBool,
    /// No stream begins.
    pub(super) refuses: Mutex<Option<Status>>,
}

impl House {
    /// 64 seats at a version of epoch 1.
    pub(super) fn at(version: u64) -> Arc<Self> {
        let board = Board::new(SeatStates { epoch: 1, version, packed: vec![0; 16] }, 1_000);
        Self::with(Arc::new(Mutex::new(board)))
    }

    /// Another one that knows the same.
    pub(super) fn twin(&self) -> Arc<Self> {
        Self::with(Arc::clone(&self.board))
    }

    fn with(board: Arc<Mutex<Board>>) -> Arc<Self> {
        let off = || AtomicBool::new(false);
        Arc::new(Self {
            board,
            began: Mutex::default(),
            silent: off(),
            wrong: off(),
            skips: off(),
            cut_off: off(),
            behind: off(),
            refuses: Mutex::default(),
        })
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap()
    }

    /// Holds the next seat.
    pub(super) fn change(&self) {
        let mut board = self.board();
        let Position { epoch, version: after_version } = board.position();
        let held = vec![after_version as u32 % 64];
        let version = after_version + 1;
        board.apply(&SeatChanges { epoch, after_version, version, held, ..SeatChanges::default() }).unwrap();
    }

    fn is(&self, flag: &AtomicBool) -> bool {
        flag.load(Ordering::SeqCst)
    }

    /// What a stream says next to a reader who has `known`.
    fn says(&self, known: &mut Option<Position>, looks: u32) -> Option<Message> {
        let board = self.board();
        let missing = known.map_or(Missing::Snapshot, |known| board.since(known));
        let says = match missing {
            Missing::Changes(mut changes) => {
                changes.after_version += u64::from(self.is(&self.skips));
                Some(Message::Changes(changes))
            }
            // The service waits a second; here, until the next heartbeat.
            Missing::Snapshot => Some(Message::Snapshot(board.snapshot())),
            Missing::Ahead if looks.is_multiple_of(HEARTBEAT_LOOKS) && looks > 0 => {
                Some(Message::Snapshot(board.snapshot()))
            }
            Missing::Nothing if looks.is_multiple_of(HEARTBEAT_LOOKS) => {
                let Position { epoch, version } = board.position();
                let checksum = board.checksum() ^ u32::from(self.is(&self.wrong));
                let as_of_time = Some(std::time::SystemTime::now().into());
                let version = version - u64::from(self.is(&self.behind));
                let stale = self.is(&self.cut_off);
                Some(Message::Heartbeat(SeatsHeartbeat { epoch, version, checksum, as_of_time, stale }))
            }
            Missing::Ahead | Missing::Nothing => None,
        };
        if says.is_some() {
            *known = Some(board.position());
        }
        says
    }
}

/// A replica that listens; it dies when this is dropped.
pub(super) struct Replica {
    pub(super) url: String,
    stop: CancellationToken,
}

impl Replica {
    pub(super) async fn of(house: &Arc<House>) -> Self {
        Self::with(house, Server::builder()).await
    }

    pub(super) async fn with(house: &Arc<House>, mut server: Server) -> Self {
        let address: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (_, health) = tonic_health::server::health_reporter();
        let stop = CancellationToken::new();
        let service = Service { house: Arc::clone(house), stop: stop.clone() };
        let server = server
            .add_service(health)
            .add_service(BookingServiceServer::new(service))
            .serve_with_incoming(TcpIncoming::from(listener));
        let dies = stop.clone();
        TaskTracker::new().spawn(async move { dies.run_until_cancelled(server).await });
        Self { url, stop }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Service {
    house: Arc<House>,
    stop: CancellationToken,
}

/// A call that no stream makes, as `async_trait` would write it.
macro_rules! refuse {
    ($($name:ident: $request:ident -> $response:ident),* $(,)?) => {$(
        fn $name<'a, 'b>(
            &'a self,
            _: Request<v1::$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<v1::$response>, Status>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented("not here")) })
        }
    )*};
}

#[tonic::async_trait]
impl BookingService for Service {
    type WatchSeatsStream = Pin<Box<dyn Stream<Item = Result<WatchSeatsResponse, Status>> + Send>>;

    async fn watch_seats(
        &self,
        request: Request<WatchSeatsRequest>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        let house = Arc::clone(&self.house);
        let mut known = request.into_inner().known.map(Position::from);
        house.began.lock().unwrap().push(known);
        if let Some(status) = house.refuses.lock().unwrap().clone() {
            return Err(status);
        }
        let (says, messages) = mpsc::channel(1);
        let speak = async move {
            for looks in 0.. {
                if !house.is(&house.silent)
                    && let Some(message) = house.says(&mut known, looks)
                    && says.send(Ok(WatchSeatsResponse { message: Some(message) })).await.is_err()
                {
                    return;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let dies = self.stop.clone();
        TaskTracker::new().spawn(async move { dies.run_until_cancelled(speak).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    refuse! {
        reserve: ReserveRequest -> ReserveResponse,
        extend: ExtendRequest -> ExtendResponse,
        release: ReleaseRequest -> ReleaseResponse,
        confirm: ConfirmRequest -> ConfirmResponse,
        cancel: CancelRequest -> CancelResponse,
        get_reservation: GetReservationRequest -> GetReservationResponse,
        get_booking: GetBookingRequest -> GetBookingResponse,
        list_bookings: ListBookingsRequest -> ListBookingsResponse,
        get_seat_map: GetSeatMapRequest -> GetSeatMapResponse,
    }
}
