//! Tokens that were verified before: a signature costs more than all else in a refused call.

use std::{sync::Arc, time::SystemTime};

use quick_cache::{Weighter, sync::Cache};

use super::{Caller, jwks::Keys};
use crate::limits::CLOCK_SKEW;

/// Of all tokens that are kept. One of 300 bytes takes about 500.
const BYTES_MAX: u64 = 16 << 20;
/// What is kept of a token beside its text, roughly.
const BYTES_PER_TOKEN: u64 = 200;
/// So many are expected: room is made for as many at the start.
const TOKENS_EXPECTED: usize = 1_000;

/// Good tokens by their whole text: one that differs in a byte is another one.
pub(super) struct Verified(Cache<Box<str>, Known, Bytes>);

impl std::fmt::Debug for Verified {
    /// Names no token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Verified").field(&self.0.len()).finish()
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<str>, Known> for Bytes {
    fn weight(&self, token: &Box<str>, _: &Known) -> u64 {
        token.len() as u64 + BYTES_PER_TOKEN
    }
}

#[derive(Clone)]
struct Known {
    caller: Caller,
    /// Good until this second, clock skew included.
    until_unix_s: u64,
    /// The keys that verified it; None: the secret. Others mean that its key may have been withdrawn.
    keys: Option<Arc<Keys>>,
}

impl Verified {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(TOKENS_EXPECTED, BYTES_MAX, Bytes))
    }

    /// Whose token it is, where it was good before and still is by the clock and by `keys`, those of the JWKS file.
    pub(super) fn find(&self, token: &str, now: SystemTime, keys: Option<&Arc<Keys>>) -> Option<Caller> {
        let known = self.0.get(token)?;
        let same_keys = match (&known.keys, keys) {
            (None, _) => true,
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (Some(_), None) => false,
        };
        (same_keys && unix_s(now) < known.until_unix_s).then_some(known.caller)
    }

    /// Keeps a token that is good until `expires_unix_s`, by its own word.
    pub(super) fn keep(&self, token: &str, caller: Caller, expires_unix_s: u64, keys: Option<Arc<Keys>>) {
        let until_unix_s = expires_unix_s.saturating_add(CLOCK_SKEW.as_secs());
        self.0.insert(token.into(), Known { caller, until_unix_s, keys });
    }
}

fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::Roles;

    const EXPIRES: u64 = 1_000;

    fn at(unix_s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
    }

    fn kept(keys: Option<Arc<Keys>>) -> (Verified, Caller) {
        let caller = Caller { subject: Some("ann".parse().unwrap()), roles: Roles::default() };
        let verified = Verified::new();
        verified.keep("a.b.c", caller.clone(), EXPIRES, keys);
        (verified, caller)
    }

    #[test]
    fn a_token_is_known_until_it_expires_and_only_by_its_whole_text() {
        let (verified, caller) = kept(None);
        let end = EXPIRES + CLOCK_SKEW.as_secs();
        assert_eq!(verified.find("a.b.c", at(end - 1), None), Some(caller));
        assert_eq!(verified.find("a.b.c", at(end), None), None);
        assert_eq!(verified.find("a.b.d", at(0), None), None);
    }

    #[test]
    fn a_token_is_known_only_under_the_keys_that_verified_it() {
        let (then, now) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
        let (verified, caller) = kept(Some(Arc::clone(&then)));
        assert_eq!(verified.find("a.b.c", at(0), Some(&then)), Some(caller));
        assert_eq!(verified.find("a.b.c", at(0), Some(&now)), None, "the file was replaced");
        assert_eq!(verified.find("a.b.c", at(0), None), None);
    }
}
