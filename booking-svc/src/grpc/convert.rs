//! Between the wire and the words of the trade: once on receipt, once on the way out.

use std::{fmt, str::FromStr, time::Duration};

use prost_types::Timestamp;
use ticketengine::v1;

use crate::{
    booking::Priced,
    domain::{
        Booking, Event, EventId, IdError, Layout, NewEvent, PriceCategory, Reservation, ReservationState,
        Row, SEATS_PER_EVENT_MAX, SalesSettings, Seat, SeatId, SeatSet, SeatStates, Section, UnixMs,
    },
    limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX},
};

/// A field that breaks its rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) field: &'static str,
    pub(super) rule: String,
}

impl Invalid {
    fn new(field: &'static str, rule: impl fmt::Display) -> Self {
        Self { field, rule: rule.to_string() }
    }
}

/// An id by the name that its field has in the request.
pub(super) fn id<T: FromStr<Err = IdError>>(field: &'static str, text: &str) -> Result<T, Invalid> {
    text.parse().map_err(|error: IdError| Invalid::new(field, format_args!("must be {}", error.rule)))
}

/// A page of a list, as asked for: how many, and after what.
pub(super) fn page<T: FromStr<Err = IdError>>(size: i32, token: &str) -> Result<(u32, Option<T>), Invalid> {
    let size = u32::try_from(size).map_err(|_| Invalid::new("page_size", "must not be negative"))?;
    let size = if size == 0 { PAGE_SIZE_DEFAULT } else { size.min(PAGE_SIZE_MAX) };
    if token.is_empty() {
        return Ok((size, None));
    }
    let after = token.parse();
    let after =
        after.map_err(|_| Invalid::new("page_token", "must be the next_page_token of the page before"))?;
    Ok((size, Some(after)))
}

/// Seats to block or unblock: any number up to the whole house, ascending, each once.
pub(super) fn seats(ids: Vec<u32>) -> Result<Vec<SeatId>, Invalid> {
    if !(1..=SEATS_PER_EVENT_MAX).contains(&ids.len()) {
        let rule = format_args!("must name between 1 and {SEATS_PER_EVENT_MAX} seats").to_string();
        return Err(Invalid::new("seat_ids", rule));
    }
    let mut seats: Vec<SeatId> = ids.into_iter().map(SeatId).collect();
    seats.sort_unstable();
    seats.dedup();
    Ok(seats)
}

/// The token of a call, if one came.
pub(super) fn token(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn new_event(wire: v1::CreateEventRequest) -> Result<NewEvent, Invalid> {
    let categories = wire.price_categories.into_iter();
    Ok(NewEvent {
        id: id("event_id", &wire.event_id)?,
        name: wire.name,
        venue_name: wire.venue_name,
        currency: wire.currency,
        price_categories: categories
            .map(|category| PriceCategory { name: category.name, price_minor: category.price_minor })
            .collect(),
        settings: wire.sales_settings.map_or_else(|| Ok(SalesSettings::default()), settings)?,
        layout: from_layout(wire.layout.unwrap_or_default())?,
    })
}

/// Zeros and absent fields take their defaults.
pub(super) fn settings(wire: v1::SalesSettings) -> Result<SalesSettings, Invalid> {
    let defaults = SalesSettings::default();
    let hold_ttl = duration("hold_ttl", wire.hold_ttl)?.unwrap_or(defaults.hold_ttl);
    let hold_max = duration("hold_max", wire.hold_max)?;
    Ok(SalesSettings {
        hold_ttl,
        hold_max: hold_max.unwrap_or(hold_ttl.saturating_mul(SalesSettings::HOLD_MAX_FACTOR_DEFAULT)),
        seats_per_customer: match wire.seats_per_customer {
            0 => defaults.seats_per_customer,
            seats => seats,
        },
        opens_at: wire.sale_opens_at.map(|at| moment("sale_opens_at", at)).transpose()?,
        closes_at: wire.sale_closes_at.map(|at| moment("sale_closes_at", at)).transpose()?,
    })
}

fn duration(field: &'static str, wire: Option<prost_types::Duration>) -> Result<Option<Duration>, Invalid> {
    let Some(wire) = wire else { return Ok(None) };
    let length = Duration::try_from(wire).map_err(|_| Invalid::new(field, "must not be negative"))?;
    // The gate counts milliseconds: keep what it can keep.
    let ms = u64::try_from(length.as_millis()).map_err(|_| Invalid::new(field, "is too long"))?;
    Ok(Some(Duration::from_millis(ms)).filter(|length| !length.is_zero()))
}

fn moment(field: &'static str, wire: Timestamp) -> Result<UnixMs, Invalid> {
    /// 0001-01-01 to 9999-12-31, as the type's definition has it.
    const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    if !SECONDS.contains(&wire.seconds) || !(0..1_000_000_000).contains(&wire.nanos) {
        return Err(Invalid::new(field, "must be a time between the years 1 and 9999"));
    }
    Ok(UnixMs(wire.seconds * 1_000 + i64::from(wire.nanos) / 1_000_000))
}

fn from_layout(wire: v1::Layout) -> Result<Layout, Invalid> {
    let seat = |wire: v1::Seat| {
        let price_category = u16::try_from(wire.price_category).map_err(|_| {
            Invalid::new("layout.sections.rows.seats.price_category", "names no price category")
        })?;
        let v1::Seat { label, x_cm, y_cm, accessible, .. } = wire;
        Ok(Seat { label, price_category, x_cm, y_cm, accessible })
    };
    let row = |wire: v1::Row| {
        let seats = wire.seats.into_iter().map(seat).collect::<Result<_, _>>()?;
        Ok(Row { label: wire.label, seats })
    };
    let section = |wire: v1::Section| {
        let rows = wire.rows.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Section { name: wire.name, rows })
    };
    Ok(Layout { sections: wire.sections.into_iter().map(section).collect::<Result<_, _>>()? })
}

pub(super) fn timestamp(UnixMs(ms): UnixMs) -> Timestamp {
    let nanos = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    Timestamp { seconds: ms.div_euclid(1_000), nanos }
}

fn wire_duration(length: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(length).ok()
}

fn numbers(seats: &SeatSet) -> Vec<u32> {
    seats.iter().map(|seat| seat.0).collect()
}

pub(super) fn reservation(priced: Priced<Reservation>) -> v1::Reservation {
    let Priced { item, total_minor, currency } = priced;
    let state = match item.state {
        ReservationState::Held => v1::ReservationState::Held,
        ReservationState::Confirming => v1::ReservationState::Confirming,
        ReservationState::Booked => v1::ReservationState::Booked,
        ReservationState::Released => v1::ReservationState::Released,
        ReservationState::Expired => v1::ReservationState::Expired,
        ReservationState::Cancelled => v1::ReservationState::Cancelled,
        ReservationState::Lost => v1::ReservationState::Lost,
    };
    v1::Reservation {
        reservation_id: item.id.to_string(),
        event_id: item.id.event.to_string(),
        customer_id: item.customer.to_string(),
        seat_ids: numbers(&item.seats),
        state: state.into(),
        expire_time: Some(timestamp(item.deadline)),
        extend_limit_time: Some(timestamp(item.extend_limit)),
        total_minor,
        currency: currency.to_string(),
    }
}

/// The one way for a booking to the wire, for answers and for Kafka.
impl From<Priced<Booking>> for v1::Booking {
    fn from(Priced { item, total_minor, currency }: Priced<Booking>) -> Self {
        let state = match item.cancelled_at {
            None => v1::BookingState::Confirmed,
            Some(_) => v1::BookingState::Cancelled,
        };
        Self {
            booking_id: item.id.to_string(),
            event_id: item.id.event.to_string(),
            customer_id: item.customer.to_string(),
            seat_ids: numbers(&item.seats),
            state: state.into(),
            payment_reference: item.payment.to_string(),
            total_minor,
            currency: currency.to_string(),
            create_time: Some(timestamp(item.booked_at)),
            cancel_time: item.cancelled_at.map(timestamp),
        }
    }
}

pub(super) fn event(event: Event) -> v1::Event {
    let settings = event.settings;
    let state = if event.sales_open { v1::SalesState::Open } else { v1::SalesState::Closed };
    let categories = event.price_categories.into_iter();
    v1::Event {
        event_id: event.id.to_string(),
        name: event.name,
        venue_name: event.venue_name,
        currency: event.currency,
        price_categories: categories
            .map(|category| v1::PriceCategory { name: category.name, price_minor: category.price_minor })
            .collect(),
        sales_settings: Some(v1::SalesSettings {
            hold_ttl: wire_duration(settings.hold_ttl),
            hold_max: wire_duration(settings.hold_max),
            seats_per_customer: settings.seats_per_customer,
            sale_opens_at: settings.opens_at.map(timestamp),
            sale_closes_at: settings.closes_at.map(timestamp),
        }),
        sales_state: state.into(),
        seat_count: event.seat_count,
        create_time: Some(timestamp(event.created_at)),
        update_time: Some(timestamp(event.updated_at)),
    }
}

pub(super) fn layout(layout: &Layout) -> v1::Layout {
    let seat = |seat: &Seat| v1::Seat {
        label: seat.label.clone(),
        price_category: seat.price_category.into(),
        x_cm: seat.x_cm,
        y_cm: seat.y_cm,
        accessible: seat.accessible,
    };
    let row = |row: &Row| v1::Row { label: row.label.clone(), seats: row.seats.iter().map(seat).collect() };
    let section = |section: &Section| v1::Section {
        name: section.name.clone(),
        rows: section.rows.iter().map(row).collect(),
    };
    v1::Layout { sections: layout.sections.iter().map(section).collect() }
}

pub(super) fn seat_states(states: &SeatStates) -> v1::SeatStates {
    v1::SeatStates {
        epoch: states.epoch.0,
        version: states.version.0,
        packed: states.packed.bytes().to_vec(),
    }
}

/// A token of the next page: the last id of this one.
pub(super) fn next_page<T>(more: bool, last: Option<&T>, id: impl Fn(&T) -> String) -> String {
    last.filter(|_| more).map_or_else(String::new, id)
}

/// Refuses the page token of another event's list.
pub(super) fn same_event(event: &EventId, after: Option<&EventId>) -> Result<(), Invalid> {
    match after {
        Some(other) if other != event => Err(Invalid::new("page_token", "belongs to another event's list")),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
