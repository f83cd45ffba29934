//! Reservation tokens: only what was signed verifies, and only as what it was signed for.
//!
//! The first byte of an input says what the rest is: `r` a token, `d` a hold and how its token is damaged, `s` a header and
//! a payload, a line each, that somebody signs who has the secret.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use booking_svc::{
    booking::{Error, fuzzing::Tokens},
    domain::{Reservation, ReservationState, SeatSet, UnixMs},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use serde_json::Value;

const SECRET: [u8; 32] = [7; 32];
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| Tokens::new(&[SECRET.to_vec(), vec![8; 32]]));
const ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

fuzz_target!(|bytes: &[u8]| {
    match bytes.split_first() {
        Some((b'r', text)) => raw(&String::from_utf8_lossy(text)),
        Some((b'd', bytes)) => drop(damaged(&mut Unstructured::new(bytes))),
        Some((b's', lines)) => signed(lines),
        _ => {}
    }
});

fn raw(token: &str) {
    assert_eq!(TOKENS.verify(token), Err(Error::TokenInvalid));
}

fn damaged(input: &mut Unstructured<'_>) -> Option<()> {
    let token = TOKENS.sign(&hold(input)?).ok()?;
    let mut changed = token.clone().into_bytes();
    while !input.is_empty() {
        let how: u8 = input.arbitrary().ok()?;
        let at = usize::from(input.arbitrary::<u16>().ok()?) % changed.len().max(1);
        match how % 5 {
            0 => *changed.get_mut(at)? = input.arbitrary().ok()?,
            1 => changed.insert(at, input.arbitrary().ok()?),
            2 => changed.truncate(at),
            3 => drop(changed.remove(at)),
            // Parts change places, or come from another token.
            _ => swap(&mut changed, input)?,
        }
        if changed.is_empty() {
            break;
        }
    }
    let changed = String::from_utf8_lossy(&changed);
    assert_eq!(TOKENS.verify(&changed).is_ok(), changed == token, "{changed}");
    Some(())
}

/// A hold whose token reads back as signed, by whoever knows the secret.
fn hold(input: &mut Unstructured<'_>) -> Option<Reservation> {
    let id = format!(
        "e{}.{}.{}",
        input.arbitrary::<u8>().ok()?,
        input.arbitrary::<u64>().ok()?,
        input.arbitrary::<u64>().ok()?
    );
    let seats: Vec<u32> = input.arbitrary::<[u32; 4]>().ok()?.into();
    let hold = Reservation {
        id: id.parse().ok()?,
        customer: input.arbitrary::<&str>().ok()?.parse().ok()?,
        request: input.arbitrary::<&str>().ok()?.parse().ok()?,
        seats: SeatSet::new(seats).ok()?,
        state: ReservationState::Held,
        deadline: UnixMs(input.arbitrary().ok()?),
        extend_limit: UnixMs(input.arbitrary().ok()?),
    };
    let token = TOKENS.sign(&hold).expect("signs");
    assert_eq!(TOKENS.verify(&token).as_ref(), Ok(&hold));
    let stranger = Tokens::new(&[vec![9; 32]]);
    assert_eq!(stranger.verify(&token), Err(Error::TokenInvalid));
    Some(hold)
}

fn swap(token: &mut Vec<u8>, input: &mut Unstructured<'_>) -> Option<()> {
    let other = TOKENS.sign(&hold(input)?).ok()?;
    let text = String::from_utf8_lossy(token).into_owned();
    let parts: Vec<_> = text.split('.').chain(other.split('.')).collect();
    let order: [u8; 3] = input.arbitrary().ok()?;
    let order = order.map(|part| parts[usize::from(part) % parts.len()]);
    // The other token itself would verify.
    *token = if order.join(".") == other { Vec::new() } else { order.join(".").into_bytes() };
    Some(())
}

fn signed(lines: &[u8]) {
    let mut lines = lines.splitn(2, |b| *b == b'\n');
    let (Some(header), Some(payload)) = (lines.next(), lines.next()) else { return };
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    for algorithm in ALGORITHMS {
        let signature =
            sign(message.as_bytes(), &EncodingKey::from_secret(&SECRET), algorithm).expect("signs");
        let Ok(hold) = TOKENS.verify(&format!("{message}.{signature}")) else { continue };
        assert_eq!(algorithm, Algorithm::HS256);
        // Fields that nobody reads may be broken.
        if let Ok(header) = serde_json::from_slice::<Value>(header) {
            assert_eq!(header["alg"], "HS256");
        }
        if let Ok(payload) = serde_json::from_slice::<Value>(payload) {
            assert_eq!(payload["aud"], "ticketengine/reservation");
            assert_eq!(payload["rid"], hold.id.to_string());
            assert_eq!(payload["sub"], hold.customer.as_str());
        }
        assert!(hold.seats.len() <= 50);
        assert_eq!(TOKENS.verify(&TOKENS.sign(&hold).expect("signs")), Ok(hold));
    }
    raw(&format!("{message}."));
    raw(&message);
}
