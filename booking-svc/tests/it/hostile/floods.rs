//! Floods of frames: the connection ends, or costs little; who calls over another one notices nothing.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use super::{
    bystander::{EVENT, SEATS, beside},
    frames::{
        ACK, CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAP, PING, Raw, SETTINGS,
        block, call, frame, literal, next, reset,
    },
};
use crate::support::{binary::Doomed, world::World};
use booking_svc::booking::Step;

const RESERVE: &str = "/ticketengine.booking.v1.BookingService/Reserve";
/// Frames of a flood, or pairs of them.
const FLOOD: u32 = 50_000;
/// So many are written at a time.
const BURST: u32 = 100;
/// A flood is written and thought about within this, by two cores that serve other tests too.
const FLOOD_TIME_MAX: Duration = Duration::from_secs(20);
/// A flood that was written and has not ended the connection by then does not.
const FLOOD_REST: Duration = Duration::from_secs(1);
/// What a flood may cost the process: buffers, and what an allocator keeps of them.
const GROWTH_KIB_MAX: u64 = 24 << 10;

/// How a flood ended.
#[derive(Debug)]
struct Flooded {
    /// The code of the GOAWAY, if one came.
    goaway: Option<u32>,
    /// The service hung up.
    ended: bool,
}

/// Writes `FLOOD` times what `next_frames` makes, after `first`, and reads what comes.
async fn flood(raw: Raw, first: &[u8], mut next_frames: impl FnMut(u32) -> Vec<u8>) -> Flooded {
    let (mut reader, mut writer) = raw.0.into_split();
    let mut goaway = None;
    let reading = async {
        while let Some(frame) = next(&mut reader).await {
            if frame.kind == GOAWAY {
                goaway = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
            }
        }
    };
    let writing = async {
        let mut failed = writer.write_all(first).await.is_err();
        for burst in 0..FLOOD / BURST {
            let bytes: Vec<u8> = (burst * BURST..(burst + 1) * BURST).flat_map(&mut next_frames).collect();
            failed = failed || writer.write_all(&bytes).await.is_err();
        }
        // The service may have hung up in the middle, which reading sees.
        sleep(if failed { FLOOD_TIME_MAX } else { FLOOD_REST }).await;
    };
    let both = async {
        tokio::select! {
            () = reading => true,
            () = writing => false,
        }
    };
    let ended = timeout(FLOOD_TIME_MAX, both).await.unwrap_or(false);
    Flooded { goaway, ended }
}

/// The real binary with an event.
async fn service(world: &World) -> Doomed {
    let service = Doomed::start(world, Step::CancelDecided).await;
    service.replica.open_event(EVENT, SEATS, Default::default()).await;
    service
}

/// Floods a service of its own beside a bystander, twice: what the second time takes more is what it costs.
async fn costs_little(flooded: impl AsyncFn(&str) -> Flooded) -> Flooded {
    let world = World::new().await;
    let service = service(&world).await;
    let address = service.replica.address.clone();
    beside(&service.replica, 0, flooded(&address)).await;
    let before = service.resident_kib();
    let result = beside(&service.replica, SEATS / 2, flooded(&address)).await;
    let grown = service.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for {result:?}");
    result
}

/// The number of the nth stream of a client.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_reset_is_ended() {
    let flooded = costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        flood(raw, &[], |n| [call(stream(n), 0, MAP, &[]), reset(stream(n))].concat()).await
    });
    assert_eq!(flooded.await.goaway, Some(CALM));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_that_the_service_is_made_to_send_are_ended() {
    let flooded = costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        // More than its content-length says is an error of the stream, which the service has to reset.
        let wrong = |n| frame(DATA, 0, stream(n), b"two");
        let one = [("content-length", "1")];
        flood(raw, &[], move |n| [call(stream(n), 0, MAP, &one), wrong(n)].concat()).await
    });
    assert_eq!(flooded.await.goaway, Some(CALM));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_an_end_are_ended() {
    let flooded = costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        let first = frame(HEADERS, END_STREAM, 1, &block(MAP, &[]));
        let more = literal(0, "x-more", &"x".repeat(1_000));
        flood(raw, &first, |_| frame(CONTINUATION, 0, 1, &more)).await
    });
    let flooded = flooded.await;
    assert!(flooded.ended && flooded.goaway.is_some(), "{flooded:?}");
    // The same with nothing in them.
    let flooded = costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        let first = frame(HEADERS, END_STREAM, 1, &block(MAP, &[]));
        flood(raw, &first, |_| frame(CONTINUATION, 0, 1, &[])).await
    });
    let flooded = flooded.await;
    assert!(flooded.ended && flooded.goaway == Some(CALM), "{flooded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_bomb_is_not_kept() {
    let flooded = costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        // Kept in HPACK's table once, then named in a byte each time: 4 MB a call.
        let kept = literal(0x40, "x-bomb", &"x".repeat(4_000));
        let bomb = |n| {
            let fields = [block(MAP, &[]), kept.clone(), vec![0x80 | 62; 1_000]].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &fields)
        };
        // A hundredth of a flood: 2 GB.
        flood(raw, &[], |n| if n < FLOOD / 100 { bomb(n) } else { Vec::new() }).await
    });
    assert!(flooded.await.ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_data_is_ended() {
    let flooded = costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        flood(raw, &call(1, 0, MAP, &[]), |_| frame(DATA, 0, 1, &[])).await
    });
    let flooded = flooded.await;
    assert!(flooded.ended && flooded.goaway == Some(CALM), "{flooded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_and_settings_cost_no_memory() {
    costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        flood(raw, &[], |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes())).await
    })
    .await;
    costs_little(async |address| {
        let raw = Raw::open(address, &[]).await;
        // Acknowledgements of what was never sent among them.
        let settings = |n: u32| frame(SETTINGS, if n == 7 { ACK } else { 0 }, 0, &[]);
        flood(raw, &[], settings).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_and_never_reads_costs_no_memory() {
    costs_little(async |address| {
        let mut raw = Raw::open(address, &[]).await;
        // Each asks for an answer that has no place to go.
        let sending = async {
            for n in 0..FLOOD {
                let asked = [frame(PING, 0, 0, &[0; 8]), call(stream(n), END_STREAM, RESERVE, &[])].concat();
                if raw.send(&asked).await.is_err() {
                    return true;
                }
            }
            false
        };
        let ended = timeout(2 * FLOOD_REST, sending).await.unwrap_or(false);
        Flooded { goaway: None, ended }
    })
    .await;
}
