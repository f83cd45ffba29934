//! Readers that stop reading: they cost the gateway nothing, and then catch up.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use testkit::{
    calls::{Caller, until_definite},
    token::as_role,
};
use ticketengine::v1::{BlockSeatsRequest, UnblockSeatsRequest};
use tokio::{
    net::TcpSocket,
    time::{sleep, timeout},
};

use crate::support::{
    REST_LIMIT,
    follower::Follower,
    holds_within, say,
    socket::{BIN, JSON, Opening, Socket},
    stack::{Stack, Wiring, open_event},
    view::View,
};

const EVENT: &str = "slow";
const SEATS: u32 = 20_000;
const READERS: usize = 200;
/// How long nobody of them reads.
const STALL: Duration = Duration::from_secs(60);
/// Changes before the memory is looked at for the first time, so that nothing is filled for the first time later on.
const WARM_UP: Duration = Duration::from_secs(3);
/// So many seats change at once: a frame of the most bytes.
const BLOCK: u32 = 5_000;
const BLOCK_EVERY: Duration = Duration::from_millis(50);
/// The kernel keeps little for a reader that does not read.
const RECEIVE_BUFFER_BYTES: u32 = 4_096;
/// A queue for each reader would grow by far more.
const GROWTH_MAX_BYTES: u64 = 3 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_cost_nothing_and_catch_up() {
    // Who does not read does not answer pings: with this there are too few of them to be let go for that.
    let stack = Stack::start(Wiring::OwnReplica, &[("TE_HEARTBEAT", "15s")]).await;
    let writer = stack.caller(0);
    open_event(&writer, EVENT, SEATS, Duration::from_secs(600)).await;
    let gateway = stack.gateways[0].address();

    let brisk = Follower::start("brisk".into(), vec![gateway.clone()], EVENT, JSON, None);
    let mut readers = Vec::new();
    for number in 0..READERS {
        let protocol = if number.is_multiple_of(2) { JSON } else { BIN };
        readers.push(stopped(&gateway, protocol).await);
    }
    change(&writer, WARM_UP).await;
    let before = stack.gateways[0].memory_bytes();
    let frames_before = brisk.seen().tally;
    change(&writer, STALL).await;
    let after = stack.gateways[0].memory_bytes();
    let frames = brisk.seen().tally;
    let frames = frames.changes + frames.snapshots - frames_before.changes - frames_before.snapshots;
    let grown = after.saturating_sub(before);
    say(&format!(
        "{READERS} readers that do not read for {STALL:?}, {frames} frames of a snapshot's size meanwhile: \
         the gateway's memory went from {} to {} KiB",
        before / 1024,
        after / 1024
    ));
    // Two bits a seat is the least that a frame can have; what a queue would have held is far over the bound.
    let queued = frames * u64::from(SEATS) / 4 * READERS as u64;
    assert!(queued > 2 * GROWTH_MAX_BYTES, "too few frames for a proof: {frames}");
    assert!(grown < GROWTH_MAX_BYTES, "the gateway grew by {grown} bytes");

    let truth = writer.seat_states(EVENT, SEATS).await.unwrap();
    for (socket, view) in &mut readers {
        catch_up(socket, view, &truth).await;
        assert_eq!((view.tally.gaps, view.tally.diverged), (0, 0));
        let taken = view.tally.changes + view.tally.snapshots;
        assert!(taken < frames, "{taken} frames: the kernel kept them all, nobody was slow");
    }
    let caught_up = holds_within(REST_LIMIT, async || states(&brisk.seen().packed) == truth).await;
    assert!(caught_up, "the brisk reader has it all");
    assert_eq!(brisk.seen().tally.connections, 1, "it was never in trouble");
}

/// A reader that has the first snapshot and reads no more.
async fn stopped(gateway: &str, protocol: &'static str) -> (Socket, View) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
    let stream = socket.connect(gateway.parse().unwrap()).await.unwrap();
    let opening = Opening { event: EVENT, protocols: &[protocol], ..Opening::default() };
    let mut socket = Socket::open_on(stream, gateway, &opening).await.unwrap();
    let mut view = View::default();
    while view.position().is_none() {
        view.take(&socket.next().await.unwrap()).unwrap();
    }
    (socket, view)
}

/// Blocks and unblocks seats, a part of the house at a time.
async fn change(writer: &Caller, length: Duration) {
    let started = Instant::now();
    let mut blocked = HashSet::new();
    for part in (0..SEATS / BLOCK).cycle() {
        if started.elapsed() > length {
            return;
        }
        let (event_id, seat_ids) = (EVENT.to_owned(), (part * BLOCK..(part + 1) * BLOCK).collect());
        if blocked.insert(part) {
            let message = BlockSeatsRequest { event_id, seat_ids };
            let block = async || writer.events().block_seats(as_role("admin", "boss", message.clone())).await;
            until_definite(block).await.unwrap();
        } else {
            blocked.remove(&part);
            let message = UnblockSeatsRequest { event_id, seat_ids };
            let unblock =
                async || writer.events().unblock_seats(as_role("admin", "boss", message.clone())).await;
            until_definite(unblock).await.unwrap();
        }
        sleep(BLOCK_EVERY).await;
    }
}

async fn catch_up(socket: &mut Socket, view: &mut View, truth: &[u8]) {
    let reading = async {
        while states(view.packed()) != truth {
            view.take(&socket.next().await.expect("the gateway kept the socket")).unwrap();
        }
    };
    timeout(REST_LIMIT, reading).await.expect("a reader catches up");
}

/// As numbers, without what fills the last byte.
fn states(packed: &[u8]) -> Vec<u8> {
    (0..packed.len() * 4).map(|seat| packed[seat / 4] >> (6 - 2 * (seat % 4)) & 3).collect()
}
