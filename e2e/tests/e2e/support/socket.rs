//! A WebSocket to a gateway.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, header::ORIGIN};
use seat_board::{Position, SeatState};
use serde_json::Value;
use testkit::{
    frame::{self, Frame},
    token::access_token,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, handshake::client::generate_key},
};

use super::view::View;

/// The readable encoding.
pub(crate) const JSON: &str = "ticketengine.v1.json";
/// The packed encoding.
pub(crate) const BIN: &str = "ticketengine.v1.bin";
/// How long a frame that must come may take.
const FRAME_LIMIT: Duration = Duration::from_secs(20);

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening<'a> {
    pub(crate) event: &'a str,
    /// Subprotocols that are offered; none is allowed.
    pub(crate) protocols: &'a [&'a str],
    pub(crate) known: Option<Position>,
    pub(crate) section: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
}

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum Refused {
    /// An answer that is no upgrade: status, `Retry-After`, and the reason in its body.
    Http { status: u16, retry_after: Option<String>, reason: String },
    /// No answer.
    Gone,
}

/// How a socket ended: with a close code, or without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) Option<u16>);

/// An open socket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// What its frames make.
    pub(crate) view: View,
    /// Private frames that were read while waiting for something else.
    passed_over: Vec<Frame>,
}

impl Socket {
    /// Opens one at `gateway` (host:port).
    pub(crate) async fn open(gateway: &str, opening: &Opening<'_>) -> Result<Self, Refused> {
        let stream = TcpStream::connect(gateway).await.map_err(|_| Refused::Gone)?;
        Self::open_on(stream, gateway, opening).await
    }

    /// Opens one on a connection that is there.
    pub(crate) async fn open_on(
        stream: TcpStream,
        gateway: &str,
        opening: &Opening<'_>,
    ) -> Result<Self, Refused> {
        stream.set_nodelay(true).unwrap();
        match timeout(FRAME_LIMIT, client_async(opening.request(gateway), stream)).await {
            Ok(Ok((stream, _))) => Ok(Self { stream, view: View::default(), passed_over: Vec::new() }),
            Ok(Err(tungstenite::Error::Http(answer))) => {
                let retry_after = answer.headers().get("retry-after");
                let body = answer.body().as_deref().unwrap_or_default();
                let error: Value = serde_json::from_slice(body).unwrap_or_default();
                Err(Refused::Http {
                    status: answer.status().as_u16(),
                    retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
                    reason: error["error"]["reason"].as_str().unwrap_or_default().to_owned(),
                })
            }
            _ => Err(Refused::Gone),
        }
    }

    /// The next frame, whenever it comes. Pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Result<Frame, Closed> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(frame::text(&text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(frame::binary(&bytes)),
                Some(Ok(Message::Close(close))) => {
                    return Err(Closed(close.map(|close| close.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Closed(None)),
            }
        }
    }

    /// The first private frame that `wanted` finds something in, passed over before or yet to come. Shared frames go into
    /// the view.
    pub(crate) async fn find<T>(&mut self, what: &str, wanted: impl Fn(&Frame) -> Option<T>) -> T {
        if let Some(found) = self.passed_over(&wanted) {
            return found;
        }
        let finding = async {
            loop {
                let frame =
                    self.next().await.unwrap_or_else(|closed| panic!("waiting for {what}: {closed:?}"));
                match wanted(&frame) {
                    Some(found) => return found,
                    None => self.keep(frame),
                }
            }
        };
        timeout(FRAME_LIMIT, finding).await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    /// The same among the frames that were passed over.
    pub(crate) fn passed_over<T>(&mut self, wanted: impl Fn(&Frame) -> Option<T>) -> Option<T> {
        let mut frames = self.passed_over.iter().enumerate();
        let (at, found) = frames.find_map(|(at, frame)| Some((at, wanted(frame)?)))?;
        self.passed_over.remove(at);
        Some(found)
    }

    /// Waits until the view has a seat in this state.
    pub(crate) async fn sees(&mut self, seat: u32, state: SeatState) {
        let seeing = async {
            while self.view.state(seat) != Some(state) {
                let frame = self.next().await.expect("the socket is open");
                self.keep(frame);
            }
        };
        let seen = timeout(FRAME_LIMIT, seeing).await;
        assert!(seen.is_ok(), "seat {seat} is never {state:?} but {:?}", self.view.state(seat));
    }

    fn keep(&mut self, frame: Frame) {
        match frame {
            Frame::Snapshot(_) | Frame::Changes(_) | Frame::Heartbeat(_) => {
                self.view.take(&frame).expect("frames join up");
            }
            _ => self.passed_over.push(frame),
        }
    }

    /// Reads to the end of the socket, and says how it ended.
    pub(crate) async fn closed(&mut self) -> Closed {
        let ending = async {
            loop {
                if let Err(closed) = self.next().await {
                    return closed;
                }
            }
        };
        timeout(FRAME_LIMIT, ending).await.expect("the gateway closes the socket")
    }

    /// Sends any message; false where the socket is closed.
    pub(crate) async fn send(&mut self, message: Message) -> bool {
        self.stream.send(message).await.is_ok()
    }

    /// Sends a command and waits for its reply.
    pub(crate) async fn command(&mut self, command: Value) -> Value {
        let id = command["id"].clone();
        assert!(self.send(Message::text(command.to_string())).await, "the socket is open");
        self.find(&command.to_string(), |frame| match frame {
            Frame::Reply(reply) if reply["id"] == id => Some(reply.clone()),
            _ => None,
        })
        .await
    }

    /// Says who one is.
    pub(crate) async fn authenticate(&mut self, customer: &str) {
        let token = access_token(customer, &["customer"]);
        let reply =
            self.command(serde_json::json!({"op": "authenticate", "id": "auth", "token": token})).await;
        assert_eq!(reply["customer_id"], customer, "{reply}");
    }

    /// The bytes below.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

impl Opening<'_> {
    fn request(&self, gateway: &str) -> Request<()> {
        let mut path = format!("ws://{gateway}/v1/events/{}/seats", self.event);
        let position = self.known.map(|at| format!("epoch={}&version={}", at.epoch, at.version));
        let section = self.section.map(|name| format!("section={name}"));
        for (index, pair) in position.into_iter().chain(section).enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(&pair);
        }
        let mut request = Request::get(path)
            .header("host", gateway)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key());
        if !self.protocols.is_empty() {
            request = request.header("sec-websocket-protocol", self.protocols.join(", "));
        }
        if let Some(origin) = self.origin {
            request = request.header(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        request.body(()).unwrap()
    }
}
