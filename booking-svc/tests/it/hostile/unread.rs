//! Answers that nobody reads: what waits to be sent is bounded, and whoever does not take it loses the connection.

use std::time::{Duration, Instant};

use booking_svc::{
    booking::Step,
    limits::{ANSWER_WAIT, DEADLINE_DEFAULT},
};
use futures_util::future::join_all;
use prost::Message;
use testkit::calls::Caller;
use ticketengine::v1::GetSeatMapRequest;
use tokio::time::timeout;

use super::{
    bystander::{EVENT, SEATS, beside},
    client::Client,
    frames::{DATA, END_STREAM, MAP, Raw, WINDOW, WINDOW_UPDATE, call, frame, message},
};
use crate::support::{STORE_LIMIT, binary::Doomed, world::World};

/// As many as a connection may have at once.
const STREAMS: usize = 1_000;
/// Thirty-two maps, their making, and what an allocator keeps: not a thousand maps, which are some hundred MiB.
const GROWTH_KIB_MAX: u64 = 96 << 10;
const SLACK: Duration = Duration::from_secs(5);

/// The real binary with a house whose map is some hundred KB.
async fn service(world: &World) -> Doomed {
    let service = Doomed::start(world, Step::CancelDecided).await;
    service.replica.open_event(EVENT, SEATS, Default::default()).await;
    // What one map costs is there before.
    whole_map(&service.replica).await;
    service
}

async fn whole_map(caller: &Caller) -> usize {
    let request = GetSeatMapRequest { event_id: EVENT.into(), states_only: false };
    let map = caller.bookings().max_decoding_message_size(usize::MAX).get_seat_map(request).await.unwrap();
    let layout = map.into_inner().layout.unwrap();
    layout.sections.iter().flat_map(|section| &section.rows).map(|row| row.seats.len()).sum()
}

fn ask(states_only: bool) -> Vec<u8> {
    GetSeatMapRequest { event_id: EVENT.into(), states_only }.encode_to_vec()
}

/// Does `attack` beside a bystander; says what the process has grown by, at most.
async fn grown(service: &Doomed, first_seat: u32, attack: impl Future<Output = ()>) -> u64 {
    let before = service.resident_kib();
    let mut most = 0;
    let watch = async {
        loop {
            most = service.resident_kib().max(most);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    beside(&service.replica, first_seat, async {
        tokio::select! {
            () = attack => {}
            () = watch => {}
        }
    })
    .await;
    most.saturating_sub(before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maps_that_no_window_lets_out_are_bounded_and_end_the_connection() {
    let world = World::new().await;
    let service = service(&world).await;
    for (first_seat, window_bytes) in [(0, 0), (SEATS / 2, 1)] {
        let attack = async {
            let mut client = Client::connect(&service.replica.address, window_bytes).await;
            let began = Instant::now();
            let mut answers = Vec::new();
            for _ in 0..STREAMS {
                answers.push(client.call(MAP, &ask(false)).await);
            }
            // Held, and never read.
            let answers = join_all(answers.into_iter().map(super::client::Begun::answered));
            let ended = async {
                let _held = answers.await;
                client.connection.join_next().await;
            };
            timeout(STORE_LIMIT, ended).await.expect("the connection ends");
            let took = began.elapsed();
            assert!(took < ANSWER_WAIT + DEADLINE_DEFAULT + SLACK, "{took:?}");
        };
        let grown = grown(&service, first_seat, attack).await;
        assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for {STREAMS} maps that nobody reads");
        assert_eq!(whole_map(&service.replica).await, SEATS as usize, "others have places again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maps_that_the_socket_does_not_take_are_bounded_and_end_the_connection() {
    let world = World::new().await;
    let service = service(&world).await;
    let attack = async {
        // All the room that HTTP/2 has, and a socket from which nothing is read.
        let mut raw = Raw::open(&service.replica.address, &[(WINDOW, i32::MAX as u32)]).await;
        let more = (i32::MAX as u32 - 65_535).to_be_bytes();
        raw.send(&frame(WINDOW_UPDATE, 0, 0, &more)).await.unwrap();
        for n in 0..STREAMS as u32 {
            let body = frame(DATA, END_STREAM, 2 * n + 1, &message(false, &ask(false)));
            raw.send(&[call(2 * n + 1, 0, MAP, &[]), body].concat()).await.unwrap();
        }
        tokio::time::sleep(ANSWER_WAIT + SLACK).await;
        assert!(raw.ends_within(SLACK).await, "still open");
    };
    let grown = grown(&service, 0, attack).await;
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for {STREAMS} maps that nobody reads");
    assert_eq!(whole_map(&service.replica).await, SEATS as usize, "others have places again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_that_nobody_reads_give_their_places_back() {
    let world = World::new().await;
    let mut settings = world.settings();
    // Two for calls that are open to all.
    settings.calls_max = 4;
    let a = crate::support::world::Replica::start(settings).await;
    a.open_event(EVENT, SEATS, Default::default()).await;
    let mut client = Client::connect(&a.address, 1).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(client.call(MAP, &ask(true)).await.answered().await.unwrap());
    }
    let states = || a.seat_states(EVENT, 4);
    assert!(states().await.is_err(), "the open places are taken");
    a.reserve(EVENT, "ann", "r", &[1]).await.expect("customers have places of their own");
    let ended = timeout(ANSWER_WAIT + SLACK, client.connection.join_next()).await;
    ended.expect("the connection ends");
    assert_eq!(states().await.unwrap(), [0, 1, 0, 0]);
}
