use std::time::Duration;

use clap::ValueEnum;

use super::Latest;
use crate::limits;

/// What stands between the service and PostgreSQL.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or one that gives each of our connections a session of its own.
    None,
    /// One that lends sessions by the transaction, such as pgbouncer with `pool_mode = transaction`: nothing is prepared, and
    /// no session is changed.
    Transaction,
}

/// Settings of the vault.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where PostgreSQL is: a `postgres://` URL or a connection string.
    pub url: String,
    /// Where lists may be read: a replica of it, or none.
    pub read_url: Option<String>,
    /// What stands before both.
    pub pooler: Pooler,
    /// Connections in all, at least `commit_lanes` + 2. More than half of them are kept for decisions.
    pub connections: u32,
    /// How long a call waits for a free connection before it is told that the vault is unavailable.
    pub pool_wait: Duration,
    /// How long a call waits for an answer. Loading an event and reading for a rebuild have a bound of their own.
    pub query_timeout: Duration,
    /// How long one attempt to decide may take before its connection is given up and it is run again.
    pub decide_timeout: Duration,
    /// How many transactions of decisions may be under way at once.
    pub commit_lanes: usize,
    /// Work on a server that may lose what it has acknowledged. For benchmarks and experiments.
    pub allow_unsafe_durability: bool,
    /// Which of several primaries is the latest: known to all who have a clone of these settings.
    pub latest: Latest,
}

impl Options {
    /// A server and the settings that suit most.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            read_url: None,
            pooler: Pooler::None,
            connections: 16,
            pool_wait: limits::POOL_WAIT,
            query_timeout: limits::QUERY_WAIT,
            decide_timeout: Duration::from_secs(2),
            commit_lanes: 2,
            allow_unsafe_durability: false,
            latest: Latest::default(),
        }
    }

    pub(super) fn lanes(&self) -> usize {
        self.commit_lanes.max(1)
    }

    /// How many decisions may be run alone at once, each on a connection of its own.
    pub(super) fn alone(&self) -> usize {
        (self.connections as usize).saturating_sub(self.lanes()).div_ceil(2).max(1)
    }

    /// Connections for decisions: readers can never take them.
    pub(super) fn deciding(&self) -> u32 {
        u32::try_from(self.lanes() + self.alone()).unwrap_or(u32::MAX)
    }

    /// Connections for everything else.
    pub(super) fn asking(&self) -> u32 {
        self.connections.saturating_sub(self.deciding()).max(1)
    }
}
