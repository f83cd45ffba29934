//! A command of a browser is one trace, from the socket to the stores; what fails is found by it.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    collector::Collector,
    socket::{JSON, Opening, Socket},
    stack::{Stack, Wiring, open_event},
};

const EVENT: &str = "traced";
const SEATS: u32 = 100;
const BOOKING: &str = "ticketengine.booking.v1.BookingService";

fn trace(number: u8) -> (String, String) {
    let id = format!("0af7651916cd43dd8448eb211c8031{number:02x}");
    (format!("00-{id}-b7ad6b7169203331-00"), id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_one_trace_down_to_the_stores() {
    let collector = Collector::start().await;
    let endpoint = ("TE_OTLP_ENDPOINT", &*collector.url);
    // The gateway decides for all of a trace: the services would begin none of their own.
    let (all, none) = (("TE_TRACE_RATIO", "1"), ("TE_TRACE_RATIO", "0"));
    let gateways = [("TE_HEARTBEAT", "15s"), endpoint, all];
    let stack = Stack::start_with(Wiring::OwnReplica, &gateways, &[endpoint, none]).await;
    open_event(&stack.caller(0), EVENT, SEATS, Duration::from_secs(60)).await;
    let opening = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
    let mut ann = Socket::open(&stack.gateways[0].address(), &opening).await.unwrap();
    ann.authenticate("ann").await;

    let (traceparent, id) = trace(1);
    let held = ann
        .command(json!({"op": "reserve", "id": "1", "request_id": "r1", "seat_ids": [7], "traceparent": traceparent}))
        .await;
    let reservation = held["reservation"]["reservation_id"].as_str().unwrap_or_else(|| panic!("{held}"));
    let above = |rpc: &str, op: &str| {
        let rpc = format!("{BOOKING}/{rpc}");
        [format!("booking-svc: {rpc}"), format!("ws-gateway: {rpc}"), format!("ws-gateway: {op}")]
    };
    let path = collector.path(&id, "redis grant", "ws-gateway: reserve").await;
    assert_eq!((&*path[0], &path[1..]), ("booking-svc: redis grant", &above("Reserve", "reserve")[..]));

    let (traceparent, id) = trace(2);
    let confirm = json!({"op": "confirm", "id": "2", "reservation_id": reservation,
        "payment_reference": "pay-1", "traceparent": traceparent});
    assert!(ann.command(confirm).await["booking"].is_object());
    for store in ["redis begin", "postgresql decide", "redis settle"] {
        let path = collector.path(&id, store, "ws-gateway: confirm").await;
        assert_eq!(
            (&*path[0], &path[1..]),
            (&*format!("booking-svc: {store}"), &above("Confirm", "confirm")[..])
        );
    }
    fail_by_redis(&stack, &mut ann).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_found_by_the_callers_trace_also_while_traces_are_off() {
    let stack = Stack::start(Wiring::OwnReplica, &[("TE_HEARTBEAT", "15s")]).await;
    open_event(&stack.caller(0), EVENT, SEATS, Duration::from_secs(60)).await;
    let opening = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
    let mut ann = Socket::open(&stack.gateways[0].address(), &opening).await.unwrap();
    ann.authenticate("ann").await;
    fail_by_redis(&stack, &mut ann).await;
}

/// What is not served is found in the log and in the reply, by the trace that the browser has named.
async fn fail_by_redis(stack: &Stack, ann: &mut Socket) {
    stack.proxies[0].refuse().await;
    let (traceparent, id) = trace(3);
    let reply = ann
        .command(json!({"op": "reserve", "id": "3", "request_id": "r3", "seat_ids": [9], "traceparent": traceparent}))
        .await;
    assert_eq!(
        (&reply["error"]["code"], &reply["error"]["trace_id"]),
        (&json!("UNAVAILABLE"), &json!(id)),
        "{reply}"
    );
    for log in [stack.services[0].log(), stack.gateways[0].log()] {
        let line = log.lines().find(|line| line.contains(&id));
        assert!(line.is_some_and(|line| line.contains("not served")), "{log}");
    }
}
