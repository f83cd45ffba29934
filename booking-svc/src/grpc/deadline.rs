//! How long a call may take.

use std::time::Duration;

use http::HeaderMap;

use crate::{
    identity::{Rpc, access},
    limits::{DEADLINE_CREATE_EVENT, DEADLINE_DEFAULT, DEADLINE_MAX},
};

/// The client's `grpc-timeout`, or our own bound where it sent none or nonsense.
pub(super) fn of(rpc: Rpc, headers: &HeaderMap) -> Duration {
    let default = if rpc == Rpc::CreateEvent { DEADLINE_CREATE_EVENT } else { DEADLINE_DEFAULT };
    let sent = headers.get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?));
    // Who needs no token can not keep a place for long.
    let longest = if access::roles(rpc).is_some() { DEADLINE_MAX } else { default };
    sent.unwrap_or(default).min(longest)
}

/// At most eight digits and a unit, by the gRPC protocol.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_deadline_is_honoured_within_bounds() {
        let bound = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            of(Rpc::Reserve, &headers)
        };
        assert_eq!(bound("250m"), Duration::from_millis(250));
        assert_eq!(bound("7S"), Duration::from_secs(7));
        assert_eq!(bound("99999999H"), DEADLINE_MAX);
        assert_eq!(bound("0n"), Duration::ZERO);
        for nonsense in ["", "S", "5", "-5S", "+5S", "123456789S", "5s", "5 S"] {
            assert_eq!(bound(nonsense), DEADLINE_DEFAULT, "{nonsense:?}");
        }
        assert_eq!(of(Rpc::Reserve, &HeaderMap::new()), DEADLINE_DEFAULT);
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", "60S".parse().unwrap());
        assert_eq!(of(Rpc::GetSeatMap, &headers), DEADLINE_DEFAULT);
        assert_eq!(of(Rpc::CreateEvent, &HeaderMap::new()), DEADLINE_CREATE_EVENT);
    }
}
