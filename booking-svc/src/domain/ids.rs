use std::{fmt, str::FromStr, sync::Arc};

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct IdError {
    /// Which id, by its name on the wire.
    pub what: &'static str,
    /// What it has to look like.
    pub rule: &'static str,
}

/// Defines a shared, checked text: a newtype over `Arc<str>`.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(IdError { what: $what, rule: $rule }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// Names an event. Safe inside a Redis hash tag and a reservation id: it has no brace and no dot.
    EventId,
    "event_id",
    "1 to 63 lower-case letters, digits and hyphens, neither first nor last a hyphen",
    |text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
);

text_id!(
    /// Names a customer: the `sub` of an access token. May hold spaces, so it stands last in the gate's records.
    CustomerId,
    "customer_id",
    "1 to 128 bytes without control characters",
    |text| (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
);

text_id!(
    /// Names one Reserve of a customer, made by the caller.
    RequestId,
    "request_id",
    "1 to 64 printable ASCII characters without spaces",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
);

text_id!(
    /// The payment's id at the payment provider.
    PaymentReference,
    "payment_reference",
    "1 to 128 printable ASCII characters without spaces",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
);

/// Raised each time that an event's gate is rebuilt; 0 before the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Counts the changes of an event's seats within an epoch: a place in its change log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a reservation: the event, and the epoch and version of its grant. Unique for ever, because an epoch is never
/// used twice and a version grows within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId {
    /// The event whose seats it holds.
    pub event: EventId,
    /// The gate's epoch when it was granted.
    pub epoch: Epoch,
    /// The version that its grant made.
    pub version: Version,
}

impl ReservationId {
    /// The part after the event, as the gate's records of one event name it.
    pub fn suffix(&self) -> String {
        format!("{}.{}", self.epoch, self.version)
    }

    /// Puts an event and a [`Self::suffix`] together again.
    pub fn from_suffix(event: EventId, suffix: &str) -> Result<Self, IdError> {
        let (epoch, version) = suffix.split_once('.').ok_or(Self::ERROR)?;
        let number = |text: &str| {
            let canonical = !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'));
            text.parse().ok().filter(|_| canonical).ok_or(Self::ERROR)
        };
        Ok(Self { event, epoch: Epoch(number(epoch)?), version: Version(number(version)?) })
    }

    const ERROR: IdError =
        IdError { what: "reservation_id", rule: "an id that Reserve returned: <event_id>.<epoch>.<version>" };
}

impl FromStr for ReservationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (event, suffix) = text.split_once('.').ok_or(Self::ERROR)?;
        Self::from_suffix(event.parse().map_err(|_| Self::ERROR)?, suffix)
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.event, self.epoch, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_id_reads_back_as_written() {
        let id: ReservationId = "rock-2026.7.123".parse().unwrap();
        assert_eq!(id.event.as_str(), "rock-2026");
        assert_eq!((id.epoch, id.version), (Epoch(7), Version(123)));
        assert_eq!(id.to_string(), "rock-2026.7.123");
        assert_eq!(ReservationId::from_suffix(id.event.clone(), &id.suffix()), Ok(id));
    }

    #[test]
    fn a_reservation_id_has_one_spelling() {
        for text in
            ["", "e", "e.1", "e.1.", "e.01.2", "e.1.+2", "e.1.2.3", "E.1.2", "e.1.99999999999999999999"]
        {
            assert!(text.parse::<ReservationId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_refuse_what_could_confuse_a_store() {
        for text in ["", "-a", "a-", "a.b", "{a}", "a b", "ä", "a\r\nb", &"a".repeat(64)] {
            assert!(text.parse::<EventId>().is_err(), "{text:?}");
        }
        for text in ["", "a\nb", "a\0b", "\u{85}", &"a".repeat(129)] {
            assert!(text.parse::<CustomerId>().is_err(), "{text:?}");
        }
        for text in ["", "a b", "a\tb", "é", &"a".repeat(65)] {
            assert!(text.parse::<RequestId>().is_err(), "{text:?}");
        }
        assert!("auth0|Ann Lee".parse::<CustomerId>().is_ok());
    }
}
