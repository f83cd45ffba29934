use bb8_postgres::{
    bb8::RunError,
    tokio_postgres::{self, error::SqlState},
};

use crate::domain::{Epoch, EventId, ReservationId, SeatId};

/// Why the vault did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or no answer in time. Whether a write had its effect is open; repeating it is safe.
    #[error("the vault does not answer: {0}")]
    Unavailable(String),
    /// More decisions are waiting than the queue holds; this one was not tried.
    #[error("too many decisions are waiting for the vault")]
    Overloaded,
    /// The vault's epoch is another; nothing was written.
    #[error("the vault is in epoch {vault}; nothing was written")]
    EpochStale {
        /// The event's epoch in the vault.
        vault: Epoch,
    },
    /// No event has this id.
    #[error("there is no event {0} in the vault")]
    EventNotFound(EventId),
    /// The event has fewer seats; nothing was written.
    #[error("event {event} has no seat {seat}")]
    SeatNotFound {
        /// Which event.
        event: EventId,
        /// The seat that it lacks.
        seat: SeatId,
    },
    /// The event exists with other content.
    #[error("event {0} exists with other content")]
    EventExists(EventId),
    /// The reservation was decided for another customer, request or seats: the gate has used its id twice. It can
    /// never be booked.
    #[error("{0} was decided as another customer's, or with other seats: a gate went back in time")]
    Mismatch(ReservationId),
    /// The server may lose what it has acknowledged.
    #[error("PostgreSQL runs with {0}: it may lose bookings that it has acknowledged")]
    UnsafeDurability(String),
    /// The tables are missing or older than this program.
    #[error("the database is not ready: {0}; run `booking-svc migrate`")]
    NotMigrated(String),
    /// A pooler lends its sessions by the transaction, and nobody has said so.
    #[error("PostgreSQL is behind a pooler that lends its connections by the transaction: {0}")]
    Pooler(&'static str),
    /// The connection string can not be used.
    #[error("the database URL is wrong: {0}")]
    Url(String),
    /// The replica's connection string can not be used, or leads elsewhere.
    #[error("TE_DATABASE_READ_URL is wrong: {0}")]
    ReadUrl(String),
    /// A row says what it never should.
    #[error("the vault holds something impossible: {0}")]
    Corrupt(String),
    /// The server refused a statement: a bug.
    #[error("PostgreSQL refused a statement: {0}")]
    Query(String),
}

impl Error {
    /// Whether it stays wrong until somebody changes a setting or runs a command.
    pub(super) fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::UnsafeDurability(_)
                | Self::NotMigrated(_)
                | Self::Url(_)
                | Self::ReadUrl(_)
                | Self::Pooler(_)
        )
    }

    /// A transaction that may write did not begin: its server is gone, or a standby.
    #[expect(clippy::needless_pass_by_value)] // As `map_err` hands it over.
    pub(super) fn not_begun(error: tokio_postgres::Error) -> Self {
        Self::Unavailable(chain(&error))
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(answer) = error.as_db_error() else { return Self::Unavailable(chain(&error)) };
        let code = answer.code();
        let text = format!("{} ({})", answer.message(), code.code());
        if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_FUNCTION {
            Self::NotMigrated(text)
        } else if *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::DUPLICATE_PSTATEMENT {
            // What is prepared stays with its session: this one is another's.
            Self::Pooler("set TE_DATABASE_POOLER=transaction")
        } else if may_pass(code) {
            Self::Unavailable(text)
        } else {
            Self::Query(text)
        }
    }
}

impl From<RunError<Error>> for Error {
    fn from(error: RunError<Error>) -> Self {
        match error {
            RunError::User(error) => error,
            RunError::TimedOut => Self::Unavailable("no connection was free in time".into()),
        }
    }
}

/// Whether the same statement may succeed later: connections, resources, the operator, locks, a standby, disks.
fn may_pass(code: &SqlState) -> bool {
    const CLASSES: [&str; 7] = ["08", "28", "40", "53", "55", "57", "58"];
    *code == SqlState::READ_ONLY_SQL_TRANSACTION
        // We were too slow between two statements; the transaction is gone, and its connection.
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        || *code == SqlState::INVALID_CATALOG_NAME
        || CLASSES.contains(&&code.code()[..2])
}

/// An error with its causes: tokio-postgres shows only the first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_a_bug() {
        for code in ["08006", "08P01", "25006", "25P03", "3D000", "40001", "53300", "55P03", "57014", "57P01"]
        {
            assert!(may_pass(&SqlState::from_code(code)), "{code}");
        }
        for code in ["22P02", "23505", "25P02", "42601", "42P01"] {
            assert!(!may_pass(&SqlState::from_code(code)), "{code}");
        }
    }
}
