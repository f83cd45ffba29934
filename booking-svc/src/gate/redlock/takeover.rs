//! A rebuild where several nodes vote: a majority of them is fenced, and tells what it voted for.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bb8_redis::redis::pipe;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::{
    merge::{Merged, agree},
    order::{State, choose},
    relock::Relock,
};
use crate::{
    domain::{Epoch, EventId, Reservation, UnixMs},
    gate::{
        Built, Error, Gate, connection::Connection, image::Image, keys, nodes::Masters, rebuild::Survivors,
    },
};

/// How long a node may take to answer at all.
const PROBE_WAIT: Duration = Duration::from_millis(500);
/// Much is read in one go.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A takeover under way; the carrier may also stay who it was.
pub(in crate::gate) struct Takeover {
    pub(super) masters: Arc<Masters>,
    pub(super) event: EventId,
    pub(super) carrier: usize,
    pub(super) reached: Vec<Reached>,
    pub(super) found: OnceLock<Found>,
}

/// A node that answers.
pub(super) struct Reached {
    pub(super) node: usize,
    pub(super) connection: Connection,
    /// What it has promised to.
    fence: Epoch,
    carrier: Option<String>,
    /// The highest epoch that it has seen in any way.
    seen: Epoch,
    whole: bool,
}

/// What the fenced nodes told.
pub(super) struct Found {
    pub(super) merged: Merged,
    pub(super) by_majority: bool,
    /// The new carrier's clock, and when it was read.
    pub(super) now: UnixMs,
    pub(super) at: Instant,
    /// What the new carrier itself had as a gate.
    pub(super) own: Survivors,
    /// Of which epoch, where it has lost nothing.
    pub(super) trusted: Option<Epoch>,
    /// By node: the epoch of the gate that it carried.
    pub(super) gates: Vec<(usize, Epoch)>,
}

impl Takeover {
    /// Asks who is there, and chooses who is to carry the event.
    pub(in crate::gate) async fn begin(
        gate: &Gate,
        masters: &Arc<Masters>,
        event: &EventId,
    ) -> Result<Self, Error> {
        let probes =
            (0..masters.all().len()).map(|node| timeout(PROBE_WAIT, probe(gate, masters, event, node)));
        let mut reached = Vec::new();
        for answer in join_all(probes).await {
            match answer {
                Ok(Ok(node)) => reached.push(node),
                Ok(Err(error)) => tracing::debug!(%event, %error, "a node can not be fenced"),
                Err(_) => {}
            }
        }
        if let Some(latest) = reached.iter().max_by_key(|node| node.fence)
            && let Some(carrier) = &latest.carrier
        {
            masters.learn(event, latest.fence, carrier);
        }
        let state = |node: usize| match reached.iter().find(|reached| reached.node == node) {
            Some(reached) if reached.whole => State::Whole,
            Some(_) => State::Forgetful,
            None if masters.all()[node].is_silent() => State::Silent,
            None => State::Late,
        };
        let states: Vec<State> = (0..masters.all().len()).map(state).collect();
        let carrier = choose(masters.carrier(event), &states)
            .map_err(|why| Error::Unavailable(format!("no takeover: {why}")))?;
        Ok(Self {
            masters: Arc::clone(masters),
            event: event.clone(),
            carrier,
            reached,
            found: OnceLock::new(),
        })
    }

    /// Over which the new gate is built.
    pub(in crate::gate) fn connection(&self) -> Result<&Connection, Error> {
        let carrier = self.reached.iter().find(|reached| reached.node == self.carrier);
        carrier
            .map(|reached| &reached.connection)
            .ok_or_else(|| Error::Unavailable("the carrier is gone".into()))
    }

    pub(in crate::gate) fn highest_epoch(&self) -> Epoch {
        self.reached.iter().map(|reached| reached.seen).max().unwrap_or_default()
    }

    /// What the new epoch is made of.
    pub(in crate::gate) fn survivors(&self) -> Result<Survivors, Error> {
        let found = self.found.get().ok_or_else(|| Error::Unavailable("nothing is fenced yet".into()))?;
        let mut reservations = found.merged.ended.clone();
        for hold in &found.merged.live {
            let own = found.own.reservations.iter().find(|own| own.id == hold.reservation.id);
            // One that others have carried since may have been extended there.
            let own = own.filter(|_| found.trusted >= Some(hold.epoch));
            reservations.push(on_new_clock(&hold.reservation, hold.left, own, found.now));
        }
        let whole = found.trusted.is_some();
        Ok(Survivors { reservations, whole, now: found.now, by_majority: found.by_majority })
    }

    /// The new gate is there: the others hear of it, and of what survived.
    pub(in crate::gate) fn published(&self, gate: &Gate, built: &Built<'_>, image: &Image) {
        let Some(found) = self.found.get() else { return };
        let carrier = self.masters.all()[self.carrier].name().to_owned();
        self.masters.learn(&self.event, built.epoch, &carrier);
        let rest = Relock {
            event: self.event.clone(),
            epoch: built.epoch,
            carrier,
            // Who gave way to another is not there any more.
            holds: built.survivors.iter().filter(|hold| image.has(hold)).cloned().collect(),
            now: found.now,
            at: found.at,
            gates: found.gates.iter().filter(|(node, _)| *node != self.carrier).copied().collect(),
        };
        let (gate, masters) = (gate.clone(), Arc::clone(&self.masters));
        gate.tasks.clone().spawn("relock", async move { gate.relock(masters, rest).await });
    }
}

/// A hold's times by the new carrier's clock. Where that carried it before, they stay; unless the clock was set.
fn on_new_clock(hold: &Reservation, left: Duration, own: Option<&Reservation>, now: UnixMs) -> Reservation {
    let measured = now + left;
    if let Some(own) = own.filter(|own| agree(own.deadline, measured)) {
        return Reservation { state: hold.state, ..own.clone() };
    }
    let more = hold.extend_limit.after(hold.deadline);
    Reservation { deadline: measured, extend_limit: measured + more, ..hold.clone() }
}

async fn probe(gate: &Gate, masters: &Masters, event: &EventId, node: usize) -> Result<Reached, Error> {
    let connection = masters.all()[node].node.dedicated(RESPONSE_TIMEOUT).await?;
    let [vote, _] = keys::votes(&gate.prefix, event);
    let mut ask = pipe();
    ask.cmd("TIME");
    ask.cmd("HMGET").arg(vote).arg(&["epoch", "carrier", "incarnation", "counts_ms"]);
    ask.cmd("HMGET").arg(gate.keys(event, Epoch(0)).meta()).arg(&["epoch", "frozen"]);
    type Answer = ((i64, i64), (Option<u64>, Option<String>, Option<String>, Option<i64>), [Option<u64>; 2]);
    let ((seconds, micros), (fence, carrier, incarnation, counts_ms), meta): Answer =
        connection.pipeline(&ask).await?;
    let now = seconds * 1000 + micros / 1000;
    let same = incarnation.as_deref() == Some(&**connection.incarnation());
    let seen = meta.into_iter().chain([fence]).flatten().max().unwrap_or(0);
    Ok(Reached {
        node,
        fence: Epoch(fence.unwrap_or(0)),
        carrier,
        seen: Epoch(seen),
        whole: same && counts_ms.unwrap_or(0) <= now,
        connection,
    })
}
