use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};

use super::{Caller, Error, Jwks, Role, verified::Verified};
use crate::limits::{ACCESS_TOKEN_BYTES_MAX, CLOCK_SKEW};

/// Whose tokens are trusted, and that they are meant for us.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Required `iss`.
    pub issuer: String,
    /// Required in `aud`.
    pub audience: String,
}

impl Trust {
    /// The checks of a token under a key of one algorithm.
    pub(super) fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut checks = Validation::new(algorithm);
        checks.leeway = CLOCK_SKEW.as_secs();
        checks.validate_nbf = true;
        checks.set_issuer(&[&self.issuer]);
        checks.set_audience(&[&self.audience]);
        checks.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        checks
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Any JSON here, so that a wrong one is refused by its name.
    #[serde(default)]
    exp: serde_json::Value,
    /// Text here, so that a list of issuers with ours among them is refused.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(default)]
    roles: Vec<String>,
}

/// Verifies access tokens.
///
/// A key goes with one algorithm: the header of a token only picks among the keys, and can not change how a key is used.
#[derive(Debug)]
pub struct Verifier {
    secret: Option<(DecodingKey, Validation)>,
    jwks: Option<Jwks>,
    verified: Verified,
}

impl Verifier {
    /// Trusts HS256 tokens under `secret`, and RS256, ES256 and EdDSA tokens under the keys of a JWKS file.
    pub fn new(trust: &Trust, secret: Option<&[u8]>, jwks: Option<Jwks>) -> Self {
        let secret =
            secret.map(|secret| (DecodingKey::from_secret(secret), trust.validation(Algorithm::HS256)));
        Self { secret, jwks, verified: Verified::new() }
    }

    /// The JWKS file, which somebody has to keep fresh.
    pub fn jwks(&self) -> Option<&Jwks> {
        self.jwks.as_ref()
    }

    /// Whose token it is.
    pub fn verify(&self, token: &str) -> Result<Caller, Error> {
        if token.len() > ACCESS_TOKEN_BYTES_MAX {
            return Err(Error::TokenInvalid("it is too long"));
        }
        let keys = self.jwks.as_ref().map(Jwks::keys);
        if let Some(caller) = self.verified.find(token, SystemTime::now(), keys.as_ref()) {
            return Ok(caller);
        }
        let header = decode_header(token).map_err(|error| refusal(error.kind()))?;
        if header.crit.is_some() {
            return Err(Error::TokenInvalid("its header has critical extensions"));
        }
        let claims: Claims = if header.alg == Algorithm::HS256 {
            let (key, checks) = self.secret.as_ref().ok_or(UNKNOWN_KEY)?;
            decode(token, key, checks).map_err(|error| refusal(error.kind()))?.claims
        } else {
            let keys = keys.as_ref().ok_or(UNKNOWN_KEY)?;
            let key = keys.find(header.kid.as_deref(), header.alg).ok_or(UNKNOWN_KEY)?;
            decode(token, &key.key, &key.checks).map_err(|error| refusal(error.kind()))?.claims
        };
        let subject = claims.sub.parse().map_err(|_| Error::TokenInvalid("its sub is not a customer id"))?;
        // Roles of other systems may stand in the same token.
        let roles = claims.roles.iter().filter_map(|role| role.parse().ok()).collect();
        let caller = Caller { subject: Some(subject), roles };
        let keys = keys.filter(|_| header.alg != Algorithm::HS256);
        let expires_unix_s = claims.exp.as_f64().unwrap_or_default() as u64;
        self.verified.keep(token, caller.clone(), expires_unix_s, keys);
        Ok(caller)
    }
}

const UNKNOWN_KEY: Error = Error::TokenInvalid("no trusted key has its kid and alg");

/// Says enough to mend a client, and nothing about keys.
fn refusal(kind: &ErrorKind) -> Error {
    Error::TokenInvalid(if matches!(kind, ErrorKind::ExpiredSignature) {
        "it has expired"
    } else if matches!(kind, ErrorKind::ImmatureSignature) {
        "it is not valid yet"
    } else if matches!(kind, ErrorKind::InvalidSignature) {
        "its signature is wrong"
    } else if matches!(kind, ErrorKind::InvalidIssuer) {
        "its iss is not trusted"
    } else if matches!(kind, ErrorKind::InvalidAudience) {
        "its aud is not this service"
    } else if matches!(kind, ErrorKind::MissingRequiredClaim(_)) {
        "exp, iss, aud and sub are required and must be well-formed"
    } else {
        "it is not a token of a trusted kind"
    })
}

/// A token to be made, for development and tests.
#[derive(Clone, Debug)]
pub struct Mint<'a> {
    /// Who holds it.
    pub subject: &'a str,
    /// What the holder may be.
    pub roles: &'a [Role],
    /// For how long.
    pub ttl: Duration,
}

#[derive(Serialize)]
struct MintedClaims<'a> {
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    exp: u64,
    roles: Vec<&'static str>,
}

impl Mint<'_> {
    /// Signs the token with HS256.
    pub fn sign(&self, trust: &Trust, secret: &[u8]) -> Result<String, jsonwebtoken::errors::Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = MintedClaims {
            sub: self.subject,
            iss: &trust.issuer,
            aud: &trust.audience,
            exp: (now + self.ttl).as_secs(),
            roles: self.roles.iter().map(|role| role.as_str()).collect(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret))
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
