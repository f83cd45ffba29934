//! Level 0: a replica repeats refusals of the gate from its board, and never a wrong one.

use std::time::{Duration, Instant};

use booking_svc::identity::Role;
use ticketengine::v1::{CloseSalesRequest, ReservationState, ReserveRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    STORE_LIMIT,
    calls::{Held, refused, retry_after, until_definite},
    proxy::Proxy,
    world::{Replica, World, as_customer, as_role, hold_ttl},
};

fn level(status: &Status) -> String {
    status.get_details_error_info().unwrap().metadata["level"].clone()
}

/// The refusal of a new request, and who refused.
async fn loses(replica: &Replica, customer: &str, seats: &[u32]) -> (String, Status) {
    let request = format!("{customer}-{:x}", rand::random::<u64>());
    let lost = replica.reserve("rock", customer, &request, seats).await;
    let lost = refused(lost, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
    (level(&lost), lost)
}

/// Asks until the board refuses.
async fn until_board(replica: &Replica, seats: &[u32]) -> Status {
    let begun = Instant::now();
    loop {
        let (level, lost) = loses(replica, "eve", seats).await;
        if level == "board" {
            return lost;
        }
        assert!(begun.elapsed() < STORE_LIMIT, "the board refuses nothing");
    }
}

/// Two replicas, and seat 3 held by ann.
async fn held(ttl: Duration) -> (World, Replica, Replica, Held) {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 10, hold_ttl(ttl)).await;
    let ann = a.reserve("rock", "ann", "r", &[3]).await.unwrap();
    (world, a, b, ann)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_board_says_what_the_gate_said() {
    let (_world, _a, b, ann) = held(LONG).await;
    let (by, gate) = loses(&b, "bob", &[2, 3]).await;
    assert_eq!(by, "gate");
    let board = until_board(&b, &[2, 3]).await;
    assert_eq!(gate.message(), board.message());
    let seats = |status: &Status| -> Vec<[String; 3]> {
        let violations = status.get_details_precondition_failure().unwrap().violations;
        violations.into_iter().map(|seat| [seat.r#type, seat.subject, seat.description]).collect()
    };
    assert_eq!(seats(&gate), seats(&board));
    assert!(seats(&board)[0][2].contains(&ann.reservation.expire_time.unwrap().to_string()));
    let wait = |status: &Status| retry_after(status).unwrap();
    assert!(wait(&board) <= wait(&gate) && wait(&board) > LONG / 2);
    assert_eq!(b.seat_states("rock", 4).await.unwrap(), [0, 0, 0, 1], "nothing was held");
}

#[tokio::test]
async fn a_repeat_of_the_call_that_has_the_seat_finds_its_reservation() {
    let (_world, a, b, ann) = held(LONG).await;
    until_board(&b, &[3]).await;
    assert_eq!(b.reserve("rock", "ann", "r", &[3]).await.unwrap().id(), ann.id());
    a.confirm(&ann, "pay").await.unwrap();
    until_board(&b, &[3]).await;
    let again = b.reserve("rock", "ann", "r", &[3]).await.unwrap();
    assert_eq!((again.id(), again.reservation.state()), (ann.id(), ReservationState::Booked));
    until_board(&b, &[3]).await;
}

#[tokio::test]
async fn a_seat_that_is_given_back_can_be_had_at_once() {
    let (_world, a, b, ann) = held(LONG).await;
    until_board(&a, &[3]).await;
    until_board(&b, &[3]).await;
    a.release(&ann).await.unwrap();
    let released = Instant::now();
    let bob = a.reserve("rock", "bob", "r", &[3]).await.unwrap();
    a.release(&bob).await.unwrap();
    assert!(released.elapsed() < STORE_LIMIT);
    // Elsewhere as soon as the change is read, which is long before the refusal is too old.
    let mut waits = Vec::new();
    for round in 0..5 {
        let held = a.reserve("rock", "ann", &format!("again-{round}"), &[3]).await.unwrap();
        until_board(&b, &[3]).await;
        a.release(&held).await.unwrap();
        let released = Instant::now();
        let cid = loop {
            let request = format!("{round}-{:x}", rand::random::<u64>());
            if let Ok(cid) = b.reserve("rock", "cid", &request, &[3]).await {
                break cid;
            }
        };
        waits.push(released.elapsed());
        b.release(&cid).await.unwrap();
    }
    let least = waits.iter().min().unwrap();
    assert!(*least < Duration::from_millis(400), "{waits:?}");
}

#[tokio::test]
async fn a_repeat_that_says_so_is_never_refused_by_the_board() {
    let (_world, a, b, _ann) = held(LONG).await;
    until_board(&b, &[3]).await;
    for name in ["grpc-previous-rpc-attempts", ticketengine::REPEAT_METADATA] {
        let message = ReserveRequest {
            event_id: "rock".into(),
            seat_ids: vec![3],
            request_id: format!("r-{name}"),
            customer_id: String::new(),
        };
        let mut request = as_customer("bob", message);
        request.metadata_mut().insert(name, "1".parse().unwrap());
        let lost = refused(b.bookings().reserve(request).await, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
        assert_eq!(level(&lost), "gate", "{name}");
    }
    drop(a);
}

#[tokio::test]
async fn a_hold_that_ends_by_time_is_not_refused_any_longer() {
    // Longer than a refusal is repeated: it is asked anew in between, and the deadline alone ends the last one.
    let (_world, _a, b, ann) = held(Duration::from_millis(1_600)).await;
    let expires = std::time::SystemTime::try_from(ann.reservation.expire_time.unwrap()).unwrap();
    let mut by_board = 0;
    while b.reserve("rock", "bob", &format!("{:x}", rand::random::<u64>()), &[3]).await.is_err_and(|lost| {
        by_board += usize::from(level(&lost) == "board");
        true
    }) {}
    // Both clocks are this machine's.
    let late = expires.elapsed().unwrap();
    assert!(by_board > 0, "the board refused");
    assert!(late < Duration::from_millis(300), "{late:?} after the deadline");
}

#[tokio::test]
async fn a_replica_that_is_cut_off_refuses_nothing_from_its_board() {
    let world = World::new().await;
    let proxy = Proxy::start(world.redis.port().address()).await;
    let mut settings = world.settings();
    settings.redis_url = world.redis.url_at(&proxy);
    let (cut, direct) = (Replica::start(settings).await, world.replica().await);
    direct.open_event("rock", 10, hold_ttl(LONG)).await;
    let ann = direct.reserve("rock", "ann", "r", &[3]).await.unwrap();
    until_board(&cut, &[3]).await;
    proxy.black_hole().await;
    let gone = Instant::now();
    while let Err(lost) = cut.reserve("rock", "bob", "r", &[3]).await {
        if lost.code() == Code::Unavailable {
            break;
        }
        refused::<Held>(Err(lost), Code::FailedPrecondition, "SEAT_UNAVAILABLE");
    }
    assert!(gone.elapsed() < Duration::from_secs(2), "it went on for {:?}", gone.elapsed());
    direct.release(&ann).await.unwrap();
    refused(cut.reserve("rock", "bob", "r", &[3]).await, Code::Unavailable, "BACKEND_UNAVAILABLE");
    proxy.pass().await;
    until_definite(async || cut.reserve("rock", "bob", "r", &[3]).await).await.unwrap();
}

#[tokio::test]
async fn who_asks_when_the_sale_is_over_hears_so_within_a_second() {
    let (_world, a, b, _ann) = held(LONG).await;
    until_board(&a, &[3]).await;
    until_board(&b, &[3]).await;
    let close = as_role(Role::Admin, "boss", CloseSalesRequest { event_id: "rock".into() });
    a.events().close_sales(close).await.unwrap();
    let closed = Instant::now();
    refused(a.reserve("rock", "bob", "r1", &[3]).await, Code::FailedPrecondition, "SALE_NOT_OPEN");
    while reason(b.reserve("rock", "bob", "r2", &[3]).await) != "SALE_NOT_OPEN" {
        assert!(closed.elapsed() < Duration::from_secs(2));
    }
}

fn reason(answer: Result<Held, Status>) -> String {
    answer.unwrap_err().get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn switched_off_the_gate_refuses_each_time() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.engine.board_refusals = false;
    let a = Replica::start(settings).await;
    a.open_event("rock", 10, hold_ttl(LONG)).await;
    a.reserve("rock", "ann", "r", &[3]).await.unwrap();
    for _ in 0..200 {
        assert_eq!(loses(&a, "bob", &[3]).await.0, "gate");
    }
}
