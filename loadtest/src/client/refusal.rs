use std::{fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The level of the funnel that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The replica's own copy of the seats, without asking anybody.
    Board,
    /// Redis, in memory.
    Gate,
    /// PostgreSQL.
    Vault,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Board => "board",
            Self::Gate => "gate",
            Self::Vault => "vault",
        })
    }
}

/// An answer that is not the one that was hoped for.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The gRPC code.
    pub(crate) code: Code,
    /// The reason of the error table; empty where the error carries none.
    pub(crate) reason: String,
    /// Who refused.
    pub(crate) level: Level,
    /// When to try again.
    pub(crate) retry_after: Option<Duration>,
    /// For people.
    pub(crate) message: String,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let (reason, mut metadata) =
            status.get_details_error_info().map(|info| (info.reason, info.metadata)).unwrap_or_default();
        let level = match metadata.remove("level").as_deref() {
            Some("board") => Level::Board,
            Some("vault") => Level::Vault,
            Some(_) => Level::Gate,
            None if matches!(reason.as_str(), "SEAT_LOST" | "PAYMENT_MISMATCH") => Level::Vault,
            None => Level::Gate,
        };
        Self {
            code: status.code(),
            reason,
            level,
            retry_after: status.get_details_retry_info().and_then(|info| info.retry_delay),
            message: status.message().to_owned(),
        }
    }
}

impl Refusal {
    /// Whether the outcome is open: the same call, with the same ids, finds it.
    pub(crate) fn is_open(&self) -> bool {
        match self.code {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::DataLoss => true,
            Code::Aborted => self.reason != "SEAT_LOST",
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => false,
        }
    }

    /// A refusal that the sale brings with it, not a failure of anybody.
    pub(crate) fn is_business(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "SEAT_UNAVAILABLE"
                | "CUSTOMER_LIMIT"
                | "SALE_NOT_OPEN"
                | "HOLD_EXPIRED"
                | "HOLD_RELEASED"
                | "EXTENSION_LIMIT"
                | "SEAT_LOST"
                | "PAYMENT_MISMATCH"
        )
    }

    /// The reason, or what there is in place of one.
    pub(crate) fn name(&self) -> String {
        if self.reason.is_empty() {
            format!("{:?}: {}", self.code, self.message)
        } else {
            self.reason.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn refusal(code: Code, reason: &str, level: Option<&str>) -> Refusal {
        let metadata: HashMap<_, _> = level.map(|level| ("level".into(), level.into())).into_iter().collect();
        let mut details = ErrorDetails::with_error_info(reason, "ticketengine", metadata);
        details.set_retry_info(Some(Duration::from_millis(250)));
        Status::with_error_details(code, "no", details).into()
    }

    #[test]
    fn details_are_read() {
        let found = refusal(Code::FailedPrecondition, "SEAT_UNAVAILABLE", Some("gate"));
        assert_eq!((found.name().as_str(), found.level), ("SEAT_UNAVAILABLE", Level::Gate));
        assert_eq!(found.retry_after, Some(Duration::from_millis(250)));
        assert!(found.is_business() && !found.is_open());
    }

    #[test]
    fn the_level_is_read_else_inferred() {
        assert_eq!(refusal(Code::Aborted, "SEAT_LOST", None).level, Level::Vault);
        assert_eq!(refusal(Code::FailedPrecondition, "PAYMENT_MISMATCH", None).level, Level::Vault);
        assert_eq!(refusal(Code::FailedPrecondition, "HOLD_EXPIRED", Some("vault")).level, Level::Vault);
        assert_eq!(refusal(Code::FailedPrecondition, "SEAT_UNAVAILABLE", Some("board")).level, Level::Board);
        assert_eq!(refusal(Code::FailedPrecondition, "HOLD_EXPIRED", None).level, Level::Gate);
    }

    #[test]
    fn open_outcomes_are_told_from_definite_ones() {
        assert!(refusal(Code::Unavailable, "GATE_REBUILDING", None).is_open());
        assert!(refusal(Code::Aborted, "CONFIRM_IN_PROGRESS", None).is_open());
        assert!(Refusal::from(Status::deadline_exceeded("late")).is_open());
        assert!(!refusal(Code::Aborted, "SEAT_LOST", None).is_open());
        assert!(!refusal(Code::ResourceExhausted, "CUSTOMER_LIMIT", None).is_open());
    }

    #[test]
    fn an_error_without_details_keeps_its_code() {
        assert_eq!(Refusal::from(Status::unimplemented("later")).name(), "Unimplemented: later");
    }
}
