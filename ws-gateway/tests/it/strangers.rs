//! Those who send too little, or too much.

use std::time::Duration;

use axum::body::Body;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use ws_gateway::limits::{HEADERS_WAIT, HTTP_CONNECTIONS_SPARE};

use crate::{
    gateway::{Gateway, PATIENCE},
    stand_in::StandIn,
};

/// What comes until the gateway closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("still open");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn silence_is_closed() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let begun = Instant::now();
    let silent = rest(gateway.connect().await);
    let half = gateway.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await;
    let idle = gateway.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (_, half, idle) = tokio::join!(silent, rest(half), rest(idle));
    let took = begun.elapsed();
    assert!(!half.contains(" 200 "), "{half}");
    assert!(idle.contains(" 200 "), "{idle}");
    assert!(took >= HEADERS_WAIT && took < HEADERS_WAIT + Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn headers_byte_by_byte_do_not_keep_a_connection() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let (mut reader, mut writer) = gateway.connect().await.into_split();
    let begun = Instant::now();
    let drip = async {
        for byte in b"GET /healthz HTTP/1.1\r\nx-slow: ".iter().chain(std::iter::repeat(&b'x')) {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut bytes = Vec::new();
    let closed = async { reader.read_to_end(&mut bytes).await };
    tokio::select! {
        () = drip => {}
        _ = closed => {}
        () = sleep(PATIENCE) => panic!("still open"),
    }
    assert!(begun.elapsed() < HEADERS_WAIT + Duration::from_secs(2));
}

#[tokio::test]
async fn too_much_is_refused_unread() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let huge = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-huge: {}\r\n\r\n", "x".repeat(64 << 10));
    let answer = rest(gateway.send(huge.as_bytes()).await).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(100));
    assert!(rest(gateway.send(many.as_bytes()).await).await.starts_with("HTTP/1.1 431 "));
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(64 << 10));
    let answer = rest(gateway.send(path.as_bytes()).await).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(
        rest(gateway.send(b"\x16\x03\x01 not HTTP at all\r\n\r\n").await).await.starts_with("HTTP/1.1 400 ")
    );
    // Others are well.
    assert_eq!(gateway.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn beyond_the_last_connection_one_is_turned_away() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &["--connections-max", "1", "--forwarded-hops", "1"]).await;
    let mut open = Vec::new();
    for _ in 0..=HTTP_CONNECTIONS_SPARE {
        open.push(gateway.connect().await);
    }
    let begun = Instant::now();
    let answer = rest(gateway.connect().await).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: "), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    open.clear();
    gateway.until_ready(200).await;
}

#[tokio::test]
async fn one_address_can_not_take_all_connections() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &["--connections-per-address-max", "1"]).await;
    let spare = ws_gateway::limits::HTTP_CONNECTIONS_PER_ADDRESS_SPARE;
    let mut open = Vec::new();
    for _ in 0..=spare {
        open.push(gateway.connect().await);
    }
    assert!(rest(gateway.connect().await).await.starts_with("HTTP/1.1 503 "));
    open.clear();
    gateway.until_ready(200).await;
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let stand_in = StandIn::start();
    let secret = "0123456789abcdef0123456789abcdef";
    let options = ["--demo-jwt-secret", secret, "--jwt-issuer", "i", "--jwt-audience", "a"];
    let gateway = Gateway::of(&stand_in, &options).await;
    let body = format!(r#"{{"customer_id":"{}"}}"#, "x".repeat(8 << 10));
    let request =
        http::Request::post("/v1/demo/token").header("host", "x").header("content-type", "application/json");
    let answer = gateway.ask(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.refusal(), (400, "INVALID_ARGUMENT".into()));
}
