//! The ceiling of Reserve: a tonic server that gives one answer, made before, and does nothing else. It runs as a process
//! of its own, as the service does.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::stream::Pending;
use prost::{
    Message,
    bytes::{BufMut, Bytes, BytesMut},
    encoding::{WireType, encode_key},
};
use ticketengine::v1::{
    self as wire, ReserveRequest, ReserveResponse,
    booking_service_server::{BookingService, BookingServiceServer},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, stdin},
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    cli::{Answer, BareServer},
    client::Connections,
    error::Error,
    process::Process,
    report,
};

/// Not among the fields of `google.rpc.Status`.
const CALL_FIELD: u32 = 1_000;
/// How long the server may take to say where it listens.
const START_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// What every Reserve is answered with.
enum Script {
    Granted(Box<ReserveResponse>),
    Refused { message: String, details: Bytes },
}

struct Bare {
    script: Script,
    calls: AtomicU64,
}

impl Bare {
    /// As the service's, details are never the same twice, or HPACK would send them as a number from its table: a field that
    /// nobody knows stands behind them, with the number of the call.
    fn details(&self, made: &[u8]) -> Bytes {
        let mut details = BytesMut::with_capacity(made.len() + 2 * size_of::<u64>());
        details.put_slice(made);
        encode_key(CALL_FIELD, WireType::SixtyFourBit, &mut details);
        details.put_u64_le(self.calls.fetch_add(1, Ordering::Relaxed));
        details.freeze()
    }
}

/// Serves until standard input ends: with its parent.
pub(crate) async fn serve(options: &BareServer) -> Result<(), Error> {
    let bytes = unhex(&options.bytes).ok_or(Error::Bare("--bytes: not hexadecimal"))?;
    let script = match options.answer {
        Answer::Granted => {
            let response =
                ReserveResponse::decode(&*bytes).map_err(|_| Error::Bare("--bytes: no ReserveResponse"))?;
            Script::Granted(Box::new(response))
        }
        Answer::Refused => Script::Refused { message: options.message.clone(), details: bytes.into() },
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    report::print(format_args!("http://{}", listener.local_addr()?))?;
    let parent_gone = async {
        let mut rest = Vec::new();
        let _ = stdin().read_to_end(&mut rest).await; // An error is an end, too.
    };
    let served = Server::builder()
        .add_service(BookingServiceServer::new(Bare { script, calls: AtomicU64::new(0) }))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), parent_gone);
    served.await.map_err(|_| Error::Bare("it can not serve"))
}

/// A running bare server; it ends when this is dropped.
pub(crate) struct BareProcess {
    child: Child,
    address: String,
}

impl BareProcess {
    /// Starts one that answers as the service did.
    pub(crate) async fn start(answer: &Result<ReserveResponse, Status>) -> Result<Self, Error> {
        let (kind, message, bytes) = match answer {
            Ok(granted) => ("granted", String::new(), granted.encode_to_vec()),
            Err(status) => ("refused", status.message().to_owned(), status.details().to_vec()),
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bare", "--answer", kind, "--message", &message, "--bytes", &hex(&bytes)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().ok_or(Error::Bare("it has no output"))?;
        let mut line = String::new();
        let read = timeout(START_WAIT, BufReader::new(out).read_line(&mut line)).await;
        read.map_err(|_| Error::Bare("it does not say where it listens"))??;
        Ok(Self { child, address: line.trim().to_owned() })
    }

    /// Connections to it.
    pub(crate) async fn connect(&self, count: u16) -> Result<Connections, Error> {
        Connections::open(std::slice::from_ref(&self.address), count).await
    }

    /// The process.
    pub(crate) fn process(&self) -> Option<Process> {
        self.child.id().map(Process::numbered)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// The service, with the calls that nobody makes here. One macro: `async_trait` does not look into others.
macro_rules! bare_service {
    ($($name:ident: $request:ident -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl BookingService for Bare {
            type WatchSeatsStream = Pending<Result<wire::WatchSeatsResponse, Status>>;

            async fn reserve(&self, _: Request<ReserveRequest>) -> Result<Response<ReserveResponse>, Status> {
                match &self.script {
                    Script::Granted(response) => Ok(Response::new((**response).clone())),
                    Script::Refused { message, details } => {
                        Err(Status::with_details(Code::FailedPrecondition, message.clone(), self.details(details)))
                    }
                }
            }

            async fn watch_seats(
                &self,
                _: Request<wire::WatchSeatsRequest>,
            ) -> Result<Response<Self::WatchSeatsStream>, Status> {
                Err(Status::unimplemented("bare"))
            }

            $(async fn $name(&self, _: Request<wire::$request>) -> Result<Response<wire::$response>, Status> {
                Err(Status::unimplemented("bare"))
            })*
        }
    };
}

bare_service! {
    extend: ExtendRequest -> ExtendResponse;
    release: ReleaseRequest -> ReleaseResponse;
    confirm: ConfirmRequest -> ConfirmResponse;
    cancel: CancelRequest -> CancelResponse;
    get_reservation: GetReservationRequest -> GetReservationResponse;
    get_booking: GetBookingRequest -> GetBookingResponse;
    list_bookings: ListBookingsRequest -> ListBookingsResponse;
    get_seat_map: GetSeatMapRequest -> GetSeatMapResponse;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_command_line() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)).unwrap(), bytes);
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("012"), None);
    }

    #[tokio::test]
    async fn it_gives_the_answer_that_it_was_told() {
        use tonic_types::{ErrorDetails, StatusExt};
        let details = ErrorDetails::with_error_info("SEAT_UNAVAILABLE", "ticketengine", []);
        let details =
            Status::with_error_details(Code::FailedPrecondition, "taken", details).details().to_vec();
        let script = Script::Refused { message: "taken".into(), details: details.into() };
        let refused = Bare { script, calls: AtomicU64::new(0) };
        let ask = async || refused.reserve(Request::new(ReserveRequest::default())).await.unwrap_err();
        let (first, second) = (ask().await, ask().await);
        assert_eq!((first.code(), first.message()), (Code::FailedPrecondition, "taken"));
        assert_eq!(first.get_details_error_info().unwrap().reason, "SEAT_UNAVAILABLE");
        assert_ne!(first.details(), second.details(), "as the service's, they are never the same");
        let response = ReserveResponse { reservation_token: "t".into(), ..ReserveResponse::default() };
        let script = Script::Granted(Box::new(response.clone()));
        let granted = Bare { script, calls: AtomicU64::new(0) };
        let answer = granted.reserve(Request::new(ReserveRequest::default())).await.unwrap();
        assert_eq!(answer.into_inner(), response);
    }
}
