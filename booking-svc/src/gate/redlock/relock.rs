//! After a takeover: the survivors get their majority back, and what the carrier before has left is dropped.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::{tally::Vote, vote::Lock};
use crate::{
    domain::{Epoch, EventId, Reservation, UnixMs},
    gate::{
        Error, Gate,
        keys::Keys,
        nodes::{Master, Masters},
        script,
    },
};

/// Holds that are locked anew at once, on each node.
const HOLDS_AT_ONCE: usize = 32;
/// How often a node is asked for one lock, and the pause in between.
const ATTEMPTS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// How long a node may take to drop an old gate.
const RETIRE_WAIT: Duration = Duration::from_secs(2);

/// What a takeover leaves to be done.
pub(super) struct Relock {
    pub(super) event: EventId,
    pub(super) epoch: Epoch,
    pub(super) carrier: String,
    pub(super) holds: Vec<Reservation>,
    /// The new carrier's clock, and when it was read.
    pub(super) now: UnixMs,
    pub(super) at: Instant,
    /// By node: the epoch of the gate that it carried.
    pub(super) gates: Vec<(usize, Epoch)>,
}

impl Relock {
    fn left(&self, hold: &Reservation) -> Duration {
        hold.deadline.after(self.now).saturating_sub(self.at.elapsed())
    }
}

impl Gate {
    /// Locks survivors on all nodes. Nothing depends on it: until then they are where they were when they were acknowledged,
    /// and an old gate, which may be one of these places, is dropped only where all of them are locked.
    pub(super) async fn relock(&self, masters: Arc<Masters>, rest: Relock) {
        let (masters, rest) = (&masters, &rest);
        let nodes = masters.all().iter().map(|master| self.lock_all_again(masters, rest, master));
        let locked = join_all(nodes).await;
        for (node, epoch) in rest.gates.iter().filter(|(node, _)| locked[*node]) {
            let keys = self.keys(&rest.event, *epoch);
            match timeout(RETIRE_WAIT, self.retire(masters, *node, &keys, rest.epoch)).await {
                Ok(Ok(())) => {}
                failed => {
                    tracing::debug!(event = %rest.event, ?failed, "an old gate stays where it is, frozen");
                }
            }
        }
    }

    /// True where the node has all survivors.
    async fn lock_all_again(&self, masters: &Masters, rest: &Relock, master: &Master) -> bool {
        if *master.name() == *rest.carrier {
            return true;
        }
        // Also those whose Confirm was begun: the vault may yet decide that it came to nothing.
        let mut held: Vec<_> = rest.holds.iter().collect();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                sleep(PAUSE).await;
            }
            held.retain(|hold| !rest.left(hold).is_zero());
            let mut missing = Vec::new();
            for holds in held.chunks(HOLDS_AT_ONCE) {
                let votes = holds.iter().map(|hold| self.lock_again(masters, rest, hold, master));
                let votes = join_all(votes).await;
                missing.extend(holds.iter().zip(votes).filter(|(_, has)| !has).map(|(hold, _)| *hold));
            }
            held = missing;
            if held.is_empty() {
                return true;
            }
        }
        tracing::debug!(event = %rest.event, node = master.name(), holds = held.len(), "a node lacks survivors");
        false
    }

    async fn lock_again(
        &self,
        masters: &Masters,
        rest: &Relock,
        hold: &Reservation,
        master: &Master,
    ) -> bool {
        let (left, at) = (rest.left(hold), Instant::now());
        let hold = hold.clone();
        let lock = Lock { hold, epoch: rest.epoch, carrier: rest.carrier.clone(), left, at };
        matches!(self.vote(masters, master, &lock).await, Vote::Locked | Vote::Forgetful)
    }

    async fn retire(&self, masters: &Masters, node: usize, keys: &Keys, epoch: Epoch) -> Result<(), Error> {
        let connection = masters.all()[node].node.get().await?;
        let call = script::RETIRE.call_with_keys(&keys.all, [&*epoch.to_string()]);
        connection.run(call).await.map(drop)
    }
}
