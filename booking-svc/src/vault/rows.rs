//! Rows to words of the trade.

use std::{str::FromStr, time::Duration};

use bb8_postgres::tokio_postgres::{
    Row,
    types::{FromSql, Json},
};

use super::Error;
use crate::domain::{
    Booking, Epoch, Event, IdError, Outcome, SalesSettings, SeatId, SeatSet, UnixMs, VoidReason,
};

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Error> {
    row.try_get(column).map_err(|error| Error::Corrupt(format!("{column}: {error}")))
}

/// A text that was checked before it was written.
pub(super) fn id<T: FromStr<Err = IdError>>(row: &Row, column: &str) -> Result<T, Error> {
    let text: &str = get(row, column)?;
    text.parse().map_err(|error| Error::Corrupt(format!("{column} {text:?}: {error}")))
}

pub(super) fn epoch(row: &Row, column: &str) -> Result<Epoch, Error> {
    unsigned::<i64, u64>(row, column).map(Epoch)
}

pub(super) fn seat(row: &Row, column: &str) -> Result<SeatId, Error> {
    unsigned::<i32, u32>(row, column).map(SeatId)
}

pub(super) fn seats(row: &Row, column: &str) -> Result<Vec<SeatId>, Error> {
    let ids: Vec<i32> = get(row, column)?;
    let ids = ids.into_iter().map(|id| u32::try_from(id).map(SeatId));
    ids.collect::<Result<_, _>>().map_err(|_| Error::Corrupt(format!("{column} holds a negative seat")))
}

pub(super) fn event(row: &Row) -> Result<Event, Error> {
    let Json(price_categories) = get(row, "price_categories")?;
    Ok(Event {
        id: id(row, "event_id")?,
        name: get(row, "name")?,
        venue_name: get(row, "venue_name")?,
        currency: get(row, "currency")?,
        price_categories,
        seat_count: unsigned::<i32, u32>(row, "seat_count")?,
        settings: SalesSettings {
            hold_ttl: duration(row, "hold_ttl_ms")?,
            hold_max: duration(row, "hold_max_ms")?,
            seats_per_customer: unsigned::<i32, u32>(row, "seats_per_customer")?,
            opens_at: get::<Option<i64>>(row, "opens_ms")?.map(UnixMs),
            closes_at: get::<Option<i64>>(row, "closes_ms")?.map(UnixMs),
        },
        sales_open: get(row, "sales_open")?,
        revision: unsigned::<i64, u64>(row, "revision")?,
        epoch: epoch(row, "epoch")?,
        created_at: UnixMs(get(row, "created_ms")?),
        updated_at: UnixMs(get(row, "updated_ms")?),
    })
}

pub(super) fn outcome(row: &Row) -> Result<Outcome, Error> {
    match get(row, "outcome")? {
        "booked" => booking(row).map(Outcome::Booked),
        "void" => match get(row, "void_reason")? {
            "released" => Ok(Outcome::Void(VoidReason::Released)),
            "expired" => Ok(Outcome::Void(VoidReason::Expired)),
            "seat_lost" => Ok(Outcome::Void(VoidReason::SeatLost)),
            other => Err(Error::Corrupt(format!("void_reason {other:?}"))),
        },
        other => Err(Error::Corrupt(format!("outcome {other:?}"))),
    }
}

/// A row whose outcome is booked.
pub(super) fn booking(row: &Row) -> Result<Booking, Error> {
    Ok(Booking {
        id: id(row, "reservation_id")?,
        customer: id(row, "customer_id")?,
        request: id(row, "request_id")?,
        seats: seat_set(row)?,
        payment: id(row, "payment_reference")?,
        booked_at: UnixMs(get(row, "decided_ms")?),
        cancelled_at: get::<Option<i64>>(row, "cancelled_ms")?.map(UnixMs),
    })
}

pub(super) fn seat_set(row: &Row) -> Result<SeatSet, Error> {
    let ids = seats(row, "seat_ids")?.into_iter().map(|seat| seat.0);
    SeatSet::new(ids).map_err(|error| Error::Corrupt(error.to_string()))
}

pub(super) fn reason(reason: VoidReason) -> &'static str {
    match reason {
        VoidReason::Released => "released",
        VoidReason::Expired => "expired",
        VoidReason::SeatLost => "seat_lost",
    }
}

pub(super) fn duration(row: &Row, column: &str) -> Result<Duration, Error> {
    unsigned::<i64, u64>(row, column).map(Duration::from_millis)
}

fn unsigned<'a, T: FromSql<'a>, U: TryFrom<T>>(row: &'a Row, column: &str) -> Result<U, Error> {
    U::try_from(get::<T>(row, column)?).map_err(|_| Error::Corrupt(format!("{column} is out of range")))
}
