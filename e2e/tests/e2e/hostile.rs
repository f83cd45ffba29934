//! Clients that misbehave: each is turned away with the right code, and a socket beside them notices nothing.

use std::time::{Duration, Instant};

use seat_board::Position;
use serde_json::json;
use testkit::frame::Frame;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    REST_LIMIT,
    follower::Follower,
    holds_within, http,
    socket::{BIN, Closed, JSON, Opening, Refused, Socket},
    stack::{HEARTBEAT, Stack, Wiring, open_event},
};

const EVENT: &str = "hostile";
const SEATS: u32 = 400;
/// More than any command has, or may have.
const OVERSIZE_BYTES: usize = 1024 * 1024;
/// Far over the burst of commands that a socket may send.
const FLOOD: usize = 200;
/// A connection that has not said what it wants by then is closed.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// Final text frame, and a mask that changes nothing.
const TEXT: u8 = 0x81;
const MASK: [u8; 4] = [0; 4];

/// Sends bytes that no client should send.
struct Raw(TcpStream);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_misbehaves_is_closed_with_the_right_code_and_nobody_else() {
    let stack = Stack::start(Wiring::OwnReplica, &[]).await;
    let writer = stack.caller(0);
    open_event(&writer, EVENT, SEATS, Duration::from_secs(600)).await;
    let gateway = stack.gateways[0].address();
    let bystander = Follower::start("bystander".into(), vec![gateway.clone()], EVENT, BIN, None);
    // It sends nothing at all, for as long as all the others need.
    let silent = TcpStream::connect(&gateway).await.unwrap();

    let cases: [(&str, Vec<u8>, u16); 8] = [
        ("a frame over the limit", header(TEXT, OVERSIZE_BYTES), 1009),
        ("a message over the limit", fragments(OVERSIZE_BYTES, 1_000), 1009),
        ("a binary command", frame(0x82, b"{}"), 1003),
        ("no UTF-8", frame(TEXT, &[0xff, 0xfe]), 1007),
        ("no mask", vec![TEXT, 2, b'{', b'}'], 1002),
        ("a reserved bit", frame(TEXT | 0x40, b"{}"), 1002),
        ("an unknown opcode", frame(0x83, b"{}"), 1002),
        ("a control frame in pieces", frame(0x09, b"{}"), 1002),
    ];
    for (what, bytes, code) in cases {
        let mut raw = Raw::open(&gateway).await;
        raw.send(&bytes).await;
        assert_eq!(raw.closed().await, Closed(Some(code)), "{what}");
    }
    floods(&gateway).await;
    never_pongs(&gateway).await;
    handshakes(&gateway, silent).await;

    for seat in 0..10 {
        writer.reserve(EVENT, &format!("c{seat}"), "r", &[seat]).await.unwrap();
    }
    let sees = holds_within(REST_LIMIT, async || bystander.seen().packed[..3] == [0x55, 0x55, 0x50]);
    assert!(sees.await, "{:?}", bystander.seen());
    let tally = bystander.seen().tally;
    assert_eq!((tally.connections, tally.gaps, tally.diverged), (1, 0, 0), "nothing happened to it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_served_is_refused_before_the_upgrade() {
    let limits = [("TE_CONNECTIONS_PER_ADDRESS_MAX", "3"), ("TE_ALLOWED_ORIGINS", "https://tickets.example")];
    let stack = Stack::start(Wiring::OwnReplica, &limits).await;
    open_event(&stack.caller(0), EVENT, SEATS, Duration::from_secs(600)).await;
    let gateway = stack.gateways[0].address();

    let good = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
    let refused = [
        (Opening { event: "nothing", ..good.clone() }, (404, "EVENT_NOT_FOUND")),
        (Opening { protocols: &["ticketengine.v9.json"], ..good.clone() }, (400, "SUBPROTOCOL_UNKNOWN")),
        (Opening { section: Some("Nowhere"), ..good.clone() }, (400, "SECTION_UNKNOWN")),
        (Opening { origin: Some("https://evil.example"), ..good.clone() }, (403, "ORIGIN_NOT_ALLOWED")),
    ];
    for (opening, expected) in refused {
        match Socket::open(&gateway, &opening).await {
            Err(Refused::Http { status, reason, .. }) => {
                assert_eq!((status, &*reason), expected, "{opening:?}");
            }
            other => panic!("{opening:?}: {:?}", other.err()),
        }
    }
    let plain = http::get(&gateway, &format!("/v1/events/{EVENT}/seats")).await.unwrap();
    assert_eq!(plain, 426, "a request for no upgrade");

    let accepted = [
        Opening { protocols: &[], ..good.clone() },
        Opening { origin: Some("https://tickets.example"), ..good.clone() },
        Opening { protocols: &["ticketengine.v9.json", BIN], ..good.clone() },
    ];
    let mut places = Vec::new();
    for opening in &accepted {
        places.push(Socket::open(&gateway, opening).await.unwrap());
    }
    match Socket::open(&gateway, &good).await {
        Err(Refused::Http { status: 503, retry_after: Some(_), .. }) => {}
        other => panic!("this address has all its places: {:?}", other.err()),
    }
    // Another address has places of its own.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let elsewhere = socket.connect(gateway.parse().unwrap()).await.unwrap();
    Socket::open_on(elsewhere, &gateway, &good).await.unwrap();
    places.pop();
    let free = holds_within(REST_LIMIT, async || Socket::open(&gateway, &good).await.is_ok());
    assert!(free.await, "a place that is left is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_resumes_gets_only_what_it_lacks() {
    let stack = Stack::start(Wiring::OwnReplica, &[]).await;
    let writer = stack.caller(0);
    open_event(&writer, EVENT, SEATS, Duration::from_secs(600)).await;
    let gateway = stack.gateways[1].address();
    let mut opening = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
    let mut first = Socket::open(&gateway, &opening).await.unwrap();
    let at = first
        .find("a snapshot", |frame| match frame {
            Frame::Snapshot(snapshot) => Some(Position::from(snapshot)),
            _ => None,
        })
        .await;
    drop(first);
    writer.reserve(EVENT, "ann", "r1", &[1, 2]).await.unwrap();
    writer.reserve(EVENT, "ann", "r2", &[3]).await.unwrap();

    opening.known = Some(at);
    let mut second = Socket::open(&gateway, &opening).await.unwrap();
    let mut held = Vec::new();
    let mut after = at.version;
    while held.len() < 3 {
        let changes = second
            .find("changes", |frame| match frame {
                Frame::Changes(changes) => Some(changes.clone()),
                Frame::Snapshot(snapshot) => panic!("not needed: {snapshot:?}"),
                _ => None,
            })
            .await;
        assert_eq!(changes.after_version, after);
        after = changes.version;
        held.extend(changes.held);
    }
    held.sort_unstable();
    assert_eq!(held, [1, 2, 3]);
}

async fn floods(gateway: &str) {
    let opening = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
    let mut socket = Socket::open(gateway, &opening).await.unwrap();
    for number in 0..FLOOD {
        let command = json!({"op": "follow", "id": number.to_string(), "reservation_id": "hostile.1.1"});
        if !socket.send(Message::text(command.to_string())).await {
            break;
        }
    }
    assert_eq!(socket.closed().await, Closed(Some(4002)), "a flood");
}

async fn never_pongs(gateway: &str) {
    let mut raw = Raw::open(gateway).await;
    let started = Instant::now();
    assert_eq!(raw.closed().await, Closed(Some(4001)), "no pong");
    assert!(started.elapsed() >= HEARTBEAT, "it had time to answer");
}

/// Connections that never become WebSockets.
async fn handshakes(gateway: &str, mut silent: TcpStream) {
    let mut half = TcpStream::connect(gateway).await.unwrap();
    half.write_all(b"GET /v1/events/hostile/seats HTTP/1.1\r\nhost: x\r\nupgr").await.unwrap();
    for (what, stream) in [("silent", &mut silent), ("half a request", &mut half)] {
        let mut answer = Vec::new();
        let ended = timeout(HANDSHAKE_MAX, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{what}: still open");
    }
}

impl Raw {
    /// A WebSocket whose frames are written by hand from then on.
    async fn open(gateway: &str) -> Self {
        let opening = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
        Self(Socket::open(gateway, &opening).await.unwrap().into_stream())
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The gateway may have closed before all was sent.
        let _ = self.0.write_all(bytes).await;
    }

    /// Reads frames and answers none, to the end.
    async fn closed(&mut self) -> Closed {
        let reading = async {
            loop {
                let Ok(first) = self.0.read_u8().await else { return Closed(None) };
                let Ok(length) = self.0.read_u8().await else { return Closed(None) };
                let length = match length {
                    126 => usize::from(self.0.read_u16().await.unwrap()),
                    127 => self.0.read_u64().await.unwrap() as usize,
                    length => usize::from(length),
                };
                let mut payload = vec![0; length];
                self.0.read_exact(&mut payload).await.unwrap();
                if first == 0x88 {
                    return Closed(payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]])));
                }
            }
        };
        timeout(REST_LIMIT, reading).await.expect("the gateway closes the socket")
    }
}

/// The beginning of a frame of so many bytes.
fn header(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len());
    bytes.extend(payload);
    bytes
}

/// A text message of `length` bytes in pieces that are each small enough, without its end.
fn fragments(length: usize, piece: usize) -> Vec<u8> {
    let payload = vec![b' '; piece];
    (0..length / piece).flat_map(|index| frame(u8::from(index == 0), &payload)).collect()
}
