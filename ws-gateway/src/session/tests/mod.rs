//! A session between a room without a stream and a client in memory.

mod ends;
mod flow;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use ticketengine::v1::{SeatChanges, SeatStates, SeatsHeartbeat, watch_seats_response::Message as Shared};
use tokio::{io::DuplexStream, task::JoinHandle, time::Instant};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::metrics::Metrics;
use crate::{
    http::admission::{Admission, Bounds},
    rooms::testing::{Client, PACE, Stage},
    upstream,
};

const STALL_MAX: Duration = Duration::from_secs(120);
const DRAIN: Duration = Duration::from_secs(10);

fn settings() -> Settings {
    let (heartbeat, metrics) = (PACE.heartbeat, Metrics::unseen());
    Settings { heartbeat, stall_max: STALL_MAX, drain: DRAIN, metrics, reports: Reports::default() }
}

/// What the system would buffer.
const BUFFER_BYTES: usize = 4 << 10;

/// A session and the far end of its stream.
struct Peer {
    far: WebSocketStream<DuplexStream>,
    session: JoinHandle<()>,
    admission: Admission,
    client: Client,
}

fn place(admission: &Admission) -> Place {
    let address = Ipv4Addr::LOCALHOST.into();
    let Ok(connection) = admission.connect(address) else { panic!("full") };
    let Ok(place) = connection.enter(address) else { panic!("full") };
    place
}

fn admission() -> Admission {
    Admission::new(Bounds { sockets_max: 1, sockets_per_address_max: 1, peers_are_clients: true })
}

/// Replicas that nobody calls.
fn no_targets() -> Targets {
    let stop = CancellationToken::new();
    stop.cancel();
    let urls = vec!["http://127.0.0.1:9".parse().unwrap()];
    Targets::new(upstream::Settings { urls, ca: None }, Metrics::unseen(), &TaskTracker::new(), &stop)
}

fn ticket(watcher: Watcher, encoding: Encoding, known: Option<Position>, admission: &Admission) -> Ticket {
    Ticket {
        watcher,
        encoding,
        known,
        targets: no_targets(),
        place: place(admission),
        settings: Arc::new(settings()),
        read_ahead: Bytes::new(),
    }
}

impl Peer {
    async fn new(stage: &Stage, encoding: Encoding, known: Option<Position>) -> Self {
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        let admission = admission();
        let ticket = ticket(stage.enter(), encoding, known, &admission);
        let session = TaskTracker::new().spawn(run(near, ticket));
        let far = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        Self { far, session, admission, client: Client::default() }
    }

    /// After hello, the snapshot and the first heartbeat.
    async fn settled(stage: &Stage) -> Self {
        let mut peer = Self::new(stage, Encoding::Json, None).await;
        assert_eq!(peer.json().await["type"], "hello");
        assert_eq!(peer.json().await["type"], "snapshot");
        assert_eq!(peer.json().await["type"], "heartbeat");
        peer
    }

    /// The next message that is no ping; pings are answered.
    async fn message(&mut self) -> Message {
        loop {
            match self.far.next().await.unwrap().unwrap() {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    async fn json(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Takes the next shared frame over; gives back its type.
    async fn take(&mut self) -> String {
        let json = self.json().await;
        self.client.take(shared(&json));
        json["type"].as_str().unwrap().to_owned()
    }

    /// Sends a message; what was sent before may have ended the session.
    async fn send(&mut self, message: Message) {
        let _ = self.far.send(message).await;
    }

    /// The goodbye, where there is one, and the close code; afterwards the session has ended and its place is free.
    async fn end(mut self) -> (Option<Value>, u16) {
        let mut goodbye = None;
        let code = loop {
            match self.message().await {
                Message::Close(frame) => break u16::from(frame.unwrap().code),
                Message::Text(text) => {
                    let json: Value = serde_json::from_str(&text).unwrap();
                    goodbye = (json["type"] == "goodbye").then_some(json).or(goodbye);
                }
                Message::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        };
        while self.far.next().await.is_some_and(|next| next.is_ok()) {}
        self.session.await.unwrap();
        assert_eq!(self.admission.sockets(), 0);
        (goodbye, code)
    }
}

/// What a shared frame of the JSON protocol says.
fn shared(json: &Value) -> Shared {
    let number = |name: &str| json[name].as_u64().unwrap();
    let (epoch, version) = (number("epoch"), number("version"));
    let seats = |name: &str| -> Vec<u32> {
        json[name].as_array().map_or_else(Vec::new, |seats| {
            assert!(!seats.is_empty());
            seats.iter().map(|seat| seat.as_u64().unwrap() as u32).collect()
        })
    };
    match json["type"].as_str().unwrap() {
        "snapshot" => {
            let states = json["states"].as_str().unwrap().as_bytes();
            let packed =
                states.chunks(4).map(|four| four.iter().fold(0, |byte, digit| byte << 2 | (digit - b'0')));
            Shared::Snapshot(SeatStates { epoch, version, packed: packed.collect() })
        }
        "changes" => Shared::Changes(SeatChanges {
            epoch,
            after_version: number("after_version"),
            version,
            free: seats("free"),
            held: seats("held"),
            sold: seats("sold"),
            blocked: seats("blocked"),
            net: false,
        }),
        "heartbeat" => Shared::Heartbeat(SeatsHeartbeat {
            epoch,
            version,
            checksum: number("checksum") as u32,
            as_of_time: Some(prost_types::Timestamp {
                seconds: json["as_of_ms"].as_i64().unwrap() / 1000,
                nanos: (json["as_of_ms"].as_i64().unwrap() % 1000 * 1_000_000) as i32,
            }),
            stale: json["stale"].as_bool().unwrap_or(false),
        }),
        other => panic!("{other}"),
    }
}

/// A ticket's worth of state, task and all: 10,000 idle sockets are mostly this.
#[test]
fn the_future_of_a_session_is_small() {
    fn size<F>(_: impl FnOnce(tokio::net::TcpStream, Ticket) -> F) -> usize {
        size_of::<F>()
    }
    let bytes = size(run::<tokio::net::TcpStream>);
    assert!(bytes <= 1_024, "{bytes} bytes");
}
