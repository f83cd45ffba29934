//! Reads change logs, of many events at once.

use std::time::Duration;

use bb8_redis::redis::{FromRedisValue, RedisError, RedisResult, Value, cmd, pipe};
use tokio::time::sleep;

use super::{
    Error, Gate, Shard,
    connection::Connection,
    error::{is_redirect, is_wrong_type},
    keys, script,
    seats::read_states,
};
use crate::domain::{Epoch, EventId, SeatChange, SeatId, SeatState, SeatStates, Version};

/// How long a read waits where nothing changes: whoever has something else to ask waits as long.
const BLOCK: Duration = Duration::from_millis(50);
/// A Redis that does not answer for so long is gone.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Entries of one read, over all events.
const ENTRIES_MAX: usize = 20_000;
/// Entries of one read of one event: at most, and however many events there are.
const ENTRIES_PER_EVENT: [usize; 2] = [20, 500];

/// Where a read can not wait in Redis, it comes again after so long for each event that it asks for: an empty log costs Redis
/// some 2 us.
const PAUSE_PER_EVENT: Duration = Duration::from_micros(200);
/// But after so long, however few or many there are.
const PAUSE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// A reader of change logs of one shard. It has a connection of its own: a read that waits holds up all who share one.
///
/// All that it says is of one Redis. Each error means that a new reader is needed.
pub struct Log {
    gate: Gate,
    connection: Connection,
}

/// Up to where a log has been read.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Whose log.
    pub event: EventId,
    /// Of which epoch.
    pub epoch: Epoch,
    /// The last change that is known.
    pub version: Version,
}

/// What came after a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which of the cursors.
    pub cursor: usize,
    /// The next changes that are there. Older ones may have been dropped: the first version tells.
    pub changes: Vec<SeatChange>,
    /// There may be more.
    pub more: bool,
}

/// How an event's gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It can be read.
    Warm {
        /// Its epoch.
        epoch: Epoch,
        /// The last change of the epoch that was asked for, where that is still there.
        version: Option<Version>,
    },
    /// It has to be rebuilt, or is being rebuilt.
    Cold(&'static str),
    /// Another shard has the event, or is getting it, or nobody has it: who has it looks after it.
    Away,
}

impl Gate {
    /// Opens a reader of the change logs of a shard.
    pub async fn log(&self, shard: &Shard) -> Result<Log, Error> {
        let connection = self.nodes.shard(shard)?.dedicated(RESPONSE_TIMEOUT).await?;
        Ok(Log { gate: self.clone(), connection })
    }
}

impl Log {
    /// What came after the cursors; waits a short while where that is nothing. Not empty: `cursors`.
    pub async fn read(&self, cursors: &[Cursor]) -> Result<Vec<Read>, Error> {
        let [least, most] = ENTRIES_PER_EVENT;
        let count = (ENTRIES_MAX / cursors.len().max(1)).clamp(least, most);
        if self.gate.nodes.is_cluster() {
            return self.read_each(cursors, count).await;
        }
        let keys: Vec<String> = cursors.iter().map(|cursor| self.key(cursor)).collect();
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(count).arg("BLOCK").arg(BLOCK.as_millis() as u64).arg("STREAMS").arg(&keys);
        for cursor in cursors {
            read.arg(format!("{}-0", cursor.version));
        }
        let found: Option<Streams> = self.connection.query(&read).await?;
        // Redis answers in the order of the keys, and leaves out those without news.
        let mut rest = keys.iter().enumerate();
        let place = |(key, entries): (String, Vec<Entry>)| {
            let (cursor, _) = rest.find(|(_, wanted)| **wanted == key)?;
            Some(news(cursor, &entries, count))
        };
        Ok(found.unwrap_or_default().into_iter().filter_map(place).collect())
    }

    /// In a cluster a command names one event, and one that waits would hold up the others: each is asked for, and where there
    /// is no news, a pause takes the wait's place.
    async fn read_each(&self, cursors: &[Cursor], count: usize) -> Result<Vec<Read>, Error> {
        let mut reads = pipe();
        for cursor in cursors {
            let from = format!("{}-0", cursor.version);
            reads.cmd("XREAD").arg("COUNT").arg(count).arg("STREAMS").arg(self.key(cursor)).arg(from);
        }
        let found: Vec<RedisResult<Value>> = self.connection.pipeline(reads.ignore_errors()).await?;
        let mut news_of = Vec::new();
        for (cursor, found) in found.into_iter().enumerate() {
            let found = match found {
                // The next look says what to do about it.
                Err(error) if is_redirect(&error) || is_wrong_type(&error) => continue,
                found => Option::<Streams>::from_redis_value(found?).map_err(RedisError::from)?,
            };
            let streams = found.unwrap_or_default();
            news_of.extend(streams.first().map(|(_, entries)| news(cursor, entries, count)));
        }
        if news_of.is_empty() {
            let [least, most] = PAUSE;
            sleep((PAUSE_PER_EVENT * cursors.len() as u32).clamp(least, most)).await;
        }
        Ok(news_of)
    }

    fn key(&self, cursor: &Cursor) -> String {
        keys::log(&self.gate.prefix, &cursor.event, cursor.epoch)
    }

    /// How the gates of these events are, and the last version of the epoch that is known of each.
    pub async fn look(&self, events: &[(EventId, Epoch)]) -> Result<Vec<Look>, Error> {
        if self.connection.is_broken() {
            return Err(Error::Unavailable("another Redis took over".into()));
        }
        let mut looks = pipe();
        for (event, epoch) in events {
            let keys = self.gate.keys(event, *epoch);
            looks.add_command(cmd("HMGET").arg(keys.meta()).arg(&["epoch", "incarnation", "frozen"]).clone());
            looks.add_command(cmd("HMGET").arg(keys.seats()).arg("v").clone());
            looks.add_command(cmd("XLEN").arg(keys::log(&self.gate.prefix, event, *epoch)).clone());
        }
        let found: Vec<RedisResult<Value>> = self.connection.pipeline(looks.ignore_errors()).await?;
        let mut found = found.into_iter();
        let looks: Vec<Look> = events
            .iter()
            .map_while(|_| Some([found.next()?, found.next()?, found.next()?]))
            .map(|found| self.judge(found))
            .collect::<Result<_, _>>()?;
        if looks.contains(&ELSEWHERE) && !self.connection.is_current().await? {
            return Err(Error::Unavailable("the connection leads to a Redis that was replaced".into()));
        }
        Ok(looks)
    }

    /// Meta, seats and log of an event. A key of it that is damaged is its own trouble; any other error is all events'.
    fn judge(&self, found: [RedisResult<Value>; 3]) -> Result<Look, Error> {
        if found.iter().any(|found| found.as_ref().is_err_and(is_wrong_type)) {
            return Ok(Look::Cold("type"));
        }
        if found.iter().any(|found| found.as_ref().is_err_and(is_redirect)) {
            return Ok(Look::Away);
        }
        let [meta, seats, log] = found;
        log?;
        let [epoch, incarnation, frozen] =
            <[Option<String>; 3]>::from_redis_value(meta?).map_err(RedisError::from)?;
        let [version] = <[Option<String>; 1]>::from_redis_value(seats?).map_err(RedisError::from)?;
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Ok(match (number(epoch), incarnation.as_deref() == Some(&**self.connection.incarnation()), &frozen) {
            (None, _, _) => Look::Cold("meta"),
            (_, false, _) => ELSEWHERE,
            (_, _, Some(_)) => Look::Cold("frozen"),
            (Some(epoch), true, None) => {
                Look::Warm { epoch: Epoch(epoch), version: number(version).map(Version) }
            }
        })
    }

    /// The status of all seats, in one step with its version; [`Error::Cold`] where the gate is of another epoch.
    pub async fn states(&self, event: &EventId, epoch: Epoch) -> Result<SeatStates, Error> {
        let keys = self.gate.keys(event, epoch);
        let mut reply = self.gate.run_on(&self.connection, &keys, &script::STATES, &[]).await?;
        match reply.word() {
            "STATES" => read_states(epoch, &mut reply),
            "COLD" => Err(Error::Cold(reply.text()?)),
            "EPOCH" => Err(Error::Cold("rebuilt meanwhile".into())),
            _ => Err(reply.surprise()),
        }
    }
}

/// The epoch was published on another Redis than the one that answers.
const ELSEWHERE: Look = Look::Cold("incarnation");

/// An entry of a stream: its id, then field, value, ...
type Entry = (String, Vec<String>);
/// What XREAD answers: the entries of each stream that has some.
type Streams = Vec<(String, Vec<Entry>)>;

fn news(cursor: usize, entries: &[Entry], count: usize) -> Read {
    // What can not be read is as good as dropped.
    let changes: Vec<SeatChange> = entries.iter().map_while(change).collect();
    let more = changes.len() == count;
    Read { cursor, changes, more }
}

fn change((id, fields): &Entry) -> Option<SeatChange> {
    let field = |name: &str| fields.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
    let seats = field("n")?.split(',').map(|seat| seat.parse().map(SeatId));
    Some(SeatChange {
        version: Version(id.strip_suffix("-0")?.parse().ok()?),
        state: SeatState::from_bits(field("s")?.parse().ok().filter(|bits| *bits < 4)?),
        seats: seats.collect::<Result<_, _>>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, fields: &[&str]) -> Entry {
        (id.into(), fields.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_entry_is_read_whole_or_not_at_all() {
        let held =
            SeatChange { version: Version(7), state: SeatState::Held, seats: vec![SeatId(3), SeatId(9)] };
        assert_eq!(change(&entry("7-0", &["s", "1", "n", "3,9", "d", "170"])), Some(held));
        for (id, fields) in [
            ("7-1", ["s", "1", "n", "3"]),
            ("x-0", ["s", "1", "n", "3"]),
            ("7-0", ["s", "4", "n", "3"]),
            ("7-0", ["s", "1", "n", ""]),
            ("7-0", ["s", "1", "n", "3,x"]),
            ("7-0", ["s", "1", "m", "3"]),
        ] {
            assert_eq!(change(&entry(id, &fields)), None, "{id} {fields:?}");
        }
        assert_eq!(change(&entry("7-0", &["s", "1", "n"])), None);
    }
}
