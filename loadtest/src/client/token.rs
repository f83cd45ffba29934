use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, errors::ErrorKind};
use serde::Serialize;
use tonic::{Request, metadata::AsciiMetadataValue};

use crate::{cli::Tokens, error::Error};

/// How long a token is good for; longer than any run.
const TOKEN_TTL: Duration = Duration::from_secs(2 * 3600);

/// Signs tokens for customers.
pub(crate) struct Minter {
    key: EncodingKey,
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    exp: u64,
    roles: [&'static str; 1],
}

impl Minter {
    /// Signs with the secret that the service verifies with.
    pub(crate) fn new(tokens: &Tokens) -> Self {
        let key = EncodingKey::from_secret(tokens.jwt_secret.as_bytes());
        Self { key, issuer: tokens.jwt_issuer.clone(), audience: tokens.jwt_audience.clone() }
    }

    /// A token of one customer, ready for its requests.
    pub(crate) fn mint(&self, customer: &str) -> Result<Token, Error> {
        self.mint_as(customer, "customer")
    }

    /// A token of an organiser, who makes events.
    pub(crate) fn mint_admin(&self, name: &str) -> Result<Token, Error> {
        self.mint_as(name, "admin")
    }

    fn mint_as(&self, sub: &str, role: &'static str) -> Result<Token, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            sub,
            iss: &self.issuer,
            aud: &self.audience,
            exp: (now + TOKEN_TTL).as_secs(),
            roles: [role],
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.key)?;
        // A token is base64 and dots: always a header's value.
        let mut bearer = AsciiMetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::Token(ErrorKind::InvalidToken.into()))?;
        bearer.set_sensitive(true);
        Ok(Token { bearer })
    }
}

/// A customer's token.
#[derive(Clone)]
pub(crate) struct Token {
    bearer: AsciiMetadataValue,
}

impl Token {
    /// A request that carries the token and a deadline.
    pub(crate) fn request<T>(&self, message: T, deadline: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request.set_timeout(deadline);
        request
    }

    /// A request that carries the token alone: the service's own deadline holds.
    pub(crate) fn request_without_deadline<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn a_token_says_who_the_customer_is() {
        let secret = "0123456789abcdef0123456789abcdef";
        let tokens = Tokens {
            jwt_secret: secret.into(),
            jwt_issuer: "issuer".into(),
            jwt_audience: "audience".into(),
        };
        let token = Minter::new(&tokens).mint("customer-7").unwrap();
        let request = token.request((), Duration::from_secs(1));
        let header = request.metadata().get("authorization").unwrap().to_str().unwrap();

        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&["issuer"]);
        validation.set_audience(&["audience"]);
        let key = DecodingKey::from_secret(secret.as_bytes());
        let claims = decode::<serde_json::Value>(header.strip_prefix("Bearer ").unwrap(), &key, &validation)
            .unwrap()
            .claims;
        assert_eq!(claims["sub"], "customer-7");
        assert_eq!(claims["roles"], serde_json::json!(["customer"]));
    }
}
