//! Tells that events have gone to other nodes.

use std::sync::Arc;

use tokio::sync::watch;

use super::cluster::Topology;

/// The changes of who has what, from now on.
pub(in crate::gate) enum Changes {
    /// One has everything, for good.
    Never,
    /// Slots move between the primaries of a cluster.
    Slots(watch::Receiver<Arc<Topology>>),
    /// Another node of Redlock carries an event.
    Carriers(watch::Receiver<u64>),
}

impl Changes {
    /// What has changed so far is known.
    pub(in crate::gate) fn note(&mut self) {
        match self {
            Self::Never => {}
            Self::Slots(changes) => changes.mark_unchanged(),
            Self::Carriers(changes) => changes.mark_unchanged(),
        }
    }

    /// Waits for a change after [`Self::note`].
    pub(in crate::gate) async fn next(&mut self) {
        let changed = match self {
            Self::Never => false,
            Self::Slots(changes) => changes.changed().await.is_ok(),
            Self::Carriers(changes) => changes.changed().await.is_ok(),
        };
        // There is only one, or nobody looks any more.
        if !changed {
            std::future::pending::<()>().await;
        }
    }
}
