//! Why a run or an audit could not be done. What an audit finds is not an error.

use std::{io, path::PathBuf};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A target is not an address.
    #[error("--target {0}: not an address such as http://127.0.0.1:50051")]
    Target(String, #[source] tonic::transport::Error),
    /// A target does not answer.
    #[error("{target} does not answer: {}", explain(source))]
    Unreachable {
        /// Which.
        target: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The service refused what the run needs to begin.
    #[error("{call} was refused: {} {}", status.code(), status.message())]
    Refused {
        /// Which call.
        call: &'static str,
        /// The answer.
        status: Box<tonic::Status>,
    },
    /// The service left out something that the run needs.
    #[error("the answer of {0} lacks {1}")]
    Incomplete(&'static str, &'static str),
    /// The secret is too short or the claims can not be signed.
    #[error("no token can be signed: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The address of Redis can not be read.
    #[error("the gate (Redis): {0}")]
    Gate(#[from] redis::RedisError),
    /// The address of Redis is none of those that the service takes.
    #[error("the address of the gate (Redis) is wrong: {0}")]
    GateUrl(&'static str),
    /// A server of Redis does not answer, or not as expected.
    #[error("the gate (Redis) at {server}: {source}")]
    GateServer {
        /// Which.
        server: String,
        /// Why.
        source: redis::RedisError,
    },
    /// The Sentinels know no primary of that name.
    #[error("the gate (Redis): no Sentinel knows a primary that is called {0}")]
    GatePrimary(String),
    /// Of the servers of Redlock too few answer.
    #[error(
        "the gate (Redis): {answer} of {all} servers answer, and only a majority knows who carries an event; {silent}"
    )]
    GateMinority {
        /// How many answer.
        answer: usize,
        /// How many there are.
        all: usize,
        /// The others, each with the reason.
        silent: String,
    },
    /// The event has no state in Redis.
    #[error("the gate (Redis) of event {0} is cold: {1}")]
    GateCold(String, String),
    /// PostgreSQL does not answer, or not as expected.
    #[error("the vault (PostgreSQL): {}", explain(.0))]
    Vault(#[from] tokio_postgres::Error),
    /// The event is not in PostgreSQL.
    #[error("the vault (PostgreSQL) has no event {0}")]
    EventNotFound(String),
    /// The acknowledgements can not be read or written.
    #[error("{}: {source}", path.display())]
    AcksFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The acknowledgements are not what a run wrote.
    #[error("{}: not the acknowledgements of a run: {source}", path.display())]
    AcksFormat {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The acknowledgements are about another event.
    #[error("the acknowledgements are about event {0}, not {1}")]
    AcksEvent(String, String),
    /// The gateway is not an address, or does not take sockets.
    #[error("the gateway {address}: {why}")]
    Gateway {
        /// Where it is.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The gateway's process is not seen.
    #[error(
        "the gateway's process is not seen; --pid names it; it must run on this machine and be of this user"
    )]
    Process,
    /// There is no gateway to be measured.
    #[error("fanout needs --gateway")]
    NoGateway,
    /// The sockets can not be read.
    #[error("the sockets: {0}")]
    Sockets(#[source] io::Error),
    /// Sockets did not get what they should.
    #[error("only {served} of {wanted} sockets got what they should")]
    Unserved {
        /// How many there are.
        wanted: usize,
        /// How many did.
        served: usize,
    },
    /// A histogram can not be made.
    #[error("a histogram: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// Histograms can not be put together.
    #[error("a histogram: {0}")]
    HistogramAdd(#[from] hdrhistogram::AdditionError),
    /// No seat could be reserved, so no change could be sent to the sockets.
    #[error("no seat of event {0} could be reserved; is its sale open, and are seats free?")]
    NoChange(String),
    /// Nothing was sold: the audit that follows would say nothing.
    #[error("no customer got a booking, so the run proves nothing")]
    NothingSold,
    /// A load did not come to its end.
    #[error("a call of the load was never answered, or its caller failed")]
    LoadStuck,
    /// A slice needed more seats than there were.
    #[error("{0}: no seats are left for this slice")]
    OutOfSeats(&'static str),
    /// A step that has to end did not.
    #[error("{0} takes too long")]
    Overdue(&'static str),
    /// The service's process is not on this machine, or of another user.
    #[error("no process here is seen to listen on the port of booking-svc; memory can not be measured")]
    NoProcess,
    /// A rebuild did not keep what was there.
    #[error("event {0} was rebuilt without a hold that it had")]
    HoldLost(String),
    /// Another program that measures a ceiling does not work.
    #[error("{name}: {why}")]
    Tool {
        /// Which.
        name: &'static str,
        /// What it said.
        why: String,
    },
    /// The bare server does not work.
    #[error("the bare server: {0}")]
    Bare(&'static str),
    /// A file of the report can not be written.
    #[error("{}: {source}", path.display())]
    Report {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The report can not be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// [`Error::GateCold`]: it may be another in a moment.
    pub(crate) fn cold(event: &str, why: impl Into<String>) -> Self {
        Self::GateCold(event.to_owned(), why.into())
    }
}

// These keep what happened one level down.
fn explain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
