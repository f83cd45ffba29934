//! For fuzz targets: reservation tokens, which nobody outside can make or read otherwise.

use super::{Error, token};
use crate::domain::Reservation;

/// Signs and verifies as the engine does.
pub struct Tokens(token::Tokens);

impl Tokens {
    /// `secrets` holds at least one.
    pub fn new(secrets: &[Vec<u8>]) -> Self {
        Self(token::Tokens::new(secrets))
    }

    /// The token of a hold.
    pub fn sign(&self, hold: &Reservation) -> Result<String, Error> {
        self.0.sign(hold)
    }

    /// The hold that the token proves.
    pub fn verify(&self, token: &str) -> Result<Reservation, Error> {
        self.0.verify(token)
    }
}
