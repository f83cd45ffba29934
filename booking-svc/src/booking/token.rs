//! Reservation tokens: the proof of a hold, with which it outlives the gate's memory.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::domain::{Reservation, ReservationState, SeatSet, UnixMs};

/// Keeps reservation tokens apart from access tokens, should somebody use one secret for both.
const AUDIENCE: &str = "ticketengine/reservation";
/// A token of 50 seats is about 800 bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// Signs and verifies with HS256. The first secret signs; all verify, so that secrets can be rotated.
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    /// Reservation id: event, epoch, version.
    rid: String,
    sub: String,
    req: String,
    seats: Vec<u32>,
    /// Deadline and extend limit, in ms of the gate's clock.
    until: i64,
    cap: i64,
}

impl Tokens {
    /// `secrets` holds at least one.
    pub(super) fn new(secrets: &[Vec<u8>]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["aud"]);
        validation.validate_exp = false; // The deadline is by the gate's clock, and checked there.
        Self {
            signing: EncodingKey::from_secret(secrets.first().map_or(&[], Vec::as_slice)),
            verifying: secrets.iter().map(|secret| DecodingKey::from_secret(secret)).collect(),
            validation,
        }
    }

    pub(super) fn sign(&self, hold: &Reservation) -> Result<String, Error> {
        let claims = Claims {
            aud: AUDIENCE.into(),
            rid: hold.id.to_string(),
            sub: hold.customer.to_string(),
            req: hold.request.to_string(),
            seats: hold.seats.iter().map(|seat| seat.0).collect(),
            until: hold.deadline.0,
            cap: hold.extend_limit.0,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing).map_err(|error| {
            tracing::error!(%error, "a reservation token could not be signed");
            Error::Internal
        })
    }

    /// The hold that the token proves, as it was when the token was made.
    pub(super) fn verify(&self, token: &str) -> Result<Reservation, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TokenInvalid);
        }
        let claims = self
            .verifying
            .iter()
            .find_map(|key| decode::<Claims>(token, key, &self.validation).ok())
            .ok_or(Error::TokenInvalid)?
            .claims;
        Self::reservation(claims).ok_or(Error::TokenInvalid)
    }

    fn reservation(claims: Claims) -> Option<Reservation> {
        Some(Reservation {
            id: claims.rid.parse().ok()?,
            customer: claims.sub.parse().ok()?,
            request: claims.req.parse().ok()?,
            seats: SeatSet::new(claims.seats).ok()?,
            state: ReservationState::Held,
            deadline: UnixMs(claims.until),
            extend_limit: UnixMs(claims.cap),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold() -> Reservation {
        Reservation {
            id: "rock.3.14".parse().unwrap(),
            customer: "ann".parse().unwrap(),
            request: "r1".parse().unwrap(),
            seats: SeatSet::new(100..150).unwrap(),
            state: ReservationState::Held,
            deadline: UnixMs(1_700_000_000_000),
            extend_limit: UnixMs(1_700_000_300_000),
        }
    }

    #[test]
    fn a_token_reads_back_as_signed_also_after_a_rotation() {
        let old = Tokens::new(&[vec![1; 32]]);
        let new = Tokens::new(&[vec![2; 32], vec![1; 32]]);
        let token = old.sign(&hold()).unwrap();
        assert!(token.len() < TOKEN_BYTES_MAX);
        assert_eq!(new.verify(&token), Ok(hold()));
        assert_eq!(old.verify(&new.sign(&hold()).unwrap()), Err(Error::TokenInvalid));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let tokens = Tokens::new(&[vec![1; 32]]);
        let token = tokens.sign(&hold()).unwrap();
        for bad in
            [token.replace('.', ""), token[..token.len() - 2].to_owned(), "x".repeat(5000), String::new()]
        {
            assert_eq!(tokens.verify(&bad), Err(Error::TokenInvalid));
        }
        let access = encode(
            &Header::new(Algorithm::HS256),
            &serde_json::json!({ "aud": "ticketengine", "rid": "rock.3.14", "sub": "ann", "req": "r", "seats": [1],
                "until": 1, "cap": 1 }),
            &EncodingKey::from_secret(&[1; 32]),
        );
        assert_eq!(tokens.verify(&access.unwrap()), Err(Error::TokenInvalid));
    }
}
