//! The outbox: bookings that others still have to hear of, and who may tell them.
//!
//! Invariant: a row goes only after its message was delivered, or its booking was deleted, and of two changes of an event that depend on each other
//! the earlier is delivered first. What dies between the two delivers again.

use std::time::Duration;

use bb8_postgres::tokio_postgres::{IsolationLevel, Row};

use super::{
    Error, Options,
    connection::Connection,
    dedicated::{Dedicated, STATEMENT_WAIT},
    first, in_time, rows, sql,
};
use crate::domain::Booking;

/// Rows that are counted; beyond, the age of the oldest says enough.
const COUNTED_MAX: i64 = 100_000;

/// The relay's side of the vault: it keeps its connection while it waits for Kafka.
pub struct Outbox(Dedicated);

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing waits.
    Empty,
    /// Another relay has the turn.
    Elsewhere,
    /// So many were taken, and so many of them delivered and deleted.
    Done {
        /// Rows that were read, but for those whose booking is gone.
        taken: usize,
        /// Of them, those that are delivered.
        delivered: usize,
    },
}

/// How the outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether bookings are written to it at all.
    pub is_on: bool,
    /// Rows that wait; counted up to 100,000.
    pub waiting: u64,
    /// How long ago the change was made that has waited longest; zero where none waits.
    pub oldest: Duration,
}

impl Outbox {
    /// Connects at the first use.
    pub fn new(options: &Options) -> Result<Self, Error> {
        Dedicated::new(options).map(Self)
    }

    /// A turn as the relay, if no other has it: gives `deliver` the oldest changes, each as the booking was then, and
    /// deletes those that it says are delivered. A `deliver` that takes longer than `patience` loses its turn to another.
    ///
    /// All of it is one transaction, and so is the lock: whoever dies or falls asleep in it gives it back.
    pub async fn turn(
        &mut self,
        limit: u32,
        patience: Duration,
        deliver: impl AsyncFnOnce(Vec<Booking>) -> Vec<bool>,
    ) -> Result<Turn, Error> {
        let connection = self.0.get().await?;
        let answer = in_time(STATEMENT_WAIT, connection.query(&sql::OUTBOX_WAITS, &[])).await?;
        if !first(answer).map_or(Ok(false), |row| rows::get(&row, "waits"))? {
            return Ok(Turn::Empty);
        }
        relay(connection, limit, patience, deliver).await
    }

    /// How it is. Takes the same time however much waits.
    pub async fn look(&mut self) -> Result<Look, Error> {
        let connection = self.0.get().await?;
        let answer = in_time(STATEMENT_WAIT, connection.query(&sql::OUTBOX_LOOK, &[&COUNTED_MAX])).await?;
        let row = first(answer).ok_or_else(|| Error::Corrupt("no answer about the outbox".into()))?;
        let oldest_ms = rows::get::<Option<i64>>(&row, "oldest_ms")?.unwrap_or_default();
        Ok(Look {
            is_on: rows::get(&row, "is_on")?,
            waiting: rows::get::<i64>(&row, "waiting")?.unsigned_abs(),
            oldest: Duration::from_millis(u64::try_from(oldest_ms).unwrap_or_default()),
        })
    }
}

/// The statement that reads begins after the lock was got: it sees what the relay before has deleted.
async fn relay(
    connection: &mut Connection,
    limit: u32,
    patience: Duration,
    deliver: impl AsyncFnOnce(Vec<Booking>) -> Vec<bool>,
) -> Result<Turn, Error> {
    let begin = connection.begin(IsolationLevel::ReadCommitted, STATEMENT_WAIT);
    let transaction = in_time(STATEMENT_WAIT, begin).await?;
    let asleep_max = format!("{}ms", patience.as_millis());
    let taken = in_time(STATEMENT_WAIT, async {
        let answer = transaction.query(&sql::OUTBOX_LOCK, &[&asleep_max]).await?;
        if !first(answer).map_or(Ok(false), |row| rows::get(&row, "mine"))? {
            return Ok(None);
        }
        Ok(Some(transaction.query(&sql::OUTBOX_FIRST, &[&i64::from(limit)]).await?))
    });
    let Some(taken) = taken.await? else {
        in_time(STATEMENT_WAIT, transaction.commit()).await?;
        return Ok(Turn::Elsewhere);
    };
    let (gone, taken) = without_the_gone(taken)?;
    let ids = taken.iter().map(|row| rows::get(row, "outbox_id")).collect::<Result<Vec<i64>, _>>()?;
    let changes = taken.iter().map(as_it_was).collect::<Result<Vec<_>, _>>()?;
    let delivered = deliver(changes).await;
    let done: Vec<i64> = ids.iter().zip(delivered).filter_map(|(id, done)| done.then_some(*id)).collect();
    let over = [&done[..], &gone].concat();
    in_time(STATEMENT_WAIT, async {
        transaction.query(&sql::OUTBOX_DELETE, &[&over]).await?;
        transaction.commit().await
    })
    .await?;
    Ok(Turn::Done { taken: ids.len(), delivered: done.len() })
}

/// Rows whose booking is gone, by id, and the others. Only the owner of the tables can have deleted it, with its event: there is
/// nothing left to tell, and what waits behind must not wait for ever.
fn without_the_gone(taken: Vec<Row>) -> Result<(Vec<i64>, Vec<Row>), Error> {
    let (mut gone, mut there) = (Vec::new(), Vec::with_capacity(taken.len()));
    for row in taken {
        if rows::get::<Option<&str>>(&row, "reservation_id")?.is_some() {
            there.push(row);
            continue;
        }
        let (booking, change): (&str, &str) = (rows::get(&row, "gone_id")?, rows::get(&row, "change")?);
        tracing::warn!(
            booking,
            change,
            "a booking was deleted before its change was told: nobody hears of it"
        );
        gone.push(rows::get(&row, "outbox_id")?);
    }
    Ok((gone, there))
}

/// The booking at the time of the change: a confirmed one may have been cancelled since.
fn as_it_was(row: &Row) -> Result<Booking, Error> {
    let booking = rows::booking(row)?;
    match rows::get(row, "change")? {
        "confirmed" => Ok(Booking { cancelled_at: None, ..booking }),
        "cancelled" if booking.cancelled_at.is_some() => Ok(booking),
        other => Err(Error::Corrupt(format!("the outbox says {other:?} of {}", booking.id))),
    }
}
