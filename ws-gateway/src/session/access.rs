//! Access tokens, as far as the gateway reads them. It verifies none: booking-svc does, with every call.

use jsonwebtoken::dangerous::insecure_decode;
use serde::Deserialize;
use tonic::metadata::{Ascii, MetadataValue};

use super::reply::now_ms;

/// A token that ended longer ago has expired by whatever clock. Until then only booking-svc decides, with the first call:
/// the gateway's clock may be wrong.
const CLOCK_SKEW_MS: f64 = 300_000.0;
/// The longest name of a customer, as booking-svc bounds it.
const CUSTOMER_ID_BYTES_MAX: usize = 128;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Unix seconds.
    exp: f64,
}

/// Whose calls a socket makes, if its token proves to be good.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) customer_id: String,
    /// The header of each call.
    pub(super) authorization: MetadataValue<Ascii>,
}

impl Caller {
    /// Reads a token. Fails with a sentence that says what is wrong with it.
    pub(super) fn read(token: &str) -> Result<Self, &'static str> {
        let claims = insecure_decode::<Claims>(token)
            .map_err(|_| "the access token is not a JWT with sub and exp")?
            .claims;
        let named = (1..=CUSTOMER_ID_BYTES_MAX).contains(&claims.sub.len());
        if !named || claims.sub.chars().any(char::is_control) {
            return Err("the sub of the access token is not a customer id");
        }
        if claims.exp * 1_000.0 + CLOCK_SKEW_MS < now_ms() as f64 {
            return Err("the access token has expired");
        }
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| "the access token can not stand in a header")?;
        authorization.set_sensitive(true);
        Ok(Self { customer_id: claims.sub, authorization })
    }
}
