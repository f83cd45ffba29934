use std::{io::Read, sync::atomic::Ordering, time::Duration};

use axum::body::Body;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;
use ws_gateway::limits::CATALOG_CALLS_MAX;

use crate::{
    gateway::{Answer, Gateway},
    stand_in::{SEATS, StandIn},
};

async fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(gateway.request(path), |request, (name, value)| request.header(*name, *value));
    gateway.ask(request.body(Body::empty()).unwrap()).await
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), "gzip");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn events_are_listed_by_pages() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let page = gateway.get("/v1/events?page_size=7").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "application/json"));
    assert_eq!(page.json()["next_page_token"], "after-7");
    assert_eq!(page.json()["events"][0], gateway.get("/v1/events/gala").await.json());
    let large = gateway.get("/v1/events?page_size=100000").await;
    assert_eq!(large.json()["next_page_token"], "after-200");
    let last = gateway.get("/v1/events?page_token=after-7").await;
    assert_eq!(last.json(), json!({"events": [], "next_page_token": ""}));

    for (query, reason) in [("page_token=bad", "INVALID_ARGUMENT"), ("page_size=0", "INVALID_ARGUMENT")] {
        let answer = gateway.get(&format!("/v1/events?{query}")).await;
        assert_eq!(answer.refusal(), (400, reason.into()), "{query}");
    }
}

#[tokio::test]
async fn documents_are_compressed_and_sent_once() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    for path in ["/v1/events", "/v1/events/gala", "/v1/events/gala/layout"] {
        let plain = gateway.get(path).await;
        let packed = ask(&gateway, path, &[("accept-encoding", "br, gzip")]).await;
        assert_eq!(unpacked(&packed), plain.body, "{path}");
        assert!(packed.header("vary").contains("accept-encoding"), "{path}");
        for etag in [plain.header("etag"), packed.header("etag")] {
            let headers = [("if-none-match", etag), ("accept-encoding", "gzip")];
            let again =
                ask(&gateway, path, &headers[..if etag == plain.header("etag") { 1 } else { 2 }]).await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}");
            assert_eq!(again.header("etag"), etag, "{path}");
        }
        let other = ask(&gateway, path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_layout_numbers_its_seats_and_lasts() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    // Many at once: booking-svc is asked once.
    let answers = join_all((0..20).map(|_| gateway.get("/v1/events/gala/layout"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(stand_in.house.layout_calls.load(Ordering::SeqCst), 1);

    let layout = answers[0].json();
    assert_eq!(layout["seat_count"], SEATS);
    let firsts: Vec<_> =
        layout["sections"].as_array().unwrap().iter().map(|section| &section["first_seat"]).collect();
    assert_eq!(firsts, [0, 10]);
    assert_eq!(layout["sections"][1]["rows"][1]["first_seat"], 15);
    assert!(answers[0].header("etag").starts_with('"'), "strong");
    assert!(answers[0].header("cache-control").contains("max-age=86400"));
}

#[tokio::test]
async fn unknown_events_cost_one_question() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    for path in ["/v1/events/other", "/v1/events/other/layout", "/v1/events/other"] {
        assert_eq!(gateway.get(path).await.refusal(), (404, "EVENT_NOT_FOUND".into()), "{path}");
    }
    assert_eq!(stand_in.house.event_calls.load(Ordering::SeqCst), 1);
    // No event can be called that.
    for path in ["/v1/events/Gala", "/v1/events/a%20b", &format!("/v1/events/{}", "x".repeat(64))] {
        assert_eq!(gateway.get(path).await.refusal(), (404, "EVENT_NOT_FOUND".into()), "{path}");
    }
    assert_eq!(stand_in.house.event_calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_known_is_served_while_nobody_answers() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let before = gateway.get("/v1/events/gala").await;
    let layout = gateway.get("/v1/events/gala/layout").await;
    stand_in.house.away.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(1_100)).await;
    let after = gateway.get("/v1/events/gala").await;
    assert_eq!((after.status.as_u16(), after.body), (200, before.body));
    assert_eq!(gateway.get("/v1/events/gala/layout").await.body, layout.body);
    let unknown = gateway.get("/v1/events/new").await;
    assert_eq!(unknown.refusal(), (503, "BACKEND_UNAVAILABLE".into()));
    assert_eq!(unknown.header("retry-after"), "1");
    assert!(unknown.json()["error"]["retry_after_ms"].is_number());
}

#[tokio::test]
async fn without_any_replica_it_is_said_in_time() {
    let gateway = Gateway::start(&["--targets", "http://127.0.0.1:1"]).await;
    let answer = gateway.get("/v1/events/gala").await;
    assert_eq!(answer.refusal(), (503, "BACKEND_UNAVAILABLE".into()));
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test]
async fn questions_to_who_never_answers_are_bounded() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let gateway = Gateway::start(&["--targets", &url]).await;
    let paths: Vec<_> = (0..CATALOG_CALLS_MAX + 16).map(|event| format!("/v1/events/e{event}")).collect();
    let answers = join_all(paths.iter().map(|path| gateway.get(path))).await;
    let told =
        |reason| answers.iter().filter(|answer| answer.refusal() == (503, String::from(reason))).count();
    assert_eq!((told("OVERLOADED"), told("BACKEND_UNAVAILABLE")), (16, CATALOG_CALLS_MAX));
}

#[tokio::test]
async fn questions_about_invented_events_keep_no_layout_from_anybody() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    stand_in.house.slow.store(true, Ordering::SeqCst);
    let paths: Vec<_> = (0..CATALOG_CALLS_MAX).map(|event| format!("/v1/events/e{event}")).collect();
    assert_eq!(gateway.get("/v1/events/gala").await.status, 200);
    let invented = join_all(paths.iter().map(|path| gateway.get(path)));
    let layout = async {
        while stand_in.house.event_calls.load(Ordering::SeqCst) <= CATALOG_CALLS_MAX {
            sleep(Duration::from_millis(5)).await;
        }
        gateway.get("/v1/events/gala/layout").await
    };
    tokio::select! {
        layout = layout => assert_eq!(layout.status, 200, "{}", layout.text()),
        _ = invented => panic!("no layout before those give up"),
    }
}

#[tokio::test]
async fn ready_is_who_has_a_replica_that_serves() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    gateway.until_ready(200).await;
    stand_in.set_serving(false).await;
    gateway.until_ready(503).await;
    let answer = gateway.get("/readyz").await;
    assert_eq!(answer.refusal(), (503, "BACKEND_UNAVAILABLE".into()));
    assert_eq!(gateway.get("/healthz").await.status, 200);
    stand_in.set_serving(true).await;
    gateway.until_ready(200).await;
}
