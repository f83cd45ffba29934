//! One node votes for one hold.

use std::time::Duration;

use bb8_redis::redis::cmd;
use tokio::time::{Instant, timeout};

use super::{
    drift::{ALLOWANCE_MAX, allowance},
    tally::Vote,
};
use crate::{
    domain::{Epoch, Reservation},
    gate::{
        Error, Gate, keys,
        nodes::{Master, Masters},
        record, script,
    },
};

/// How long one node may take to vote.
pub(super) const VOTE_WAIT: Duration = Duration::from_millis(200);
/// A node is asked so often for one vote: once more after it was enrolled, or its clock was set.
const QUESTIONS_MAX: u32 = 3;

/// A lock, as all nodes are to have it.
pub(super) struct Lock {
    pub(super) hold: Reservation,
    pub(super) epoch: Epoch,
    /// The name of the node that has granted it.
    pub(super) carrier: String,
    /// What was left of the hold, and when that was so.
    pub(super) left: Duration,
    pub(super) at: Instant,
}

impl Gate {
    /// A node's vote. One that does not answer in time has not voted.
    pub(super) async fn vote(&self, masters: &Masters, master: &Master, lock: &Lock) -> Vote {
        if master.is_silent() {
            return Vote::Silent;
        }
        match timeout(VOTE_WAIT, self.ask_for_vote(masters, master, lock)).await {
            Ok(Ok(vote)) => vote,
            Ok(Err(error)) => {
                tracing::debug!(node = master.name(), %error, "a node does not vote");
                Vote::Silent
            }
            Err(_) => Vote::Silent,
        }
    }

    async fn ask_for_vote(&self, masters: &Masters, master: &Master, lock: &Lock) -> Result<Vote, Error> {
        let hold = &lock.hold;
        let keys = keys::votes(&self.prefix, &hold.id.event);
        let (id, seats, record) = (hold.id.suffix(), hold.seats.to_string(), record::write(hold));
        let (epoch, lasts) = (lock.epoch.to_string(), (lock.left + allowance(lock.left)).as_millis() as i64);
        for _ in 0..QUESTIONS_MAX {
            let connection = master.node.get().await?;
            // By the node's own clock, so that a call which waits in a queue does not lock for longer.
            let Some(clock) = master.clock.last() else { return Ok(Vote::Silent) };
            let (asked, expires) = (Instant::now(), (clock.at(lock.at) + lasts).to_string());
            let args = [&*epoch, connection.incarnation(), &lock.carrier, &id, &expires, &seats, &record];
            let run = connection.run(script::LOCK.call_with_keys(&keys, args));
            let mut reply = self.operations.time("lock", run).await?;
            let now = reply.number()?;
            // Before it is read: a look may have noticed meanwhile what this lock does not know.
            let as_expected = clock.foresaw(now);
            master.clock.read(asked, now);
            match reply.word() {
                "LOCKED" => {
                    let vote = if reply.number::<u8>()? == 1 { Vote::Locked } else { Vote::Forgetful };
                    // On a clock that was set forward the lock is too short.
                    if as_expected {
                        return Ok(vote);
                    }
                }
                "LATE" => {}
                "TAKEN" => {
                    let left = Duration::from_millis(reply.number()?);
                    return Ok(Vote::Taken { left, by: reply.text()? });
                }
                "FENCED" => {
                    return Ok(Vote::Fenced { epoch: Epoch(reply.number()?), carrier: reply.text()? });
                }
                "STRANGER" => {
                    let longest = self.longest(masters, lock).await?.as_millis().to_string();
                    let args = [&*epoch, connection.incarnation(), &lock.carrier, &longest];
                    connection.run(script::ENROL.call_with_keys(&keys, args)).await?;
                    tracing::warn!(
                        event = %hold.id.event, node = master.name(), longest_ms = longest,
                        "a node is new to the event, or has lost its memory: it does not count for so long"
                    );
                }
                _ => return Err(reply.surprise()),
            }
        }
        Ok(Vote::Silent)
    }

    /// For how long a node has to remember a hold, at most: the carrier knows the rules of the sale.
    async fn longest(&self, masters: &Masters, lock: &Lock) -> Result<Duration, Error> {
        let gone = || Error::Unavailable("the carrier is gone".into());
        let carrier = masters.named(&lock.carrier).ok_or_else(gone)?;
        let meta = self.keys(&lock.hold.id.event, lock.epoch).meta().to_owned();
        let ask = cmd("HMGET").arg(meta).arg("longest_ms").arg("ttl_ms").to_owned();
        let known: [Option<u64>; 2] = carrier.node.get().await?.query(&ask).await?;
        let longest = known.into_iter().flatten().max().ok_or_else(gone)?;
        Ok(remembered_for(Duration::from_millis(longest)))
    }
}

/// A lock can last so long where holds last `longest`.
pub(super) fn remembered_for(longest: Duration) -> Duration {
    // A takeover measures anew what is left, with an allowance of its own.
    longest + 2 * ALLOWANCE_MAX
}
