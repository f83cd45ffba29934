use std::env;

use jsonwebtoken::{EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

use super::*;

/// A private key for tests, and its algorithm.
pub(crate) fn signer(algorithm: Algorithm) -> EncodingKey {
    let pair = [
        (Algorithm::RS256, EncodingKey::from_rsa_pem(include_bytes!("testdata/rsa.pem"))),
        (Algorithm::ES256, EncodingKey::from_ec_pem(include_bytes!("testdata/ec.pem"))),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(include_bytes!("testdata/ed.pem"))),
    ]
    .into_iter()
    .find(|(of, _)| *of == algorithm);
    pair.unwrap().1.unwrap()
}

/// The public half as a JWK.
pub(crate) fn public(id: &str, algorithm: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(&signer(algorithm), algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

pub(crate) fn trust() -> Trust {
    Trust { issuer: "https://issuer.test".into(), audience: "ticketengine".into() }
}

/// A file of its own for a test, removed at the end.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new(name: &str, keys: &[Value]) -> Self {
        let file = Self(env::temp_dir().join(format!("jwks-{name}-{}.json", std::process::id())));
        file.write(keys);
        file
    }

    fn write(&self, keys: &[Value]) {
        fs::write(&self.0, json!({ "keys": keys }).to_string()).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_changed_file_is_re_read_and_a_broken_one_is_not_believed() {
    let file = File::new("change", &[public("a", Algorithm::EdDSA)]);
    let jwks = Jwks::open(&file.0, &trust()).unwrap();
    let mut seen = Some(jwks.stamp.clone());
    let has = |id| jwks.keys().find(Some(id), Algorithm::EdDSA).is_some();
    assert!(has("a"));

    fs::write(&file.0, "{").unwrap();
    jwks.look(&mut seen);
    assert!(has("a"), "the last good keys stay");

    fs::remove_file(&file.0).unwrap();
    jwks.look(&mut seen);
    assert!(has("a"), "the last good keys stay");

    file.write(&[public("rolled-over", Algorithm::EdDSA)]);
    jwks.look(&mut seen);
    assert!(has("rolled-over") && !has("a"));
}

#[test]
fn unusable_files_are_refused_by_name() {
    let open = |name: &str, keys: &[Value]| {
        let file = File::new(name, keys);
        Jwks::open(&file.0, &trust()).map(|_| ()).unwrap_err().to_string()
    };
    assert!(open("none", &[]).contains("no RS256, ES256 or EdDSA key"));
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s" });
    assert!(open("secret", &[public("a", Algorithm::EdDSA), secret]).contains("key 1 is a shared secret"));
    let weak = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
    assert!(open("weak", &[weak]).contains("less than 2048 bits"));
    let short = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAB" });
    assert!(open("short", &[short]).contains("wrong length"));
    let many = vec![public("a", Algorithm::EdDSA); JWKS_KEYS_MAX + 1];
    assert!(open("many", &many).contains("more than"));
    assert!(Jwks::open(Path::new("/nowhere/jwks.json"), &trust()).is_err());
}

#[test]
fn keys_for_other_things_are_left_out() {
    let mut encryption = public("e", Algorithm::RS256);
    encryption["use"] = "enc".into();
    let mut pss = public("p", Algorithm::RS256);
    pss["alg"] = "PS256".into();
    let curve = json!({ "kty": "EC", "crv": "P-384", "x": "AQAB", "y": "AQAB", "kid": "c" });
    let file = File::new("other", &[encryption, pss, curve, public("a", Algorithm::ES256)]);
    let jwks = Jwks::open(&file.0, &trust()).unwrap();
    assert_eq!(jwks.keys().0.len(), 1);
    assert!(jwks.keys().find(None, Algorithm::ES256).is_some(), "one key needs no kid");
    assert!(jwks.keys().find(None, Algorithm::RS256).is_none());
}
