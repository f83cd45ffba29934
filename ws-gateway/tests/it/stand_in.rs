//! A booking-svc of which a test decides everything: one event, in memory.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use seat_board::Board;
use ticketengine::v1::{
    self, booking_service_server::BookingServiceServer, event_service_server::EventServiceServer,
    watch_seats_response::Message,
};
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};
use tokio_stream::{
    Stream, StreamExt, once,
    wrappers::{IntervalStream, UnboundedReceiverStream},
};
use tokio_util::task::TaskTracker;
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_types::{ErrorDetails, StatusExt};

/// The only event there is.
pub(crate) const EVENT: &str = "gala";
/// Its seats: sections "Stalls" and "Balcony" of two rows of five.
pub(crate) const SEATS: u32 = 20;

/// Two heartbeats of the stand-in.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(200);

/// The board, and who hears of its changes.
type Shared = Mutex<(Board, Vec<UnboundedSender<Message>>)>;
type Watching = Pin<Box<dyn Stream<Item = Result<v1::WatchSeatsResponse, Status>> + Send>>;

/// A running server. It dies when this is dropped, connections and all.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    pub(crate) house: Arc<House>,
    health: HealthReporter,
    runtime: Option<Runtime>,
}

/// What all its connections see.
pub(crate) struct House {
    board: Arc<Shared>,
    /// Calls so far.
    pub(crate) event_calls: AtomicUsize,
    pub(crate) layout_calls: AtomicUsize,
    /// Answers events with UNAVAILABLE while set.
    pub(crate) away: AtomicBool,
    /// Never answers about events that there are not, while set.
    pub(crate) slow: AtomicBool,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        Self::start_on(([127, 0, 0, 1], 0).into())
    }

    /// On the address of one that died.
    pub(crate) fn start_on(address: SocketAddr) -> Self {
        // Of its own, so that nothing is left when it dies.
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let snapshot = v1::SeatStates { epoch: 1, version: 1, packed: vec![0; SEATS as usize / 4] };
        let house = Arc::new(House {
            board: Arc::new(Mutex::new((Board::new(snapshot, 1_000), Vec::new()))),
            event_calls: AtomicUsize::new(0),
            layout_calls: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            slow: AtomicBool::new(false),
        });
        let (health, health_service) = tonic_health::server::health_reporter();
        let router = Server::builder()
            .add_service(health_service)
            .add_service(EventServiceServer::from_arc(Arc::clone(&house)))
            .add_service(BookingServiceServer::from_arc(Arc::clone(&house)));
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
            router.serve_with_incoming(incoming).await.unwrap();
        };
        TaskTracker::new().spawn_on(serve, runtime.handle());
        Self { address, house, health, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn set_serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.health.set_service_status("", status).await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl House {
    /// Changes seats to one state, for all watchers.
    pub(crate) fn hold(&self, seats: &[u32]) {
        let (board, watchers) = &mut *self.board.lock().unwrap();
        let at = board.position();
        let changes = v1::SeatChanges {
            epoch: at.epoch,
            after_version: at.version,
            version: at.version + 1,
            held: seats.to_vec(),
            ..v1::SeatChanges::default()
        };
        board.apply(&changes).unwrap();
        watchers.retain(|watcher| watcher.send(Message::Changes(changes.clone())).is_ok());
    }

    fn watch(&self) -> Watching {
        let (board, watchers) = &mut *self.board.lock().unwrap();
        let (sender, changes) = unbounded_channel();
        watchers.push(sender);
        let beats = IntervalStream::new(tokio::time::interval(HEARTBEAT_EVERY));
        let beats = beats.map({
            let board = Arc::clone(&self.board);
            move |_| beat(&board)
        });
        let news = UnboundedReceiverStream::new(changes).merge(beats);
        let stream = once(Message::Snapshot(board.snapshot())).chain(news);
        Box::pin(stream.map(|message| Ok(v1::WatchSeatsResponse { message: Some(message) })))
    }

    /// Refuses what the test wants refused, and what does not exist.
    fn find(&self, event_id: &str) -> Result<(), Status> {
        if self.away.load(Ordering::SeqCst) {
            return Err(refusal(Code::Unavailable, "BACKEND_UNAVAILABLE"));
        }
        if event_id == EVENT { Ok(()) } else { Err(refusal(Code::NotFound, "EVENT_NOT_FOUND")) }
    }
}

fn beat(board: &Shared) -> Message {
    let (board, _) = &*board.lock().unwrap();
    let at = board.position();
    Message::Heartbeat(v1::SeatsHeartbeat {
        epoch: at.epoch,
        version: at.version,
        checksum: board.checksum(),
        as_of_time: Some(SystemTime::now().into()),
        stale: false,
    })
}

fn refusal(code: Code, reason: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "ticketengine", []);
    Status::with_error_details(code, reason.to_lowercase(), details)
}

fn event() -> v1::Event {
    v1::Event {
        event_id: EVENT.into(),
        name: "Gala".into(),
        venue_name: "Opera".into(),
        currency: "EUR".into(),
        price_categories: vec![v1::PriceCategory { name: "A".into(), price_minor: 4_950 }],
        sales_settings: Some(v1::SalesSettings { seats_per_customer: 8, ..v1::SalesSettings::default() }),
        sales_state: v1::SalesState::Open.into(),
        seat_count: SEATS,
        create_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        update_time: None,
    }
}

fn layout() -> v1::Layout {
    let seat = |number: u32| v1::Seat { label: number.to_string(), ..v1::Seat::default() };
    let row = |label: &str| v1::Row { label: label.into(), seats: (1..=5).map(seat).collect() };
    let section = |name: &str| v1::Section { name: name.into(), rows: vec![row("A"), row("B")] };
    v1::Layout { sections: vec![section("Stalls"), section("Balcony")] }
}

/// A service with the calls that are written out, and refusals for the others.
macro_rules! service {
    ($service:path { $($written:tt)* } else { $($name:ident: $request:ident -> $response:ident),* $(,)? }) => {
        #[tonic::async_trait]
        impl $service for House {
            $($written)*
            $(async fn $name(&self, _: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                Err(refusal(Code::Unimplemented, "UNIMPLEMENTED"))
            })*
        }
    };
}

service!(v1::event_service_server::EventService {
    async fn get_event(
        &self,
        request: Request<v1::GetEventRequest>,
    ) -> Result<Response<v1::GetEventResponse>, Status> {
        self.event_calls.fetch_add(1, Ordering::SeqCst);
        if self.slow.load(Ordering::SeqCst) && request.get_ref().event_id != EVENT {
            std::future::pending::<()>().await;
        }
        self.find(&request.get_ref().event_id)?;
        Ok(Response::new(v1::GetEventResponse { event: Some(event()) }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        match &*request.get_ref().page_token {
            "" => Ok(Response::new(v1::ListEventsResponse {
                events: vec![event()],
                next_page_token: format!("after-{}", request.get_ref().page_size),
            })),
            "bad" => Err(refusal(Code::InvalidArgument, "INVALID_ARGUMENT")),
            _ => Ok(Response::new(v1::ListEventsResponse::default())),
        }
    }
} else {
    create_event: CreateEventRequest -> CreateEventResponse,
    update_event: UpdateEventRequest -> UpdateEventResponse,
    open_sales: OpenSalesRequest -> OpenSalesResponse,
    close_sales: CloseSalesRequest -> CloseSalesResponse,
    block_seats: BlockSeatsRequest -> BlockSeatsResponse,
    unblock_seats: UnblockSeatsRequest -> UnblockSeatsResponse,
});

service!(v1::booking_service_server::BookingService {
    type WatchSeatsStream = Watching;

    async fn get_seat_map(
        &self,
        request: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::GetSeatMapResponse>, Status> {
        self.layout_calls.fetch_add(1, Ordering::SeqCst);
        self.find(&request.get_ref().event_id)?;
        let states = self.board.lock().unwrap().0.snapshot();
        Ok(Response::new(v1::GetSeatMapResponse { layout: Some(layout()), states: Some(states) }))
    }

    async fn watch_seats(
        &self,
        request: Request<v1::WatchSeatsRequest>,
    ) -> Result<Response<Watching>, Status> {
        self.find(&request.get_ref().event_id)?;
        Ok(Response::new(self.watch()))
    }
} else {
    reserve: ReserveRequest -> ReserveResponse,
    extend: ExtendRequest -> ExtendResponse,
    release: ReleaseRequest -> ReleaseResponse,
    confirm: ConfirmRequest -> ConfirmResponse,
    cancel: CancelRequest -> CancelResponse,
    get_reservation: GetReservationRequest -> GetReservationResponse,
    get_booking: GetBookingRequest -> GetBookingResponse,
    list_bookings: ListBookingsRequest -> ListBookingsResponse,
});
