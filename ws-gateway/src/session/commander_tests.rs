use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use ticketengine::v1::SeatChanges;
use tokio::time::timeout;
use tonic::Code;

use super::*;
use crate::session::{
    booking_stub::{Bench, Stub, refusal},
    reply::now_ms,
};

/// No frame within this: none comes.
const QUIET: Duration = Duration::from_millis(600);

fn access_token(sub: &str, lasts_s: i64) -> String {
    let claims = json!({"sub": sub, "exp": now_ms() / 1_000 + lasts_s, "roles": ["customer"]});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(b"nobody checks")).unwrap()
}

/// A socket of the theatre in front of one stub.
struct Socket {
    commander: Commander,
    stub: Stub,
    _bench: Bench,
}

impl Socket {
    async fn open() -> Self {
        let bench = Bench::new();
        let stub = bench.stub().await;
        let commander =
            Commander::new(bench.targets(&[stub.address()]), "theatre".into(), Reports::default());
        Self { commander, stub, _bench: bench }
    }

    /// As ann.
    async fn signed_in() -> Self {
        let mut socket = Self::open().await;
        socket.sign_in("ann").await;
        socket
    }

    async fn sign_in(&mut self, sub: &str) {
        let reply = self.ask(&json!({"op": "authenticate", "id": "a", "token": access_token(sub, 60)})).await;
        assert_eq!(reply, json!({"type": "reply", "id": "a", "customer_id": sub}));
    }

    fn send(&mut self, command: &Value) {
        self.commander.accept(&command.to_string());
    }

    async fn next(&mut self) -> Value {
        next(&mut self.commander).await
    }

    async fn ask(&mut self, command: &Value) -> Value {
        self.send(command);
        self.next().await
    }

    async fn reserve(&mut self, number: u32) -> Value {
        let seats = [2 * number, 2 * number + 1];
        let request = format!("r{number}");
        self.ask(&json!({"op": "reserve", "id": "c", "request_id": request, "seat_ids": seats})).await
    }

    /// Another has changed the seats; whether these are of the socket.
    fn change(&mut self, seats: &[u32]) -> bool {
        let changes = SeatChanges { free: seats.to_vec(), ..SeatChanges::default() };
        let touches = self.commander.own.touches(&changes);
        self.commander.hear(&Missing::Changes(changes));
        touches
    }

    async fn is_quiet(&mut self) -> bool {
        timeout(QUIET, self.commander.next()).await.is_err()
    }
}

async fn next(commander: &mut Commander) -> Value {
    let text = timeout(Duration::from_secs(10), commander.next()).await.expect("a frame should come");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_command_without_a_token_is_told_so() {
    let mut socket = Socket::open().await;
    let reply = socket.reserve(1).await;
    assert_eq!(reply["id"], "c");
    assert_eq!(reply["error"]["reason"], "UNAUTHENTICATED");
    assert!(socket.stub.script().seen.is_empty());
}

#[tokio::test]
async fn tokens_that_can_not_be_good_are_refused() {
    let mut socket = Socket::open().await;
    let long = access_token(&"x".repeat(129), 60);
    for token in
        ["x", "a.b.c", &access_token("ann", -600), &access_token("", 60), &access_token("a\nb", 60), &long]
    {
        let reply = socket.ask(&json!({"op": "authenticate", "id": "a", "token": token})).await;
        assert_eq!(reply["error"]["code"], "UNAUTHENTICATED", "{token}");
        assert_eq!(reply["error"]["reason"], "UNAUTHENTICATED", "{token}");
    }
    assert_eq!(socket.reserve(1).await["error"]["reason"], "UNAUTHENTICATED");
    // Who says that it is not the gateway's clock that is wrong?
    let token = access_token("ann", -60);
    let reply = socket.ask(&json!({"op": "authenticate", "id": "a", "token": token})).await;
    assert_eq!(reply["customer_id"], "ann");
}

#[tokio::test]
async fn a_purchase_from_reserve_to_confirm() {
    let mut socket = Socket::signed_in().await;
    let reply = socket.reserve(1).await;
    assert_eq!((&reply["type"], &reply["id"]), (&json!("reply"), &json!("c")));
    let reservation = &reply["reservation"];
    assert_eq!(reservation["reservation_id"], "theatre.1.1");
    assert_eq!(reservation["seat_ids"], json!([2, 3]));
    assert_eq!(reservation["state"], "held");
    let left = reservation["expires_in_ms"].as_u64().unwrap();
    assert!((58_000..=60_000).contains(&left), "{left}");
    assert_eq!(reply["reservation_token"], "token-of-r1");

    // Tokens are remembered, the newest wins, and one that is sent is used.
    let id = "theatre.1.1";
    let reply = socket.ask(&json!({"op": "extend", "id": "c2", "reservation_id": id})).await;
    assert_eq!(reply["reservation_token"], "extended");
    socket.ask(&json!({"op": "extend", "id": "c3", "reservation_id": id})).await;
    let sent = json!({"op": "extend", "id": "c3", "reservation_id": id, "reservation_token": "mine"});
    socket.ask(&sent).await;
    let confirm = json!({"op": "confirm", "id": "c4", "reservation_id": id, "payment_reference": "pay-1"});
    let booking = &socket.ask(&confirm).await["booking"];
    assert_eq!(booking["booking_id"], id);
    assert_eq!(booking["state"], "confirmed");
    assert_eq!(booking["payment_reference"], "pay-1");
    assert_eq!(booking["created_at_ms"], 1_764_000_000_123_u64);

    let seen = socket.stub.script().seen.clone();
    let tokens: Vec<_> = seen.iter().map(|seen| seen.token.as_str()).collect();
    assert_eq!(tokens, ["", "token-of-r1", "extended", "mine", "extended"]);
    assert!(seen.iter().all(|seen| seen.has_deadline && seen.authorization.starts_with("Bearer ey")));
    assert!(!socket.change(&[2]), "a booked reservation is forgotten");
}

#[tokio::test]
async fn a_retry_goes_to_another_replica_with_the_same_ids() {
    let bench = Bench::new();
    let (well, ill) = (bench.stub().await, bench.stub().await);
    let broken = bench.breaking().await;
    let soon = Some(Duration::from_millis(5));
    for _ in 0..100 {
        ill.script().failures.push_back(refusal(Code::Unavailable, "BACKEND_UNAVAILABLE", soon));
    }
    let targets = bench.targets(&[ill.address(), broken, well.address()]);
    let mut commander = Commander::new(targets, "theatre".into(), Reports::default());
    commander.accept(&json!({"op": "authenticate", "id": "a", "token": access_token("ann", 60)}).to_string());
    next(&mut commander).await;
    for number in 1..=6 {
        let request = format!("r{number}");
        let reserve = json!({"op": "reserve", "id": request, "request_id": request, "seat_ids": [number]});
        commander.accept(&reserve.to_string());
        let reply = next(&mut commander).await;
        assert!(reply["reservation"].is_object(), "{reply}");
    }
    assert_eq!(well.seen("Reserve"), ["r1", "r2", "r3", "r4", "r5", "r6"]);
    let retried = ill.seen("Reserve");
    assert!(!retried.is_empty() && retried.iter().all(|id| well.seen("Reserve").contains(id)), "{retried:?}");
}

#[tokio::test]
async fn a_service_that_is_gone_is_told_within_the_attempts() {
    let bench = Bench::new();
    let mut commander =
        Commander::new(bench.targets(&[bench.breaking().await]), "theatre".into(), Reports::default());
    commander.accept(&json!({"op": "authenticate", "id": "a", "token": access_token("ann", 60)}).to_string());
    next(&mut commander).await;
    commander.accept(r#"{"op":"release","id":"c","reservation_id":"theatre.1.1"}"#);
    let error = &next(&mut commander).await["error"];
    assert_eq!(error["code"], "UNAVAILABLE");
    assert_eq!(error["reason"], "BACKEND_UNAVAILABLE");
    assert_eq!(error["retry_after_ms"], 500);
    assert!(!error["message"].as_str().unwrap().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn attempts_are_bounded_and_a_long_wait_is_the_clients() {
    let mut socket = Socket::signed_in().await;
    let unavailable =
        |after| refusal(Code::Unavailable, "GATE_REBUILDING", Some(Duration::from_millis(after)));
    socket.stub.script().failures.extend((0..9).map(|_| unavailable(1)));
    let error = &socket.reserve(1).await["error"];
    assert_eq!((&error["code"], &error["reason"]), (&json!("UNAVAILABLE"), &json!("GATE_REBUILDING")));
    assert_eq!(socket.stub.seen("Reserve"), ["r1"; 4]);

    socket.stub.script().failures = [unavailable(1_001)].into();
    let error = &socket.reserve(2).await["error"];
    assert_eq!(error["retry_after_ms"], 1_001);
    assert_eq!(socket.stub.seen("Reserve").len(), 5);
    // What the service has decided is not tried again.
    socket.stub.script().failures = [refusal(Code::Aborted, "SEAT_LOST", None)].into();
    assert_eq!(socket.reserve(3).await["error"]["reason"], "SEAT_LOST");
    assert_eq!(socket.stub.seen("Reserve").len(), 6);
}

#[tokio::test]
async fn commands_run_side_by_side_up_to_the_limit() {
    let mut socket = Socket::signed_in().await;
    for number in 1..=5_u64 {
        let request = format!("r{number}");
        let takes = Duration::from_millis(600 - 100 * number);
        socket.stub.script().delays.insert(request.clone(), takes);
        socket.send(
            &json!({"op": "reserve", "id": number.to_string(), "request_id": request, "seat_ids": [1]}),
        );
    }
    let first = socket.next().await;
    assert_eq!((&first["id"], &first["error"]["reason"]), (&json!("5"), &json!("OVERLOADED")));
    assert_eq!(first["error"]["metadata"], json!({"limit": "commands_in_flight"}));
    for (id, reservation) in
        [("4", "theatre.1.4"), ("3", "theatre.1.3"), ("2", "theatre.1.2"), ("1", "theatre.1.1")]
    {
        let reply = socket.next().await;
        assert_eq!(
            (&reply["id"], &reply["reservation"]["reservation_id"]),
            (&json!(id), &json!(reservation))
        );
    }
    assert_eq!(
        socket.reserve(5).await["reservation"]["reservation_id"],
        "theatre.1.5",
        "there is room again"
    );
}

#[tokio::test]
async fn next_may_be_dropped_at_any_time() {
    let mut socket = Socket::signed_in().await;
    socket.stub.script().delays.insert("r1".into(), Duration::from_millis(60));
    socket.send(&json!({"op": "reserve", "id": "c", "request_id": "r1", "seat_ids": [1]}));
    let mut frames = Vec::new();
    for _ in 0..100 {
        if let Ok(frame) = timeout(Duration::from_millis(2), socket.commander.next()).await {
            frames.push(frame);
        }
    }
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!(socket.stub.seen("Reserve"), ["r1"]);
}

#[tokio::test]
async fn replies_that_nobody_takes_do_not_pile_up() {
    let mut socket = Socket::open().await;
    let mut accepted = 0;
    while !socket.commander.is_full() {
        socket.commander.accept("nonsense");
        accepted += 1;
    }
    assert_eq!(accepted, REPLIES_WAITING_MAX);
    socket.commander.accept("nonsense");
    for _ in 0..accepted {
        let reply = socket.next().await;
        assert_eq!((&reply["id"], &reply["error"]["reason"]), (&Value::Null, &json!("INVALID_ARGUMENT")));
    }
    assert!(socket.is_quiet().await);
}

#[tokio::test]
async fn reservations_of_other_events_are_not_found() {
    let mut socket = Socket::signed_in().await;
    for id in ["arena.1.1", "theatre2.1.1", "theatre", ".", "theatr.1.1"] {
        for op in ["follow", "extend", "release"] {
            let reply = socket.ask(&json!({"op": op, "id": "c", "reservation_id": id})).await;
            assert_eq!(reply["error"]["code"], "NOT_FOUND", "{id}");
            assert_eq!(reply["error"]["metadata"]["reservation_id"], id);
        }
    }
    assert!(socket.stub.script().seen.is_empty());
}

#[test]
fn an_idle_commander_is_small() {
    assert!(size_of::<Commander>() <= 256, "{}", size_of::<Commander>());
}

#[path = "commander_news_tests.rs"]
mod news;
