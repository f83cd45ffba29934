//! Access tokens that prove nothing: each is refused over the wire, and nothing changes.

use std::{env, fs, path::PathBuf, process, sync::Arc};

use booking_svc::identity::{Auth, Jwks, Trust, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};
use testkit::token::{JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET};
use ticketengine::v1::{CreateEventRequest, ReserveRequest};
use tonic::{Code, Request, Status};

use crate::{
    bad_input::everything,
    support::{
        calls::{reason, refused},
        world::{Replica, World, new_event},
    },
};

const RSA_PRIVATE: &[u8] = include_bytes!("../../../src/identity/testdata/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("testdata/rsa_public.pem");
const KEY_ID: &str = "rsa-1";

/// A JWKS file of one RSA key, removed at the end.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new() -> Self {
        let file = Self(env::temp_dir().join(format!("jwks-hostile-{}.json", process::id())));
        let mut jwk = Jwk::from_encoding_key(&rsa(), Algorithm::RS256).unwrap();
        jwk.common.key_id = Some(KEY_ID.into());
        fs::write(&file.0, json!({ "keys": [jwk] }).to_string()).unwrap();
        file
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA_PRIVATE).unwrap()
}

fn secret() -> EncodingKey {
    EncodingKey::from_secret(JWT_SECRET.as_bytes())
}

/// Claims of somebody who may do everything, with one of them changed.
fn claims(name: &str, value: Value) -> Value {
    let mut claims = json!({ "sub": "ann", "iss": JWT_ISSUER, "aud": JWT_AUDIENCE,
        "exp": get_current_timestamp() + 600, "roles": ["customer", "admin"] });
    claims[name] = value;
    claims
}

fn good() -> Value {
    claims("sub", json!("ann"))
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn hs256(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &secret()).unwrap()
}

/// Signed by the RSA key that is trusted, unless `key` is another.
fn with_kid(algorithm: Algorithm, kid: &str, key: &EncodingKey) -> String {
    let header = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
    encode(&header, &good(), key).unwrap()
}

/// A good token with another head, and the signature of before, or none.
fn beheaded(header: &Value, signed: bool) -> String {
    // The library writes base64url for us: as the payload of a token that nobody sees.
    let head = encode(&Header::default(), header, &secret()).unwrap();
    let (good, head) = (hs256(&good()), head.split('.').nth(1).unwrap().to_owned());
    let parts: Vec<&str> = good.split('.').collect();
    format!("{head}.{}.{}", parts[1], if signed { parts[2] } else { "" })
}

fn forged() -> Vec<(&'static str, String)> {
    let none = |alg: &str| json!({ "alg": alg, "typ": "JWT" });
    let public = EncodingKey::from_secret(RSA_PUBLIC);
    let other = EncodingKey::from_secret(&[7; 32]);
    let soon = get_current_timestamp() + 600;
    vec![
        ("alg none", beheaded(&none("none"), false)),
        ("alg none, signed", beheaded(&none("none"), true)),
        ("alg NONE", beheaded(&none("NONE"), false)),
        ("no alg", beheaded(&json!({ "typ": "JWT" }), false)),
        ("alg of a public key, by the secret", beheaded(&json!({ "alg": "RS256", "kid": KEY_ID }), true)),
        ("alg of a longer hash", encode(&Header::new(Algorithm::HS512), &good(), &secret()).unwrap()),
        ("the public key as a secret", with_kid(Algorithm::HS256, KEY_ID, &public)),
        ("the public key as a secret, no kid", encode(&Header::default(), &good(), &public).unwrap()),
        ("another secret", encode(&Header::default(), &good(), &other).unwrap()),
        ("an unknown kid", with_kid(Algorithm::RS256, "stranger", &rsa())),
        ("a kid that climbs", with_kid(Algorithm::RS256, "../../../../dev/null", &rsa())),
        (
            "a kid that climbs, empty secret",
            with_kid(Algorithm::HS256, "/dev/null", &EncodingKey::from_secret(b"")),
        ),
        ("a kid in SQL", with_kid(Algorithm::RS256, "x' UNION SELECT 'a", &rsa())),
        ("a wrong audience", hs256(&claims("aud", json!("ticketengine/reservation")))),
        ("no audience", hs256(&without("aud"))),
        ("a wrong issuer", hs256(&claims("iss", json!("elsewhere")))),
        ("a list of issuers", hs256(&claims("iss", json!([JWT_ISSUER])))),
        ("no issuer", hs256(&without("iss"))),
        ("exp as text", hs256(&claims("exp", json!(soon.to_string())))),
        ("exp as a list", hs256(&claims("exp", json!([soon])))),
        ("exp null", hs256(&claims("exp", Value::Null))),
        ("no exp", hs256(&without("exp"))),
        ("expired", hs256(&claims("exp", json!(get_current_timestamp() - 60)))),
        ("not yet", hs256(&claims("nbf", json!(soon)))),
        ("nbf as text", hs256(&claims("nbf", json!("later")))),
        ("no sub", hs256(&without("sub"))),
        ("a sub with a line break", hs256(&claims("sub", json!("ann\r\nbob")))),
        ("enormous", hs256(&claims("padding", json!("x".repeat(9_000))))),
        ("empty", String::new()),
        ("dots", "..".into()),
    ]
}

async fn replica(world: &World, keys: &KeyFile) -> Replica {
    let trust = Trust { issuer: JWT_ISSUER.into(), audience: JWT_AUDIENCE.into() };
    let jwks = Jwks::open(&keys.0, &trust).unwrap();
    let mut settings = world.settings();
    (settings.engine.sweep_every, settings.engine.reconcile_every) = (None, None);
    settings.auth =
        Arc::new(Auth::Jwt(Box::new(Verifier::new(&trust, Some(JWT_SECRET.as_bytes()), Some(jwks)))));
    Replica::start(settings).await
}

fn with<T>(message: T, values: &[String]) -> Request<T> {
    let mut request = Request::new(message);
    for value in values {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    request
}

/// A customer's call and an admin's, with these `authorization` headers.
async fn calls(replica: &Replica, values: &[String]) -> [Result<(), Status>; 2] {
    let reserve = ReserveRequest {
        event_id: "rock".into(),
        seat_ids: vec![1],
        request_id: "r".into(),
        customer_id: String::new(),
    };
    let create = CreateEventRequest { ..new_event("folk", 10, Default::default()) };
    [
        replica.bookings().reserve(with(reserve, values)).await.map(drop),
        replica.events().create_event(with(create, values)).await.map(drop),
    ]
}

#[tokio::test]
async fn a_token_that_proves_nothing_changes_nothing() {
    let (world, keys) = (World::new().await, KeyFile::new());
    let a = replica(&world, &keys).await;
    a.open_event("rock", 10, Default::default()).await;
    let before = everything(&world).await;
    for (what, token) in forged() {
        for answer in calls(&a, &[format!("Bearer {token}")]).await {
            let status = answer.expect_err(what);
            assert_eq!(
                (status.code(), &*reason(&status)),
                (Code::Unauthenticated, "UNAUTHENTICATED"),
                "{what}"
            );
        }
    }
    let (good, bad) = (format!("Bearer {}", hs256(&good())), "Bearer x.y.z".to_owned());
    let schemes = [good.replace("Bearer", "Basic"), good.replace("Bearer ", "Bearer"), good[7..].to_owned()];
    let mut headers: Vec<Vec<String>> = schemes.into_iter().map(|value| vec![value]).collect();
    // Whoever stands in front may have looked at the other one.
    headers.extend([
        vec![],
        vec![bad.clone(), good.clone()],
        vec![good.clone(), bad],
        vec![good.clone(), good],
    ]);
    for values in headers {
        for answer in calls(&a, &values).await {
            refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");
        }
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_good_token_is_good_however_its_scheme_is_spelled() {
    let (world, keys) = (World::new().await, KeyFile::new());
    let a = replica(&world, &keys).await;
    a.open_event("rock", 10, Default::default()).await;
    let tokens = [hs256(&good()), with_kid(Algorithm::RS256, KEY_ID, &rsa())];
    for scheme in ["Bearer", "bearer", "BEARER"] {
        for token in &tokens {
            let [reserve, create] = calls(&a, &[format!("{scheme} {token}")]).await;
            reserve.unwrap();
            create.unwrap();
        }
    }
}
