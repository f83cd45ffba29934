use std::time::Duration;

use futures_util::StreamExt;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    gateway::{Gateway, PATIENCE},
    stand_in::StandIn,
};

const SEATS: &str = "/v1/events/gala/seats";

#[tokio::test]
async fn a_stop_lets_nobody_in_and_says_goodbye() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &["--drain", "2s"]).await;
    gateway.until_ready(200).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(gateway.socket(SEATS, &[]).await.ok().unwrap().0);
    }
    gateway.stopping.cancel();
    gateway.until_ready(503).await;
    assert_eq!(gateway.get("/readyz").await.refusal(), (503, "RESTART".into()));
    let late = gateway.socket(SEATS, &[]).await.err().unwrap();
    assert_eq!(late.refusal(), (503, "RESTART".into()));
    assert_eq!(gateway.get("/healthz").await.status, 200);

    let stopping = Instant::now();
    for socket in &mut sockets {
        let last = timeout(PATIENCE, async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    end => panic!("no goodbye: {end:?}"),
                }
            }
        });
        assert_eq!(u16::from(last.await.unwrap().unwrap().code), 1012);
    }
    let address = gateway.address;
    gateway.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}", stopping.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn an_idle_gateway_stops_at_once() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let idle = gateway.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let begun = Instant::now();
    gateway.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(idle);
}
