//! What the customers of a sale share.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use super::{tally::Tally, view::View};
use crate::{
    client::{Connections, Minter},
    ledger::Ledger,
};

/// Calls under way at once. A customer whose call would be one more waits; its latency is counted from the sending.
pub(super) const CALLS_IN_FLIGHT_MAX: usize = 512;

/// A sale that is under way.
pub(super) struct Sale {
    /// Which event.
    pub(super) event: String,
    /// How long its holds last.
    pub(super) hold_ttl: Duration,
    /// How many seats a customer may have.
    pub(super) seats_per_customer: usize,
    /// What the names of this run's customers begin with.
    pub(super) customer_prefix: String,
    /// What customers draw their plans from.
    pub(super) seed: u64,
    /// How long it lasts.
    pub(super) length: Duration,
    /// No seats are looked for from then on.
    pub(super) ends_at: Instant,
    /// Signs the customers' tokens.
    pub(super) minter: Minter,
    /// Shared by the customers.
    pub(super) connections: Connections,
    /// Calls that may still begin.
    pub(super) in_flight: Semaphore,
    /// What is on the customers' screens.
    pub(super) view: watch::Receiver<Arc<View>>,
    /// What happened.
    pub(super) tally: Tally,
    /// What customers were told.
    pub(super) ledger: Ledger,
}
