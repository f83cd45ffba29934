use std::{collections::HashMap, time::Duration};

use bb8_postgres::tokio_postgres::IsolationLevel;

use super::{BULK_TIMEOUT, Error, Vault, connection::Connection, first, in_time, rows, sql};
use crate::domain::{Booking, Epoch, Event, EventId, Outcome, ReservationId, SeatId};

/// Ids in one question.
const OUTCOMES_PER_QUERY_MAX: usize = 10_000;
/// The gate's scripts count in doubles: an epoch beyond 2^53 comes from a corrupt gate.
const EPOCH_MAX: u64 = 1 << 53;

/// What a gate is rebuilt from: all of it as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The event.
    pub event: Event,
    /// The longest hold TTL that the event ever had.
    pub hold_ttl_longest: Duration,
    /// Bookings that are not cancelled.
    pub bookings: Vec<Booking>,
    /// Seats that are off sale, ascending.
    pub blocked: Vec<SeatId>,
}

/// Seats that can not be had, as of one moment, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Sold seats and their bookings.
    pub sold: Vec<(SeatId, ReservationId)>,
    /// Seats that are off sale.
    pub blocked: Vec<SeatId>,
}

impl Vault {
    /// Raises the epoch above itself and above `at_least`, after every write under the old one has ended.
    pub async fn raise_epoch(&self, event: &EventId, at_least: Epoch) -> Result<Epoch, Error> {
        let at_least = i64::try_from(at_least.0)
            .ok()
            .filter(|_| at_least.0 < EPOCH_MAX)
            .ok_or_else(|| Error::Corrupt(format!("epoch {at_least} in the gate")))?;
        // It waits for decisions under way, longer than one of them may take: an impatient raise would never end a rebuild.
        let answer = self.bulk(&sql::RAISE_EPOCH, &[&event.as_str(), &at_least]).await?;
        let row = first(answer).ok_or_else(|| Error::EventNotFound(event.clone()))?;
        rows::epoch(&row, "vault_raise_epoch")
    }

    /// The longest hold TTL that the event ever had.
    pub async fn hold_ttl_longest(&self, event: &EventId) -> Result<Duration, Error> {
        let row = first(self.bulk(&sql::EVENT, &[&event.as_str()]).await?);
        rows::duration(&row.ok_or_else(|| Error::EventNotFound(event.clone()))?, "hold_ttl_ms_longest")
    }

    /// What a gate is rebuilt from.
    pub async fn truth(&self, event: &EventId) -> Result<Truth, Error> {
        let mut connection = self.pool.get().await?;
        in_time(BULK_TIMEOUT, truth(&mut connection, event)).await
    }

    /// The outcomes of those that are decided.
    pub async fn outcomes(&self, ids: &[ReservationId]) -> Result<HashMap<ReservationId, Outcome>, Error> {
        let mut outcomes = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(OUTCOMES_PER_QUERY_MAX) {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            for row in self.bulk(&sql::OUTCOMES, &[&texts]).await? {
                outcomes.insert(rows::id(&row, "reservation_id")?, rows::outcome(&row)?);
            }
        }
        Ok(outcomes)
    }

    /// The seats that can not be had.
    pub async fn taken(&self, event: &EventId) -> Result<Taken, Error> {
        let mut taken = Taken::default();
        for row in self.bulk(&sql::TAKEN, &[&event.as_str()]).await? {
            let seat = rows::seat(&row, "seat_id")?;
            match rows::get::<Option<&str>>(&row, "reservation_id")? {
                Some(_) => taken.sold.push((seat, rows::id(&row, "reservation_id")?)),
                None => taken.blocked.push(seat),
            }
        }
        Ok(taken)
    }
}

async fn truth(connection: &mut Connection, id: &EventId) -> Result<Truth, Error> {
    let transaction = connection.begin(IsolationLevel::RepeatableRead, BULK_TIMEOUT).await?;
    let event = first(transaction.query(&sql::EVENT, &[&id.as_str()]).await?);
    let bookings = transaction.query(&sql::ACTIVE_BOOKINGS, &[&id.as_str()]).await?;
    let blocked = transaction.query(&sql::BLOCKED, &[&id.as_str()]).await?;
    transaction.commit().await?;
    let event = event.ok_or_else(|| Error::EventNotFound(id.clone()))?;
    Ok(Truth {
        event: rows::event(&event)?,
        hold_ttl_longest: rows::duration(&event, "hold_ttl_ms_longest")?,
        bookings: bookings.iter().map(rows::booking).collect::<Result<_, _>>()?,
        blocked: blocked.iter().map(|row| rows::seat(row, "seat_id")).collect::<Result<_, _>>()?,
    })
}
