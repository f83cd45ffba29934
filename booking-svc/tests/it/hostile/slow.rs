//! Those who begin and do not go on: each is given up within its bound, and others are served meanwhile.

use std::time::{Duration, Instant};

use booking_svc::limits::{
    DEADLINE_DEFAULT, HTTP2_PING_EVERY, HTTP2_PING_WAIT, OPENING_WAIT, TLS_HANDSHAKE_WAIT,
};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tonic::{
    Code, Status,
    transport::{Identity, ServerTlsConfig},
};

use super::{
    bystander::{EVENT, SEATS, beside},
    client::{Begun, Client},
    frames::{HEADERS, MAP, PREFACE, Raw, SETTINGS, frame},
};
use crate::support::{
    STORE_LIMIT,
    world::{Replica, World},
};

/// Two cores serve other tests too.
const SLACK: Duration = Duration::from_secs(8);
/// So many of each kind at once.
const EACH: usize = 20;
const DRIP_EVERY: Duration = Duration::from_millis(300);

/// Sends `bytes` one by one and then nothing; says how long the connection lasted.
async fn drip(address: &str, bytes: &[u8]) -> Duration {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let began = Instant::now();
    let dripping = async {
        for byte in bytes {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(DRIP_EVERY).await;
        }
        std::future::pending::<()>().await;
    };
    let mut rest = Vec::new();
    let ended = async {
        tokio::select! {
            _ = reader.read_to_end(&mut rest) => {}
            () = dripping => {}
        }
    };
    timeout(STORE_LIMIT * 2, ended).await.expect("it ends");
    began.elapsed()
}

async fn service() -> (World, Replica) {
    let world = World::new().await;
    let replica = world.replica().await;
    replica.open_event(EVENT, SEATS, Default::default()).await;
    (world, replica)
}

#[track_caller]
fn about(took: &[Duration], wait: Duration) {
    // The service's clock began a moment before ours.
    let (from, to) = (wait - Duration::from_millis(200), wait + SLACK);
    assert!(took.iter().all(|took| (from..to).contains(took)), "{took:?}, not {wait:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_begins_http2_is_given_up() {
    let (_world, a) = service().await;
    let half = &PREFACE[..PREFACE.len() / 2];
    // The whole of it, byte by byte, takes longer than it may.
    assert!(DRIP_EVERY * PREFACE.len() as u32 > OPENING_WAIT);
    let kinds = [&b""[..], half, PREFACE];
    let all = join_all(kinds.iter().flat_map(|bytes| (0..EACH).map(|_| drip(&a.address, bytes))));
    about(&beside(&a, 0, all).await, OPENING_WAIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_finishes_a_tls_handshake_is_given_up() {
    let world = World::new().await;
    let mut settings = world.settings();
    let certificate = include_bytes!("testdata/cert.pem");
    let key = include_bytes!("testdata/key.pem");
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    settings.tls = Some(tls.timeout(TLS_HANDSHAKE_WAIT));
    let a = Replica::start(settings).await;
    // The head of a ClientHello of 256 bytes.
    let hello = [&[0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3][..], &[7; 100]].concat();
    for bytes in [&[][..], &hello] {
        let took = join_all((0..EACH).map(|_| drip(&a.address, bytes))).await;
        about(&took, OPENING_WAIT.min(TLS_HANDSHAKE_WAIT));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_drip_for_ever_are_given_up() {
    let (_world, a) = service().await;
    // A frame that is not over by the time a ping has to be answered.
    let begun = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &[0, 0x3f, 0xff, HEADERS, 4, 0, 0, 0, 1]].concat();
    let one = async || {
        let mut raw = Raw::silent(&a.address).await;
        raw.send(&begun).await.unwrap();
        let (mut reader, mut writer) = raw.0.into_split();
        let began = Instant::now();
        let mut rest = Vec::new();
        let dripping = async {
            while writer.write_all(b"x").await.is_ok() {
                sleep(DRIP_EVERY).await;
            }
            std::future::pending::<()>().await;
        };
        let ended = async {
            tokio::select! {
                _ = reader.read_to_end(&mut rest) => {}
                () = dripping => {}
            }
        };
        timeout(STORE_LIMIT * 2, ended).await.expect("it ends");
        began.elapsed()
    };
    let took = beside(&a, 0, join_all((0..EACH).map(|_| one()))).await;
    assert!(took.iter().all(|took| *took < HTTP2_PING_EVERY + HTTP2_PING_WAIT + SLACK), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_ends_has_the_deadline_of_its_call() {
    let (_world, a) = service().await;
    let one = async |body: &'static [u8]| {
        let client = Client::connect(&a.address, 65_535).await;
        let mut begun = client.begin(MAP, &[]).await;
        let began = Instant::now();
        begun.body.send_data(body.into(), false).unwrap();
        // Kept: dropped, it would end the call.
        let Begun { answer, body: _body } = begun;
        let answer = answer.await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        began.elapsed()
    };
    // Half a message, and a message of which nothing came.
    let bodies = [&[0, 0, 0, 0, 9, 1, 2][..], &[]];
    let all = join_all(bodies.into_iter().flat_map(|body| (0..EACH).map(move |_| body)).map(one));
    about(&beside(&a, 0, all).await, DEADLINE_DEFAULT);
}
