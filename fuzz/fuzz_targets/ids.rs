//! Ids from outside: what is accepted can confuse neither Redis's keys, nor its records, nor a log, and has one spelling.
#![no_main]

use std::{fmt::Display, str::FromStr};

use booking_svc::domain::{CustomerId, EventId, PaymentReference, RequestId, ReservationId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    accepted::<EventId>(text, 63, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    accepted::<ReservationId>(text, 63 + 2 * 21, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    accepted::<RequestId>(text, 64, |b| b.is_ascii_graphic());
    accepted::<PaymentReference>(text, 128, |b| b.is_ascii_graphic());
    // The only one with spaces: it stands last in records.
    accepted::<CustomerId>(text, 128, |b| b >= b' ' && b != 0x7f);
    assert!(text.parse::<CustomerId>().is_err() || !text.contains(char::is_control));

    if let Ok(id) = text.parse::<ReservationId>() {
        assert_eq!(ReservationId::from_suffix(id.event.clone(), &id.suffix()), Ok(id));
    }
});

fn accepted<T: FromStr + Display + PartialEq>(text: &str, bytes_max: usize, may: fn(u8) -> bool) {
    let Ok(id) = text.parse::<T>() else { return };
    assert!((1..=bytes_max).contains(&text.len()) && text.bytes().all(may), "{text:?}");
    assert_eq!(id.to_string(), text);
}
