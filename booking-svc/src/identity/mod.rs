//! Who calls: access tokens, roles, and what each role may do.

pub mod access;
mod jwks;
mod rpc;
mod token;
mod verified;

pub use jwks::{Jwks, JwksError};
pub use rpc::Rpc;
pub use token::{Mint, Trust, Verifier};

use std::{fmt, str::FromStr};

use http::{HeaderMap, header::AUTHORIZATION};

use crate::domain::{CustomerId, IdError};

/// What a caller may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Buys for himself.
    Customer = 1,
    /// Another system: buys for the customers that it names.
    Service = 2,
    /// An organiser: manages events, sees and cancels everybody's bookings.
    Admin = 4,
}

impl Role {
    const STRONGEST_FIRST: [Self; 3] = [Self::Admin, Self::Service, Self::Customer];

    /// As tokens spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Service => "service",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::STRONGEST_FIRST.into_iter().find(|role| role.as_str() == text);
        found.ok_or("a role is customer, service or admin")
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Every role.
    pub const ALL: Self = Self(0b111);

    /// Whether `role` is among them.
    pub fn has(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    /// From the one that may do most.
    pub fn strongest_first(self) -> impl Iterator<Item = Role> {
        Role::STRONGEST_FIRST.into_iter().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |set, role| set | role as u8))
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The `sub` of the access token. `None` where authentication is off.
    pub subject: Option<CustomerId>,
    /// What the caller may be.
    pub roles: Roles,
}

impl Caller {
    /// The caller where authentication is off: may do everything, and names the customer.
    pub fn anybody() -> Self {
        Self { subject: None, roles: Roles::ALL }
    }
}

/// How callers prove who they are.
#[derive(Debug)]
pub enum Auth {
    /// Not at all: for development only.
    Off,
    /// By an access token.
    Jwt(Box<Verifier>),
}

impl Auth {
    /// Who makes a call with these headers.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let verifier = match self {
            Self::Off => return Ok(Caller::anybody()),
            Self::Jwt(verifier) => verifier,
        };
        let mut all = headers.get_all(AUTHORIZATION).into_iter();
        let header = all.next().ok_or(Error::TokenMissing)?;
        if all.next().is_some() {
            // Whoever stands in front may have looked at the other.
            return Err(Error::TokenInvalid("there is more than one"));
        }
        let text = header.to_str().map_err(|_| Error::TokenInvalid("it is not text"))?;
        match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => verifier.verify(token.trim()),
            _ => Err(Error::TokenMissing),
        }
    }
}

/// Why a caller is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No token came.
    #[error("no access token; send the header `authorization: Bearer <token>`")]
    TokenMissing,
    /// The token proves nothing.
    #[error("the access token is refused: {0}; get a new one")]
    TokenInvalid(&'static str),
    /// The caller has none of the roles of the call.
    #[error("{rpc} needs the role {}", list(roles))]
    RoleRequired {
        /// The call.
        rpc: Rpc,
        /// The roles that may make it.
        roles: &'static [Role],
    },
    /// The caller acts for himself only, and named another.
    #[error("customer_id names another customer; leave it empty to act for yourself")]
    NotOwner,
    /// The caller acts for others, and named nobody.
    #[error("customer_id must name the customer for whom this call is")]
    CustomerIdRequired,
    /// The customer_id can not be one.
    #[error(transparent)]
    CustomerId(IdError),
}

fn list(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ")
}
