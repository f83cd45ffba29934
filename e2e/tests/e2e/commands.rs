//! Commands over the socket, with the answers that gRPC would give.

use std::time::Duration;

use seat_board::SeatState;
use serde_json::{Value, json};
use testkit::{
    calls::{Caller, Held, reason},
    frame::Frame,
};
use tonic::{Code, Status};

use crate::support::{
    socket::{BIN, JSON, Opening, Socket},
    stack::{Stack, Wiring, open_event},
};

const EVENT: &str = "commands";
const SEATS: u32 = 400;
/// Long enough for everything but the test of its end.
const HOLD_TTL: Duration = Duration::from_secs(4);

/// Two gateways, each with its own replica, and an event.
async fn stack() -> (Stack, Caller) {
    // Nobody reads all the time here: a missing pong must not end a socket.
    let stack = Stack::start(Wiring::OwnReplica, &[("TE_HEARTBEAT", "15s")]).await;
    let caller = stack.caller(0);
    open_event(&caller, EVENT, SEATS, HOLD_TTL).await;
    (stack, caller)
}

/// A socket of a customer at a gateway.
async fn customer(stack: &Stack, side: usize, protocol: &str, name: &str) -> Socket {
    let opening = Opening { event: EVENT, protocols: &[protocol], ..Opening::default() };
    let mut socket = Socket::open(&stack.gateways[side].address(), &opening).await.unwrap();
    socket.authenticate(name).await;
    socket
}

fn reserve(id: &str, request_id: &str, seats: &[u32]) -> Value {
    json!({"op": "reserve", "id": id, "request_id": request_id, "seat_ids": seats})
}

/// The next private frame that says this state of a reservation.
async fn becomes(socket: &mut Socket, reservation: &str, state: &str) -> Value {
    socket
        .find(&format!("{reservation} becomes {state}"), |frame| match frame {
            Frame::Reservation(found)
                if found["reservation_id"] == reservation && found["state"] == state =>
            {
                Some(found.clone())
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sockets_race_for_a_seat_and_one_buys_it() {
    let (stack, caller) = stack().await;
    let (mut ann, mut bob) = (customer(&stack, 0, JSON, "ann").await, customer(&stack, 1, BIN, "bob").await);
    let (one, other) =
        tokio::join!(ann.command(reserve("a1", "r1", &[7, 8])), bob.command(reserve("b1", "r1", &[8, 9])));
    let (won, lost, mut winner, mut loser, name) = match (&one["error"], &other["error"]) {
        (Value::Null, Value::Object(_)) => (one, other, ann, bob, "ann"),
        (Value::Object(_), Value::Null) => (other, one, bob, ann, "bob"),
        _ => panic!("one wins: {one} {other}"),
    };
    assert_eq!(lost["error"]["code"], "FAILED_PRECONDITION");
    assert_eq!(lost["error"]["reason"], "SEAT_UNAVAILABLE");
    assert_eq!(lost["error"]["seats"][0]["seat_id"], 8);
    assert_eq!(lost["error"]["seats"][0]["state"], "held");
    loser.sees(8, SeatState::Held).await;

    let reservation = &won["reservation"];
    let id = reservation["reservation_id"].as_str().unwrap().to_owned();
    assert_eq!((&reservation["state"], &reservation["customer_id"]), (&json!("held"), &json!(name)));
    assert_eq!(reservation["total_minor"], 2_000);
    let seats: Vec<u32> = serde_json::from_value(reservation["seat_ids"].clone()).unwrap();
    assert_eq!(winner.command(reserve("again", "r1", &seats)).await["reservation"]["reservation_id"], *id);

    let extended = winner.command(json!({"op": "extend", "id": "x", "reservation_id": id})).await;
    let until = |reservation: &Value| reservation["expires_at_ms"].as_u64().unwrap();
    assert!(until(&extended["reservation"]) >= until(reservation), "{extended}");
    let confirm = json!({"op": "confirm", "id": "c", "reservation_id": id, "payment_reference": "pay-1"});
    let booking = winner.command(confirm).await["booking"].clone();
    assert_eq!((&booking["state"], &booking["payment_reference"]), (&json!("confirmed"), &json!("pay-1")));
    loser.sees(8, SeatState::Sold).await;

    let other_payment =
        json!({"op": "confirm", "id": "d", "reservation_id": id, "payment_reference": "pay-2"});
    assert_eq!(winner.command(other_payment).await["error"]["reason"], "PAYMENT_MISMATCH");
    assert_eq!(caller.seat_states(EVENT, 10).await.unwrap()[8], 2);
    let owners = stack.witness().owners(EVENT).await;
    assert_eq!(owners.get(&8), Some(&id), "the vault has it too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_that_changes_elsewhere_comes_as_a_private_frame() {
    let (stack, caller) = stack().await;
    let mut first = customer(&stack, 0, JSON, "ann").await;
    let mut stranger = customer(&stack, 0, JSON, "bob").await;
    let held = first.command(reserve("a", "r1", &[1])).await;
    let id = held["reservation"]["reservation_id"].as_str().unwrap().to_owned();
    let follow = json!({
        "op": "follow", "id": "f", "reservation_id": id, "reservation_token": held["reservation_token"],
    });
    let mut second = customer(&stack, 1, BIN, "ann").await;
    assert_eq!(second.command(follow.clone()).await["reservation"]["state"], "held");

    let confirm = json!({"op": "confirm", "id": "c", "reservation_id": id, "payment_reference": "pay-1"});
    first.command(confirm).await;
    becomes(&mut second, &id, "booked").await;

    // Released past the gateway.
    let released = first.command(reserve("b", "r2", &[2])).await;
    let id = released["reservation"]["reservation_id"].as_str().unwrap().to_owned();
    caller.release(&as_held(&id, &released)).await.unwrap();
    becomes(&mut first, &id, "released").await;

    // Left to its end.
    let forgotten = first.command(reserve("c2", "r3", &[3])).await;
    let id = forgotten["reservation"]["reservation_id"].as_str().unwrap().to_owned();
    becomes(&mut first, &id, "expired").await;

    stranger.sees(1, SeatState::Sold).await;
    let private = |frame: &Frame| matches!(frame, Frame::Reservation(_)).then(|| frame.clone());
    assert_eq!(stranger.passed_over(private), None, "it gets nobody else's reservations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_those_of_grpc() {
    let (stack, caller) = stack().await;
    let mut ann = customer(&stack, 0, JSON, "ann").await;
    let held = ann.command(reserve("a", "r1", &[1, 2])).await;
    let id = held["reservation"]["reservation_id"].as_str().unwrap().to_owned();
    let token = held["reservation_token"].clone();

    let on = |op: &str, id: &str| json!({"op": op, "id": op, "reservation_id": id});
    let confirm =
        |id: &str| json!({"op": "confirm", "id": "c", "reservation_id": id, "payment_reference": "p"});
    // Nobody has a token for it.
    let unknown = as_held("commands.1.999999", &json!({"reservation": {"customer_id": "ann"}}));
    let unknown_id = unknown.id();
    let cases = [
        (reserve("1", "r2", &[1]), caller.reserve(EVENT, "ann", "r2", &[1]).await.err()),
        (reserve("2", "r1", &[5]), caller.reserve(EVENT, "ann", "r1", &[5]).await.err()),
        (reserve("3", "r3", &[SEATS]), caller.reserve(EVENT, "ann", "r3", &[SEATS]).await.err()),
        (reserve("4", "r4", &[]), caller.reserve(EVENT, "ann", "r4", &[]).await.err()),
        (reserve("5", "r5", &[9, 9]), caller.reserve(EVENT, "ann", "r5", &[9, 9]).await.err()),
        (
            reserve("6", "r6", &(100..120).collect::<Vec<_>>()),
            caller.reserve(EVENT, "ann", "r6", &(100..120).collect::<Vec<_>>()).await.err(),
        ),
        (on("release", &unknown_id), caller.release(&unknown).await.err()),
        (on("extend", &unknown_id), caller.extend(&unknown).await.err()),
        (confirm(&unknown_id), caller.confirm(&unknown, "p").await.err()),
    ];
    for (command, status) in cases {
        same_error(&ann.command(command.clone()).await, &status.expect("gRPC refuses"), &command);
    }

    // A stranger's.
    let mut bob = customer(&stack, 0, JSON, "bob").await;
    let mut foreign = as_held(&id, &held);
    foreign.reservation.customer_id = "bob".into();
    let mut command = on("release", &id);
    command["reservation_token"] = token;
    same_error(&bob.command(command.clone()).await, &caller.release(&foreign).await.unwrap_err(), &command);
    // One that has ended.
    ann.command(on("release", &id)).await;
    let command = confirm(&id);
    let status = caller.confirm(&as_held(&id, &held), "p").await.unwrap_err();
    same_error(&ann.command(command.clone()).await, &status, &command);
    assert_eq!(reason(&status), "HOLD_RELEASED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_command_is_answered_and_watching_goes_on() {
    let (stack, caller) = stack().await;
    let opening = Opening { event: EVENT, protocols: &[BIN], ..Opening::default() };
    let mut socket = Socket::open(&stack.gateways[0].address(), &opening).await.unwrap();
    let without_token = socket.command(reserve("a", "r1", &[1])).await;
    assert_eq!(without_token["error"]["code"], "UNAUTHENTICATED", "{without_token}");
    let bad_token = socket.command(json!({"op": "authenticate", "id": "t", "token": "nonsense"})).await;
    assert_eq!(bad_token["error"]["code"], "UNAUTHENTICATED", "{bad_token}");
    for text in ["", "{", "[]", "null", "{\"op\":\"fly\",\"id\":\"x\"}", "{\"op\":\"reserve\"}"] {
        assert!(socket.send(tokio_tungstenite::tungstenite::Message::text(text)).await);
        let reply = socket
            .find(text, |frame| match frame {
                Frame::Reply(reply) => Some(reply.clone()),
                _ => None,
            })
            .await;
        assert_eq!(reply["error"]["code"], "INVALID_ARGUMENT", "{text}: {reply}");
    }
    caller.reserve(EVENT, "bob", "r1", &[5]).await.unwrap();
    socket.sees(5, SeatState::Held).await;
}

fn as_held(id: &str, reply: &Value) -> Held {
    let customer_id = reply["reservation"]["customer_id"].as_str().unwrap().to_owned();
    let reservation = ticketengine::v1::Reservation {
        reservation_id: id.to_owned(),
        customer_id,
        ..ticketengine::v1::Reservation::default()
    };
    Held { reservation, token: reply["reservation_token"].as_str().unwrap_or_default().to_owned() }
}

#[track_caller]
fn same_error(reply: &Value, status: &Status, command: &Value) {
    let error = &reply["error"];
    assert_eq!(error["code"], code_name(status.code()), "{command}: {reply}, gRPC says {status:?}");
    assert_eq!(error["reason"], reason(status), "{command}: {reply}");
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        other => panic!("not among these tests: {other}"),
    }
}
