//! Little that becomes much: it is refused before it does.

use std::io::Write;

use booking_svc::{booking::Step, limits::BOOKING_REQUEST_BYTES_MAX};
use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use tonic::Code;

use super::{
    bystander::{EVENT, SEATS, beside},
    client::Client,
    frames::{MAP, message},
};
use crate::support::{binary::Doomed, world::World};

const CREATE: &str = "/ticketengine.booking.v1.EventService/CreateEvent";
const BOMB_BYTES: usize = 10 << 20;
const BOMBS: usize = 100;
/// A hundred packed bombs and what serves them; not a hundred that went off, which are 1 GB.
const GROWTH_KIB_MAX: u64 = 48 << 10;
/// Room for all that is read here.
const WINDOW_BYTES: u32 = 1 << 20;

fn bomb() -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::best());
    zip.write_all(&vec![0; BOMB_BYTES]).unwrap();
    zip.finish().unwrap()
}

/// What a hundred calls at once hear that send this; all the same, and the process does not grow by it.
async fn heard(service: &Doomed, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Code {
    let client = Client::connect(&service.replica.address, WINDOW_BYTES).await;
    let before = service.resident_kib();
    let mut calls = Vec::new();
    for _ in 0..BOMBS {
        let mut begun = client.begin(path, headers).await;
        // It may have been refused already.
        let _ = begun.body.send_data(body.to_vec().into(), true);
        calls.push(begun.refused());
    }
    let mut codes = join_all(calls).await;
    codes.dedup();
    let grown = service.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
    assert_eq!(codes.len(), 1, "{codes:?}");
    codes[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_compressed_is_never_inflated() {
    let world = World::new().await;
    let service = Doomed::start(&world, Step::CancelDecided).await;
    service.replica.open_event(EVENT, SEATS, Default::default()).await;
    let packed = message(true, &bomb());
    assert!(packed.len() < 16 << 10, "{} bytes", packed.len());
    beside(&service.replica, 0, async {
        for encoding in ["gzip", "deflate", "zstd", "br"] {
            let code = heard(&service, MAP, &[("grpc-encoding", encoding)], &packed).await;
            assert_eq!(code, Code::Unimplemented, "{encoding}");
        }
        // Marked as compressed, and not said how.
        assert_eq!(heard(&service, MAP, &[], &packed).await, Code::InvalidArgument);
        // Not marked: the bytes are no message.
        assert_eq!(heard(&service, MAP, &[], &message(false, &bomb())).await, Code::InvalidArgument);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_is_not_believed() {
    let world = World::new().await;
    let service = Doomed::start(&world, Step::CancelDecided).await;
    service.replica.open_event(EVENT, SEATS, Default::default()).await;
    let claims = |bytes: u32| [&[0][..], &bytes.to_be_bytes(), b"little"].concat();
    beside(&service.replica, 0, async {
        for bytes in [BOOKING_REQUEST_BYTES_MAX as u32 + 1, u32::MAX] {
            assert_eq!(heard(&service, MAP, &[], &claims(bytes)).await, Code::ResourceExhausted, "{bytes}");
        }
        // Strangers are refused before anything of theirs is read.
        assert_eq!(heard(&service, CREATE, &[], &claims(32 << 20)).await, Code::Unauthenticated);
    })
    .await;
}
