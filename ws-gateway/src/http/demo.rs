//! Tokens for everybody, so that a demonstration needs no login.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tonic::Code;

use super::{error::Refusal, origin};
use crate::{
    config::Secret,
    limits::{DEMO_TOKEN_TTL, DEMO_TOKENS_AT_ONCE, DEMO_TOKENS_PER_SECOND},
};

/// Whose tokens are made.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Signs them; booking-svc's own.
    pub secret: Secret,
    /// Their `iss`.
    pub issuer: String,
    /// Their `aud`.
    pub audience: String,
}

/// Makes tokens, not too many.
pub(super) struct Mint {
    demo: Demo,
    key: EncodingKey,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// Who somebody says to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    customer_id: String,
}

/// What everybody gets.
#[derive(Serialize)]
pub(super) struct Answer {
    token: String,
    expires_in_s: u64,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    exp: u64,
    roles: [&'static str; 1],
}

impl Demo {
    pub(super) fn mint(&self) -> Arc<Mint> {
        let bucket = Bucket { tokens: DEMO_TOKENS_AT_ONCE, filled: Instant::now() };
        let key = EncodingKey::from_secret(self.secret.expose().as_bytes());
        Arc::new(Mint { demo: self.clone(), key, bucket: Mutex::new(bucket) })
    }
}

/// Makes a token for our own page, or for who is no browser.
pub(super) async fn token(
    State(mint): State<Arc<Mint>>,
    headers: HeaderMap,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Answer>, Refusal> {
    let own = |origin| origin::is_own(origin, headers.get(header::HOST));
    if !headers.get(header::ORIGIN).is_none_or(own) {
        let message = "only the gateway's own page may ask";
        return Err(Refusal::new(Code::PermissionDenied, "ORIGIN_NOT_ALLOWED", message));
    }
    let Json(wish) = wish.map_err(|error| Refusal::invalid(error.body_text()))?;
    let customer = wish.customer_id;
    if !(1..=128).contains(&customer.len()) || customer.chars().any(char::is_control) {
        return Err(Refusal::invalid("customer_id must be 1 to 128 bytes without control characters"));
    }
    if !mint.take() {
        let refusal = Refusal::new(Code::ResourceExhausted, "OVERLOADED", "too many demo tokens at once");
        return Err(refusal.after(Duration::from_secs(1)));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = Claims {
        sub: &customer,
        iss: &mint.demo.issuer,
        aud: &mint.demo.audience,
        exp: (now + DEMO_TOKEN_TTL).as_secs(),
        roles: ["customer"],
    };
    let token = encode(&Header::new(Algorithm::HS256), &claims, &mint.key);
    let token = token.map_err(|_| Refusal::new(Code::Internal, "INTERNAL", "the token can not be signed"))?;
    Ok(Json(Answer { token, expires_in_s: DEMO_TOKEN_TTL.as_secs() }))
}

impl Mint {
    fn take(&self) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let dripped = now.duration_since(bucket.filled).as_secs_f64() * DEMO_TOKENS_PER_SECOND;
        bucket.tokens = (bucket.tokens + dripped).min(DEMO_TOKENS_AT_ONCE);
        bucket.filled = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }
}
