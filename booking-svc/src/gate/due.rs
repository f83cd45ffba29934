//! What an idle event costs: two reads instead of a script.

use std::time::Duration;

use bb8_redis::redis::{FromRedisValue, RedisResult, Value, cmd, pipe};

use super::{Error, Gate, Shard, connection::Connection, keys::Keys};
use crate::domain::{Epoch, EventId};

impl Gate {
    /// In how long something gets due in each of these events of a shard, by the gate's clock. None where that can not be told
    /// so: the event's gate may be cold, elsewhere, or of another epoch than is given, and a sweep has to look.
    pub async fn next_due(
        &self,
        shard: &Shard,
        events: &[(EventId, Epoch)],
    ) -> Result<Vec<Option<Duration>>, Error> {
        let known = |(event, least): &(EventId, Epoch)| self.known(event).filter(|keys| keys.epoch >= *least);
        let known: Vec<_> = events.iter().map(known).collect();
        let connection = self.nodes.shard(shard)?.get().await?;
        let mut reads = pipe();
        reads.cmd("TIME");
        for keys in known.iter().flatten() {
            reads.add_command(cmd("HMGET").arg(keys.meta()).arg(&["epoch", "incarnation", "frozen"]).clone());
            reads.add_command(cmd("ZRANGE").arg(keys.expiry()).arg(&["0", "0", "WITHSCORES"]).clone());
        }
        let found: Vec<RedisResult<Value>> = connection.pipeline(reads.ignore_errors()).await?;
        let mut found = found.into_iter();
        let now = read::<(u64, u64)>(found.next()).map(|(seconds, micros)| seconds * 1_000 + micros / 1_000);
        let due = known.into_iter().map(|keys| {
            let (keys, meta, first) = (keys?, found.next(), found.next());
            first_due(&keys, &connection, read(meta)?, read(first)?, now?)
        });
        Ok(due.collect())
    }
}

fn read<T: FromRedisValue>(answer: Option<RedisResult<Value>>) -> Option<T> {
    T::from_redis_value(answer?.ok()?).ok()
}

fn first_due(
    keys: &Keys,
    connection: &Connection,
    [epoch, incarnation, frozen]: [Option<String>; 3],
    first: Vec<(String, String)>,
    now_ms: u64,
) -> Option<Duration> {
    let well =
        epoch? == keys.epoch.to_string() && incarnation? == **connection.incarnation() && frozen.is_none();
    let (_, due) = first.into_iter().next().filter(|_| well)?;
    // The sentinel, which is always there, is due never.
    let due: f64 = due.parse().ok()?;
    Some(if due.is_finite() {
        Duration::from_millis((due as u64).saturating_sub(now_ms))
    } else {
        Duration::MAX
    })
}
