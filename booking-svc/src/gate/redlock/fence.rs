//! A takeover's first step: a majority of the nodes stops voting for what was, and tells what it voted for.

use std::time::Duration;

use bb8_redis::redis::cmd;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    majority,
    merge::{Live, Told, merge},
    takeover::{Found, Reached, Takeover},
    vote::remembered_for,
};
use crate::{
    domain::{Epoch, Reservation, ReservationState, UnixMs},
    gate::{
        Error, Gate, keys,
        rebuild::{Frozen, Old, Survivors},
        record,
        script::{self, Reply},
    },
};

/// How long a node may take to tell all that it voted for, and all of a gate that it has.
const FENCE_WAIT: Duration = Duration::from_secs(10);
/// And how long the others are waited for when the new carrier and a majority that counts have told all.
const STRAGGLERS_WAIT: Duration = Duration::from_secs(1);

/// What one fenced node told.
struct Fenced {
    node: usize,
    counts: bool,
    gate: Epoch,
    same_redis: bool,
    quarantine: Duration,
    told: Told,
    /// When it had told all.
    at: Instant,
    own: Survivors,
}

impl Takeover {
    /// Fences all who answer. From then on nothing is acknowledged under an older epoch.
    pub(in crate::gate) async fn fence(
        &self,
        gate: &Gate,
        epoch: Epoch,
        longest: Duration,
    ) -> Result<Frozen, Error> {
        let fences = self
            .reached
            .iter()
            .map(|node| async move { (node, self.fence_one(gate, node, epoch, longest).await) });
        let mut fences: FuturesUnordered<_> = fences.collect();
        let (nodes, mut give_up) = (self.masters.all().len(), Instant::now() + FENCE_WAIT);
        let mut fenced: Vec<Fenced> = Vec::new();
        while let Ok(Some((node, answer))) = timeout_at(give_up, fences.next()).await {
            match answer {
                Ok(Ok(told)) => fenced.push(told),
                Ok(Err(by)) => return Ok(Frozen::Superseded(by)),
                Err(error) => tracing::debug!(event = %self.event, node = node.node, %error, "not fenced"),
            }
            let counting = fenced.iter().filter(|node| node.counts).count();
            if counting >= majority(nodes) && fenced.iter().any(|node| node.node == self.carrier) {
                give_up = give_up.min(Instant::now() + STRAGGLERS_WAIT);
            }
        }
        if fenced.len() < majority(nodes) {
            return Err(Error::Unavailable(format!("only {} of {nodes} nodes are fenced", fenced.len())));
        }
        self.digest(epoch, fenced).await
    }

    async fn fence_one(
        &self,
        gate: &Gate,
        reached: &Reached,
        epoch: Epoch,
        longest: Duration,
    ) -> Result<Result<Fenced, Epoch>, Error> {
        let [vote, locks] = keys::votes(&gate.prefix, &self.event);
        let keys = [vote, locks, gate.keys(&self.event, epoch).meta().to_owned()];
        let all = self.masters.all();
        let (name, carrier) = (all[reached.node].name(), all[self.carrier].name());
        let lasts_most = remembered_for(longest);
        let (epoch_text, remembered) = (epoch.to_string(), lasts_most.as_millis().to_string());
        let first = if epoch == Epoch(1) { "1" } else { "0" };
        let args = [&*epoch_text, reached.connection.incarnation(), carrier, &remembered, name, first];
        let asked = Instant::now();
        let mut reply = reached.connection.run(script::FENCE.call_with_keys(&keys, args)).await?;
        match reply.word() {
            "FENCED" => {}
            "SUPERSEDED" => return Ok(Err(Epoch(reply.number()?))),
            _ => return Err(reply.surprise()),
        }
        let clock = &all[reached.node].clock;
        clock.read(asked, reply.number()?);
        // Locks that it ended before their time it does not know any more.
        let clock_is_true = !clock.was_set_forward_within(lasts_most);
        let mut counts = reply.number::<u8>()? == 1 && clock_is_true;
        let old = Epoch(reply.number()?);
        let same_redis = reply.text()? == **reached.connection.incarnation();
        let quarantine = Duration::from_millis(reply.number()?);
        let mut told = Told::default();
        counts &= self.read_locks(&mut reply, longest, &mut told)?;
        let mut own = Survivors::default();
        if old != Epoch(0) {
            own = gate.read_gate(&reached.connection, &self.event, old).await?;
            told.gate = (own.whole && same_redis && clock_is_true).then_some(old);
            // What a gate of an earlier life lacks, its node has waited out before it counts again.
            counts &= told.gate.is_some() || !same_redis;
            // What was sold is the vault's to say.
            let gate = own.reservations.iter().filter(|hold| hold.state != ReservationState::Booked).cloned();
            let (live, ended): (Vec<_>, _) = gate.partition(|hold| is_live(hold, own.now));
            told.live.extend(live.into_iter().map(|hold| {
                let left = hold.deadline.after(own.now).min(longest);
                Live { reservation: hold, left, epoch: old }
            }));
            told.ended = ended.into_iter().map(over).collect();
        }
        let at = Instant::now();
        Ok(Ok(Fenced { node: reached.node, counts, gate: old, same_redis, quarantine, told, at, own }))
    }

    /// False where one of them can not be read. None lasts longer than a hold can, whatever the node's clock says.
    fn read_locks(&self, reply: &mut Reply, longest: Duration, told: &mut Told) -> Result<bool, Error> {
        let mut whole = true;
        while !reply.is_empty() {
            let (id, left, epoch) = (reply.text()?, Duration::from_millis(reply.number()?), reply.number()?);
            match record::read(&self.event, &id, &reply.text()?) {
                Ok(reservation) => {
                    told.live.push(Live { reservation, left: left.min(longest), epoch: Epoch(epoch) });
                }
                Err(error) => {
                    tracing::error!(%error, "a lock can not be read: its node does not count");
                    whole = false;
                }
            }
        }
        Ok(whole)
    }

    /// Makes one of what the nodes told.
    async fn digest(&self, epoch: Epoch, fenced: Vec<Fenced>) -> Result<Frozen, Error> {
        let nodes = self.masters.all().len();
        let counting = fenced.iter().filter(|node| node.counts).count();
        let quarantine = fenced.iter().map(|node| node.quarantine).max().unwrap_or_default();
        let gates: Vec<(usize, Epoch)> =
            fenced.iter().filter(|node| node.gate != Epoch(0)).map(|node| (node.node, node.gate)).collect();
        let (mut own, mut own_gate, mut same_redis) = (Survivors::default(), Epoch(0), true);
        let mut trusted = None;
        let (mut told, began) = (Vec::new(), Instant::now());
        for mut node in fenced {
            age(&mut node.told.live, began - node.at);
            if node.node == self.carrier {
                (own, own_gate, same_redis, trusted) = (node.own, node.gate, node.same_redis, node.told.gate);
            }
            told.push(node.told);
        }
        let mut merged = merge(told);
        // Nobody's promise is cut short: who gives way to a newer hold is about to end.
        sleep(merged.wait).await;
        // A hold that the takeover has waited with lasts no longer for it. Answers were on their way before: none ends early by this.
        age(&mut merged.live, began.elapsed());
        let (seconds, micros): (i64, i64) = self.connection()?.query(&cmd("TIME")).await?;
        let now = UnixMs(seconds * 1000 + micros / 1000);
        let by_majority = counting >= majority(nodes);
        tracing::info!(
            event = %self.event, %epoch, carrier = self.masters.all()[self.carrier].name(),
            reached = self.reached.len(), counting, holds = merged.live.len(), "fenced the nodes"
        );
        let found = Found { merged, by_majority, now, at: Instant::now(), own, trusted, gates };
        if self.found.set(found).is_err() {
            return Err(Error::Corrupt("a takeover fences once".into()));
        }
        Ok(Frozen::Old(Old { epoch: own_gate, same_redis, quarantine_until: now + quarantine }))
    }
}

/// Takes what has passed since off what is left of each.
fn age(holds: &mut [Live], by: Duration) {
    holds.iter_mut().for_each(|hold| hold.left = hold.left.saturating_sub(by));
}

fn is_live(hold: &Reservation, now: UnixMs) -> bool {
    match hold.state {
        ReservationState::Held => hold.deadline > now,
        state => state.owns_seats(),
    }
}

/// A hold past its deadline is over, whoever finds it.
fn over(hold: Reservation) -> Reservation {
    let state = if hold.state == ReservationState::Held { ReservationState::Expired } else { hold.state };
    Reservation { state, ..hold }
}
