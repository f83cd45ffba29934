//! What happens is counted, and what is wrong shows.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    scrape::{ANY_PORT, becomes, total},
    socket::{JSON, Opening, Socket},
    stack::{Stack, Wiring, open_event},
};

const EVENT: &str = "counted";
const SEATS: u32 = 100;
const HOLD_TTL: Duration = Duration::from_secs(5);

async fn stack() -> Stack {
    let stack =
        Stack::start_with(Wiring::OwnReplica, &[("TE_HEARTBEAT", "15s"), ANY_PORT], &[ANY_PORT]).await;
    open_event(&stack.caller(0), EVENT, SEATS, HOLD_TTL).await;
    stack
}

async fn customer(stack: &Stack, name: &str) -> Socket {
    let opening = Opening { event: EVENT, protocols: &[JSON], ..Opening::default() };
    let mut socket = Socket::open(&stack.gateways[0].address(), &opening).await.unwrap();
    socket.authenticate(name).await;
    socket
}

async fn reserve(socket: &mut Socket, request: &str, seat: u32) -> Value {
    socket.command(json!({"op": "reserve", "id": request, "request_id": request, "seat_ids": [seat]})).await
}

fn id(reply: &Value) -> &Value {
    let id = &reply["reservation"]["reservation_id"];
    assert!(id.is_string(), "{reply}");
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_counted_from_the_socket_to_the_vault() {
    let stack = stack().await;
    let (mut ann, mut bob) = (customer(&stack, "ann").await, customer(&stack, "bob").await);
    let sold = reserve(&mut ann, "r1", 1).await;
    assert_eq!(reserve(&mut bob, "r1", 1).await["error"]["reason"], "SEAT_UNAVAILABLE");
    let confirm = json!({"op": "confirm", "id": "c", "reservation_id": id(&sold), "payment_reference": "p"});
    assert!(ann.command(confirm).await["booking"].is_object());
    let back = reserve(&mut ann, "r2", 2).await;
    ann.command(json!({"op": "release", "id": "x", "reservation_id": id(&back)})).await;
    reserve(&mut bob, "r3", 3).await;

    let (services, gateways) = (&stack.services, &stack.gateways);
    becomes(services, "ticketengine_holds_expired_total", &[], |expired| expired == 1.0).await;
    for (metric, labels, expected) in [
        ("ticketengine_reserve_total", &["outcome=\"granted\""][..], 3.0),
        ("ticketengine_reserve_total", &["outcome=\"taken\""], 1.0),
        ("ticketengine_holds_taken_total", &[], 3.0),
        ("ticketengine_holds_confirmed_total", &[], 1.0),
        ("ticketengine_holds_released_total", &[], 1.0),
        ("ticketengine_confirm_total", &["outcome=\"booked\""], 1.0),
        // Of a Confirm and a Release.
        ("ticketengine_commit_decisions_sum", &[], 2.0),
        ("db_client_operation_duration_seconds_count", &["db_operation_name=\"decide\""], 2.0),
        ("db_client_connection_max", &["pool_name=\"redis\""], 8.0),
        ("ticketengine_build_info", &["program=\"booking-svc\""], 2.0),
    ] {
        assert_eq!(total(services, metric, labels).await, expected, "{metric} {labels:?}");
    }
    for (metric, labels, expected) in [
        ("active_connections", &[][..], 2.0),
        (
            "http_request_duration_seconds_count",
            &["http_response_status_code=\"101\"", "{event_id}/seats"],
            2.0,
        ),
        ("ticketengine_gateway_frames_total", &["kind=\"hello\""], 2.0),
        ("ticketengine_gateway_frames_total", &["kind=\"snapshot\""], 2.0),
        ("ticketengine_gateway_rooms", &[], 1.0),
        ("ticketengine_gateway_rooms_stale", &[], 0.0),
        ("ticketengine_gateway_targets", &["state=\"serving\""], 2.0),
        ("rpc_client_call_duration_seconds_count", &["/Reserve\"", "FAILED_PRECONDITION"], 1.0),
    ] {
        assert_eq!(total(gateways, metric, labels).await, expected, "{metric} {labels:?}");
    }
    for metric in ["ticketengine_gateway_ticks_total", "ticketengine_gateway_sent_bytes_total"] {
        assert!(total(gateways, metric, &[]).await > 0.0, "{metric}");
    }
    drop(ann);
    becomes(gateways, "active_connections", &[], |open| open == 1.0).await;
    becomes(gateways, "ticketengine_gateway_closes_total", &["code=\"gone\""], |gone| gone == 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_shows_and_passes() {
    let stack = stack().await;
    let _bob = customer(&stack, "bob").await;
    let (services, gateways) = (&stack.services[..1], &stack.gateways[..1]);
    let down = |up| up == 0.0;
    becomes(services, "ticketengine_stores_up", &[], |up| up == 2.0).await;
    stack.proxies[0].refuse().await;
    becomes(services, "ticketengine_stores_up", &["store=\"gate\""], down).await;
    becomes(services, "ticketengine_stores_up", &["store=\"vault\""], |up| up == 1.0).await;
    becomes(services, "ticketengine_sweeper_lag_seconds", &[], |lag| lag > 3.0).await;
    becomes(services, "ticketengine_board_lag_seconds", &[], |lag| lag > 3.0).await;
    becomes(services, "ticketengine_boards_stale", &[], |stale| stale == 1.0).await;
    becomes(gateways, "ticketengine_gateway_rooms_stale", &[], |stale| stale == 1.0).await;
    becomes(gateways, "ticketengine_gateway_targets", &["state=\"not_serving\""], |count| count == 1.0).await;

    stack.proxies[0].pass().await;
    becomes(services, "ticketengine_stores_up", &[], |up| up == 2.0).await;
    becomes(services, "ticketengine_sweeper_lag_seconds", &[], |lag| lag < 3.0).await;
    becomes(gateways, "ticketengine_gateway_rooms_stale", &[], down).await;
}
