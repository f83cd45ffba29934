//! A majority of the nodes gets to have a hold, or the hold is not acknowledged.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use rand::Rng;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use super::{
    drift::ALLOWANCE_MAX,
    tally::Tally,
    vote::{Lock, VOTE_WAIT},
};
use crate::{
    domain::{EventId, ReservationId, ReservationState, SeatSet},
    gate::{
        Error, Found, Gate, Place, keys,
        nodes::{Master, Masters},
        script,
    },
};

/// How often the nodes are asked for one call.
const ROUNDS_MAX: u32 = 4;
/// All rounds together take no longer, but for the last.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The pause after the first round that found no majority, at most; it doubles. With full jitter: who competes is not to meet again.
const PAUSE: Duration = Duration::from_millis(20);

impl Gate {
    /// Returns when a majority has the hold. Else nobody is told of it: it stays on the carrier, where a repeat finds it
    /// and asks for votes again, or ends by its time. The votes that it got stay, too: a repeat that was faster may rely on them.
    pub(in crate::gate) async fn lock(
        &self,
        masters: &Arc<Masters>,
        place: &Place,
        found: &Found,
        asked: Instant,
    ) -> Result<(), Error> {
        let hold = &found.reservation;
        if hold.state != ReservationState::Held {
            return Ok(());
        }
        let lock = Arc::new(Lock {
            hold: hold.clone(),
            epoch: place.epoch,
            carrier: place.shard.to_string(),
            left: hold.deadline.after(found.now),
            at: Instant::now(),
        });
        // Validity: a hold that has ended meanwhile is acknowledged to nobody.
        let (mut pause, until) = (PAUSE, asked + lock.left);
        for round in 1..=ROUNDS_MAX {
            let tally = self.ask_for_votes(masters, &lock).await;
            if tally.is_won() && Instant::now() < until {
                return Ok(());
            }
            if let Some((epoch, carrier)) = &tally.fenced {
                masters.learn(&hold.id.event, *epoch, carrier);
            }
            let mut wait = rand::rng().random_range(Duration::ZERO..pause);
            if let Some((left, other)) = &tally.taken {
                if self.unlock_where_over(masters, &hold.id.event, other).await {
                    continue;
                }
                // The other hold has ended on the carrier: its locks do so soon, unless a clock was set.
                if *left > 2 * ALLOWANCE_MAX {
                    return Err(Error::Unavailable(format!("{}, a lock of {other} lasts", tally.describe())));
                }
                wait += *left;
            }
            let over = lock.at.elapsed() + wait > PATIENCE || Instant::now() + wait >= until;
            if round == ROUNDS_MAX || over || tally.fenced.is_some() {
                return Err(Error::Unavailable(tally.describe()));
            }
            sleep(wait).await;
            pause *= 2;
        }
        Err(Error::Unavailable("locks that were left behind stand in the way".into()))
    }

    /// All are asked. Who is not waited for goes on: the more have a hold, the more may die.
    async fn ask_for_votes(&self, masters: &Arc<Masters>, lock: &Arc<Lock>) -> Tally {
        let (decided, verdict) = oneshot::channel();
        let (gate, masters, lock) = (self.clone(), Arc::clone(masters), Arc::clone(lock));
        let nodes = masters.all().len();
        self.tasks.spawn("votes", async move {
            let (mut tally, mut decided) = (Tally::new(nodes), Some(decided));
            let mut votes = FuturesUnordered::new();
            for master in masters.all().iter().filter(|master| *master.name() != *lock.carrier) {
                votes.push(gate.vote(&masters, master, &lock));
            }
            while let Some(vote) = votes.next().await {
                tally.count(vote);
                let is_over = tally.is_won() || tally.is_lost();
                if let Some(decided) = decided.take_if(|_| is_over) {
                    let _ = decided.send(tally.clone());
                }
            }
        });
        verdict.await.unwrap_or_else(|_| Tally::new(nodes))
    }

    /// A lock may have been left behind by who died between the vault and the nodes. True where it was, and is no more.
    async fn unlock_where_over(&self, masters: &Masters, event: &EventId, id: &str) -> bool {
        let Ok(id) = ReservationId::from_suffix(event.clone(), id) else { return false };
        let Ok(Some(found)) = self.get(&id, None).await else { return false };
        // That a hold ended by time is only what the carrier's clock says.
        let state = found.reservation.state;
        let over = !state.owns_seats() && state != ReservationState::Expired;
        if over {
            self.unlock(masters, &id, &found.reservation.seats).await;
        }
        over
    }

    /// Takes all nodes' votes back: the vault has decided, so the hold is over for ever. What can not be reached ends by its
    /// time.
    pub(in crate::gate) async fn unlock(&self, masters: &Masters, id: &ReservationId, seats: &SeatSet) {
        let [_, locks] = keys::votes(&self.prefix, &id.event);
        let (keys, id, seats) = ([locks], id.suffix(), seats.to_string());
        let unlock = async |master: &Master| {
            let connection = master.node.get().await?;
            let run = connection.run(script::UNLOCK.call_with_keys(&keys, [&*id, &*seats]));
            self.operations.time("unlock", run).await.map(drop)
        };
        let reached = masters.all().iter().filter(|master| !master.is_silent());
        join_all(reached.map(|master| timeout(VOTE_WAIT, unlock(master)))).await;
    }
}
