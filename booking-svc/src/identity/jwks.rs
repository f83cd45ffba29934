use std::{
    fs::{self, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Trust;
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, JWKS_LOOK_EVERY};

/// Why a JWKS file can not be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It can not be read.
    #[error("{0}: {1}")]
    Read(PathBuf, io::Error),
    /// It has more than [`JWKS_BYTES_MAX`] bytes or [`JWKS_KEYS_MAX`] keys.
    #[error("{0}: more than {JWKS_KEYS_MAX} keys or {JWKS_BYTES_MAX} bytes")]
    TooBig(PathBuf),
    /// It is not a JWK set.
    #[error("{0}: not a JWK set: {1}")]
    Parse(PathBuf, serde_json::Error),
    /// A key is weak or broken.
    #[error("{0}: key {1} {2}")]
    Key(PathBuf, usize, &'static str),
    /// Nothing in it can verify a token.
    #[error("{0}: no RS256, ES256 or EdDSA key for signatures")]
    Empty(PathBuf),
}

/// A public key and the one way to use it.
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
    pub(super) checks: Validation,
}

/// The public keys of a file.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Keys {
    /// The key that a token's header names. A token without `kid` is fine where there is one key only.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        match id {
            Some(_) => self.0.iter().find(|key| key.id.as_deref() == id && key.algorithm == algorithm),
            None => self.0.first().filter(|key| self.0.len() == 1 && key.algorithm == algorithm),
        }
    }
}

/// What tells that a file was replaced or written to, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(u64, Option<SystemTime>);

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self(file.len(), file.modified().ok())
    }
}

/// A JWKS file, and the last good keys that it had.
pub struct Jwks {
    path: PathBuf,
    trust: Trust,
    keys: RwLock<Arc<Keys>>,
    /// Of the file as it was read at the start.
    stamp: Stamp,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jwks").field(&self.path).finish()
    }
}

impl Jwks {
    /// Reads the file for the first time.
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, JwksError> {
        let (stamp, keys) = read(path, trust)?;
        Ok(Self { path: path.to_owned(), trust: trust.clone(), keys: RwLock::new(Arc::new(keys)), stamp })
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Re-reads the file whenever it changes, until told to stop. A broken file changes nothing.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut looks = interval(JWKS_LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Some(self.stamp.clone());
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            self.look(&mut seen);
        }
    }

    /// Reads the file if it differs from `seen`. It is small and local, so this may block for a moment.
    fn look(&self, seen: &mut Option<Stamp>) {
        let now = fs::metadata(&self.path).ok().map(|file| Stamp::of(&file));
        if now == *seen {
            return;
        }
        match read(&self.path, &self.trust) {
            Ok((stamp, keys)) => {
                info!(path = %self.path.display(), keys = keys.0.len(), "the JWKS file was re-read");
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                *seen = Some(stamp);
            }
            Err(error) => {
                warn!(%error, "the JWKS file is broken; the keys of before stay in use");
                *seen = now;
            }
        }
    }
}

fn read(path: &Path, trust: &Trust) -> Result<(Stamp, Keys), JwksError> {
    let fail = |error| JwksError::Read(path.to_owned(), error);
    let file = fs::File::open(path).map_err(fail)?;
    // Taken before reading: what is written while we read is seen at the next look.
    let stamp = Stamp::of(&file.metadata().map_err(fail)?);
    let mut bytes = Vec::new();
    file.take(JWKS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > JWKS_BYTES_MAX {
        return Err(JwksError::TooBig(path.to_owned()));
    }
    let set: JwkSet =
        serde_json::from_slice(&bytes).map_err(|error| JwksError::Parse(path.to_owned(), error))?;
    if set.keys.len() > JWKS_KEYS_MAX {
        return Err(JwksError::TooBig(path.to_owned()));
    }
    let mut keys = Vec::new();
    for (index, jwk) in set.keys.iter().enumerate() {
        let key = usable(jwk, trust).map_err(|why| JwksError::Key(path.to_owned(), index, why))?;
        keys.extend(key);
    }
    if keys.is_empty() {
        return Err(JwksError::Empty(path.to_owned()));
    }
    Ok((stamp, Keys(keys)))
}

/// The key as we use it; `None` for keys that are for something else.
#[allow(clippy::wildcard_enum_match_arm)] // The library adds kinds of keys as it likes.
fn usable(jwk: &Jwk, trust: &Trust) -> Result<Option<Key>, &'static str> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        // A shared secret in a file of public keys is somebody's mistake: never trust it.
        AlgorithmParameters::OctetKey(_) => return Err("is a shared secret; only public keys belong here"),
        _ => return Ok(None),
    };
    let other_use = jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature);
    let other_algorithm = jwk.common.key_algorithm.is_some_and(|given| given != name);
    if other_use || other_algorithm {
        return Ok(None);
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "is not base64url")?;
    if !strong(&key) {
        return Err("has the wrong length, or less than 2048 bits for RSA");
    }
    Ok(Some(Key { id: jwk.common.key_id.clone(), algorithm, key, checks: trust.validation(algorithm) }))
}

fn strong(key: &DecodingKey) -> bool {
    match (key.kind(), key.family()) {
        (DecodingKeyKind::RsaModulusExponent { n, .. }, AlgorithmFamily::Rsa) => {
            n.iter().skip_while(|byte| **byte == 0).count() >= 2048 / 8
        }
        // 0x04, x, y.
        (DecodingKeyKind::SecretOrDer(point), AlgorithmFamily::Ec) => point.len() == 65,
        (DecodingKeyKind::SecretOrDer(key), AlgorithmFamily::Ed) => key.len() == 32,
        _ => false,
    }
}

#[cfg(test)]
#[path = "jwks_tests.rs"]
pub(super) mod tests;
