use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};

use super::*;
use crate::identity::{
    Roles,
    jwks::tests::{File, public, signer, trust},
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const PUBLIC_KEY_ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

fn by_secret() -> Verifier {
    Verifier::new(&trust(), Some(SECRET), None)
}

fn by_jwks(name: &str) -> (Verifier, File) {
    let keys = PUBLIC_KEY_ALGORITHMS.map(|algorithm| public(&format!("{algorithm:?}"), algorithm));
    let file = File::new(name, &keys);
    (Verifier::new(&trust(), None, Some(Jwks::open(&file.0, &trust()).unwrap())), file)
}

fn in_an_hour() -> u64 {
    jsonwebtoken::get_current_timestamp() + 3_600
}

fn claims() -> Value {
    json!({ "sub": "ann", "exp": in_an_hour(), "iss": "https://issuer.test", "aud": "ticketengine",
            "roles": ["customer", "editor"] })
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[field] = value;
    claims
}

fn without(field: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(field);
    claims
}

fn sign(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

fn sign_public(algorithm: Algorithm, kid: Option<&str>) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, &claims(), &signer(algorithm)).unwrap()
}

/// base64url without padding: enough to forge headers with.
fn b64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = |place: usize| char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
        text.extend((0..=chunk.len()).map(digit));
    }
    text
}

fn why(verifier: &Verifier, token: &str) -> &'static str {
    match verifier.verify(token) {
        Err(Error::TokenInvalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_token_names_its_caller() {
    let roles: Roles = [Role::Customer].into_iter().collect();
    let ann = Caller { subject: Some("ann".parse().unwrap()), roles };
    assert_eq!(by_secret().verify(&sign(&claims())), Ok(ann.clone()));
    let listed = with("aud", json!(["other", "ticketengine"]));
    assert_eq!(by_secret().verify(&sign(&listed)), Ok(ann.clone()));

    let (verifier, _file) = by_jwks("good");
    for algorithm in PUBLIC_KEY_ALGORITHMS {
        let token = sign_public(algorithm, Some(&format!("{algorithm:?}")));
        assert_eq!(verifier.verify(&token), Ok(ann.clone()), "{algorithm:?}");
    }
}

#[test]
fn a_minted_token_is_good() {
    let mint = Mint { subject: "till", roles: &[Role::Service, Role::Admin], ttl: Duration::from_secs(60) };
    let caller = by_secret().verify(&mint.sign(&trust(), SECRET).unwrap()).unwrap();
    assert_eq!(caller.roles, mint.roles.iter().copied().collect());
}

#[test]
fn claims_are_checked() {
    let verifier = by_secret();
    let required = "exp, iss, aud and sub are required and must be well-formed";
    let table = [
        (with("exp", json!(jsonwebtoken::get_current_timestamp() - 60)), "it has expired"),
        (with("exp", json!(in_an_hour().to_string())), required),
        (with("exp", json!(null)), required),
        (with("exp", json!(-1)), required),
        (without("exp"), required),
        (with("nbf", json!(in_an_hour())), "it is not valid yet"),
        (with("iss", json!("https://other.test")), "its iss is not trusted"),
        (with("iss", json!(["https://issuer.test"])), "it is not a token of a trusted kind"),
        (without("iss"), "it is not a token of a trusted kind"),
        (with("aud", json!("other")), "its aud is not this service"),
        (with("aud", json!([])), "its aud is not this service"),
        (without("aud"), required),
        (with("sub", json!("")), "its sub is not a customer id"),
        (with("sub", json!("a\nb")), "its sub is not a customer id"),
        (with("sub", json!("a".repeat(129))), "its sub is not a customer id"),
        (with("sub", json!(7)), "it is not a token of a trusted kind"),
        (without("sub"), "it is not a token of a trusted kind"),
        (with("roles", json!("admin")), "it is not a token of a trusted kind"),
    ];
    for (claims, expected) in table {
        assert_eq!(why(&verifier, &sign(&claims)), expected, "{claims}");
    }
    let no_roles = verifier.verify(&sign(&without("roles"))).unwrap();
    assert_eq!(no_roles.roles, Roles::default());
}

#[test]
fn what_is_not_a_token_is_refused() {
    let verifier = by_secret();
    for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30", "\u{0}.\u{0}.\u{0}"] {
        assert_eq!(why(&verifier, text), "it is not a token of a trusted kind", "{text:?}");
    }
    assert_eq!(why(&verifier, &"a".repeat(ACCESS_TOKEN_BYTES_MAX + 1)), "it is too long");
}

#[test]
fn a_changed_token_is_refused() {
    let token = sign(&claims());
    let (head, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let admin = b64(with("roles", json!(["admin"])).to_string().as_bytes());
    assert_eq!(why(&by_secret(), &format!("{head}.{admin}.{signature}")), "its signature is wrong");
    assert_eq!(why(&by_secret(), &format!("{head}.{admin}.")), "its signature is wrong");

    let other = EncodingKey::from_secret(&[7; 32]);
    let token = encode(&Header::new(Algorithm::HS256), &claims(), &other).unwrap();
    assert_eq!(why(&by_secret(), &token), "its signature is wrong");
}

#[test]
fn the_header_can_not_choose_the_algorithm() {
    let (jwks, _file) = by_jwks("swap");
    let payload = b64(claims().to_string().as_bytes());
    for none in ["none", "None", "NONE", ""] {
        let head = b64(json!({ "alg": none, "typ": "JWT" }).to_string().as_bytes());
        for verifier in [&by_secret(), &jwks] {
            assert_eq!(why(verifier, &format!("{head}.{payload}.")), "it is not a token of a trusted kind");
        }
    }

    // The public key as an HMAC secret, in the forms that an attacker has it in.
    let pem = include_bytes!("testdata/rsa.pem").to_vec();
    let modulus = public("RS256", Algorithm::RS256)["n"].as_str().unwrap().as_bytes().to_vec();
    for key in [pem, modulus] {
        let header = Header { kid: Some("RS256".into()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims(), &EncodingKey::from_secret(&key)).unwrap();
        assert_eq!(why(&jwks, &token), "no trusted key has its kid and alg");
    }

    // A relative of the key's algorithm, and another key's name.
    let header = Header { kid: Some("RS256".into()), ..Header::new(Algorithm::RS512) };
    let token = encode(&header, &claims(), &signer(Algorithm::RS256)).unwrap();
    assert_eq!(why(&jwks, &token), "no trusted key has its kid and alg");
    let token = sign_public(Algorithm::EdDSA, Some("ES256"));
    assert_eq!(why(&jwks, &token), "no trusted key has its kid and alg");
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = encode(&Header::new(algorithm), &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
        assert_eq!(why(&by_secret(), &token), "no trusted key has its kid and alg");
    }
}

#[test]
fn the_key_must_be_known() {
    let (jwks, _file) = by_jwks("unknown");
    let unknown = "no trusted key has its kid and alg";
    assert_eq!(why(&jwks, &sign_public(Algorithm::EdDSA, Some("stranger"))), unknown);
    assert_eq!(why(&jwks, &sign_public(Algorithm::EdDSA, None)), unknown, "there are three keys");
    assert_eq!(why(&jwks, &sign(&claims())), unknown, "no secret is set");
    assert_eq!(why(&by_secret(), &sign_public(Algorithm::EdDSA, Some("EdDSA"))), unknown);

    // A key that the token brings along is nobody's.
    let mut header = Header { kid: Some("mine".into()), ..Header::new(Algorithm::EdDSA) };
    header.jwk = Some(Jwk::from_encoding_key(&signer(Algorithm::EdDSA), Algorithm::EdDSA).unwrap());
    let token = encode(&header, &claims(), &signer(Algorithm::EdDSA)).unwrap();
    assert_eq!(why(&jwks, &token), unknown);
}

#[test]
fn critical_extensions_are_refused() {
    let header = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
    let token = encode(&header, &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
    assert_eq!(why(&by_secret(), &token), "its header has critical extensions");
}
