use axum::body::Body;
use http::Request;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use crate::{
    gateway::{Answer, Gateway},
    stand_in::StandIn,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OPTIONS: [&str; 6] = ["--demo-jwt-secret", SECRET, "--jwt-issuer", "us", "--jwt-audience", "seats"];

async fn ask(gateway: &Gateway, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post("/v1/demo/token").header("host", gateway.address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.ask(request.body(Body::from(body.to_owned())).unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_demonstration_makes_tokens_of_customers() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &OPTIONS).await;
    let own = format!("http://{}", gateway.address);
    let answer = ask(&gateway, r#"{"customer_id":"alice"}"#, &[JSON, ("origin", &own)]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["expires_in_s"]), (200, &json!(43_200)));
    let mut checks = Validation::new(Algorithm::HS256);
    checks.set_issuer(&["us"]);
    checks.set_audience(&["seats"]);
    checks.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let claims =
        decode::<Value>(&token, &DecodingKey::from_secret(SECRET.as_bytes()), &checks).unwrap().claims;
    assert_eq!((&claims["sub"], &claims["roles"]), (&json!("alice"), &json!(["customer"])));
}

#[tokio::test]
async fn only_our_own_page_gets_one() {
    let stand_in = StandIn::start();
    // Also where other sites may watch.
    let gateway = Gateway::of(&stand_in, &[&OPTIONS[..], &["--allowed-origins", "*"]].concat()).await;
    let alice = r#"{"customer_id":"alice"}"#;
    let table = [
        (alice, &[JSON][..], 200),
        (alice, &[JSON, ("origin", "https://evil.example")], 403),
        // A form of another site can send this without asking first.
        (alice, &[("content-type", "text/plain")], 400),
        (r#"{"customer_id":""}"#, &[JSON], 400),
        (r#"{"customer_id":"a","role":"admin"}"#, &[JSON], 400),
        ("no", &[JSON], 400),
    ];
    for (body, headers, status) in table {
        let answer = ask(&gateway, body, headers).await;
        assert_eq!(answer.status.as_u16(), status, "{body} {headers:?}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn tokens_are_not_made_without_end() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &OPTIONS).await;
    let mut refused = None;
    for _ in 0..1_000 {
        let answer = ask(&gateway, r#"{"customer_id":"alice"}"#, &[JSON]).await;
        if answer.status != 200 {
            refused = Some(answer.refusal());
            break;
        }
    }
    assert_eq!(refused, Some((429, "OVERLOADED".into())));
}

#[tokio::test]
async fn without_a_secret_there_is_no_such_path() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let answer = ask(&gateway, r#"{"customer_id":"alice"}"#, &[JSON]).await;
    assert_eq!(answer.refusal(), (404, "PATH_NOT_FOUND".into()));
}
