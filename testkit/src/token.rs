//! Access tokens of the tests' callers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
};

/// Signs access tokens.
pub const JWT_SECRET: &str = "the access tokens' secret of the tests";
/// Their `iss`.
pub const JWT_ISSUER: &str = "tests";
/// Their `aud`.
pub const JWT_AUDIENCE: &str = "ticketengine";
/// Signs reservation tokens.
pub const TOKEN_SECRET: &str = "the reservation tokens' secret of the tests";
/// Longer than any test.
const TTL: Duration = Duration::from_secs(600);

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    exp: u64,
    roles: Vec<String>,
}

/// A request of somebody with a role.
pub fn as_role<T>(role: impl ToString, subject: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(subject, &[role]));
    request
}

/// A request of a customer.
pub fn as_customer<T>(name: &str, message: T) -> Request<T> {
    as_role("customer", name, message)
}

/// The value of an `authorization` header.
pub fn bearer(subject: &str, roles: &[impl ToString]) -> MetadataValue<Ascii> {
    format!("Bearer {}", access_token(subject, roles)).parse().unwrap()
}

/// An access token.
pub fn access_token(subject: &str, roles: &[impl ToString]) -> String {
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + TTL;
    let roles = roles.iter().map(ToString::to_string).collect();
    let claims = Claims { sub: subject, iss: JWT_ISSUER, aud: JWT_AUDIENCE, exp: exp.as_secs(), roles };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes())).unwrap()
}
