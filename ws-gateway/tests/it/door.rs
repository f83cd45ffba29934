use axum::body::Body;
use futures_util::StreamExt;

use tokio::{io::AsyncReadExt, time::timeout};

use crate::{
    gateway::{Gateway, PATIENCE},
    stand_in::StandIn,
};

const SEATS: &str = "/v1/events/gala/seats";
const PROTOCOL: &str = "sec-websocket-protocol";

#[tokio::test]
async fn a_socket_opens_and_says_hello() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &["--heartbeat", "7s"]).await;
    let table = [
        ("", &[][..], ""),
        ("", &[(PROTOCOL, "ticketengine.v1.bin")], "ticketengine.v1.bin"),
        ("?epoch=1&version=1", &[(PROTOCOL, "chat, ticketengine.v1.json")], "ticketengine.v1.json"),
        ("?section=Balcony&section=Stalls", &[], ""),
    ];
    for (query, headers, protocol) in table {
        let (mut socket, answer) = gateway.socket(&format!("{SEATS}{query}"), headers).await.ok().unwrap();
        let chosen = answer.headers().get(PROTOCOL).map_or("", |value| value.to_str().unwrap());
        assert_eq!(chosen, protocol, "{query}");
        let hello = socket.next().await.unwrap().unwrap();
        assert_eq!(hello.to_text().unwrap(), r#"{"type":"hello","event_id":"gala","heartbeat_ms":7000}"#);
    }
}

#[tokio::test]
async fn what_comes_right_behind_the_request_is_not_lost() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let request = format!(
        "GET {SEATS} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // A ping of two bytes, under a mask of zeros.
    let mut stream = gateway.send(&[request.as_bytes(), b"\x89\x82\0\0\0\0hi"].concat()).await;
    let mut read = Vec::new();
    let pong = async {
        while !read.windows(4).any(|bytes| bytes == b"\x8a\x02hi") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "closed");
        }
    };
    timeout(PATIENCE, pong).await.expect("no pong");
    assert!(read.starts_with(b"HTTP/1.1 101 "));
}

#[tokio::test]
async fn compression_is_not_agreed_to_and_what_is_compressed_is_not_inflated() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let request = format!(
        "GET {SEATS} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // A deflated "{}", marked as such by the first reserved bit, under a mask of zeros.
    let mut stream = gateway.send(&[request.as_bytes(), b"\xc1\x84\0\0\0\0\xab\xae\x05\0"].concat()).await;
    let mut read = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("still open").unwrap();
    let head = String::from_utf8_lossy(&read).to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-extensions"), "{head}");
    // Close, code 1002.
    assert!(read.windows(4).any(|bytes| matches!(bytes, [0x88, _, 0x03, 0xea])), "{read:?}");
}

#[tokio::test]
async fn a_socket_of_a_section_sees_its_seats_change() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let path = format!("{SEATS}?section=Balcony");
    let (mut socket, _) = gateway.socket(&path, &[]).await.ok().unwrap();
    // One state a seat, of the ten seats of the section: what is smaller than their changes is a snapshot.
    let (before, after) = (r#""states":"0000000000""#, r#""states":"1000000001""#);
    let frames = async {
        while !socket.next().await.unwrap().unwrap().to_text().unwrap().contains(before) {}
        stand_in.house.hold(&[3, 10, 19]);
        while !socket.next().await.unwrap().unwrap().to_text().unwrap().contains(after) {}
    };
    timeout(PATIENCE, frames).await.expect("nothing changes");
}

#[tokio::test]
async fn what_is_wrong_is_said_before_the_upgrade() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let table = [
        ("/v1/events/other/seats", &[][..], (404, "EVENT_NOT_FOUND")),
        (SEATS, &[("origin", "https://evil.example")], (403, "ORIGIN_NOT_ALLOWED")),
        (SEATS, &[("origin", "null")], (403, "ORIGIN_NOT_ALLOWED")),
        (SEATS, &[(PROTOCOL, "graphql-ws, chat")], (400, "SUBPROTOCOL_UNKNOWN")),
        ("/v1/events/gala/seats?section=Boxes", &[], (400, "SECTION_UNKNOWN")),
        ("/v1/events/gala/seats?epoch=1", &[], (400, "INVALID_ARGUMENT")),
        ("/v1/events/gala/seats?epoch=x&version=1", &[], (400, "INVALID_ARGUMENT")),
        ("/v1/events/gala/seats?epoch=1&version=18446744073709551616", &[], (400, "INVALID_ARGUMENT")),
    ];
    for (path, headers, (status, reason)) in table {
        let answer = gateway.socket(path, headers).await.err().unwrap();
        assert_eq!(answer.refusal(), (status, reason.to_owned()), "{path} {headers:?}");
    }
    let own = format!("http://{}", gateway.address);
    assert!(gateway.socket(SEATS, &[("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn a_plain_request_learns_that_it_is_a_socket() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let answer = gateway.get(SEATS).await;
    assert_eq!(answer.refusal(), (426, "UPGRADE_REQUIRED".into()));
    assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), ("websocket", "13"));
    let old = gateway.request(SEATS).header("connection", "upgrade").header("upgrade", "websocket");
    let old =
        old.header("sec-websocket-version", "8").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(
        gateway.ask(old.body(Body::empty()).unwrap()).await.refusal(),
        (426, "UPGRADE_REQUIRED".into())
    );
    let post = http::Request::post(SEATS).header("host", "x").body(Body::empty()).unwrap();
    assert_eq!(gateway.ask(post).await.status, 405);
}

#[tokio::test]
async fn who_comes_too_many_is_refused_and_the_place_comes_back() {
    let stand_in = StandIn::start();
    let options = ["--connections-max", "2", "--connections-per-address-max", "1", "--forwarded-hops", "1"];
    let gateway = Gateway::of(&stand_in, &options).await;
    let first = gateway.socket(SEATS, &[("x-forwarded-for", "192.0.2.1")]).await.ok().unwrap();
    let full = gateway.socket(SEATS, &[("x-forwarded-for", "192.0.2.66, 192.0.2.1")]).await.err().unwrap();
    assert_eq!(full.refusal(), (503, "OVERLOADED".into()));
    assert!(
        full.text().contains("your address") && !full.header("retry-after").is_empty(),
        "{}",
        full.text()
    );
    let _second = gateway.socket(SEATS, &[("x-forwarded-for", "192.0.2.2")]).await.ok().unwrap();
    let full = gateway.socket(SEATS, &[("x-forwarded-for", "192.0.2.3")]).await.err().unwrap();
    assert!(full.text().contains("gateway is full"), "{}", full.text());
    // HTTP still works, and a refusal of another kind does not use up a place.
    assert_eq!(gateway.get("/healthz").await.status, 200);
    drop(first);
    let again = async {
        while gateway.socket(SEATS, &[("x-forwarded-for", "192.0.2.1")]).await.is_err() {
            let unknown = gateway.socket("/v1/events/other/seats", &[("x-forwarded-for", "192.0.2.9")]).await;
            assert!(unknown.is_err());
        }
    };
    timeout(PATIENCE, again).await.expect("the place is gone");
}
