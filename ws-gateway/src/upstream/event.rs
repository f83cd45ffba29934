use serde::Serialize;
use ticketengine::v1::{self, SalesState};

use super::Error;
use crate::document::Document;

/// An event, ready to be served.
#[derive(Debug)]
pub struct Event {
    /// How many seats it has.
    pub seat_count: u32,
    /// When it was created, in seconds and nanoseconds: tells two events of one name apart.
    pub(super) created: (i64, i32),
    /// As JSON.
    pub document: Document,
}

/// A page of events, ready to be served.
#[derive(Debug)]
pub struct EventList {
    /// As JSON.
    pub document: Document,
}

#[derive(Serialize)]
struct EventJson<'a> {
    event_id: &'a str,
    name: &'a str,
    venue_name: &'a str,
    currency: &'a str,
    seat_count: u32,
    sales_state: &'static str,
    price_categories: Vec<PriceJson<'a>>,
    sales_settings: SettingsJson,
}

#[derive(Serialize)]
struct PriceJson<'a> {
    name: &'a str,
    price_minor: i64,
}

#[derive(Serialize)]
struct SettingsJson {
    hold_ttl_ms: i64,
    hold_max_ms: i64,
    seats_per_customer: u32,
    sale_opens_at: Option<String>,
    sale_closes_at: Option<String>,
}

#[derive(Serialize)]
struct ListJson<'a> {
    events: Vec<EventJson<'a>>,
    next_page_token: &'a str,
}

impl Event {
    pub(super) fn new(event: &v1::Event) -> Result<Self, Error> {
        let created = event.create_time.as_ref().ok_or(Error::Malformed("create_time"))?;
        Ok(Self {
            seat_count: event.seat_count,
            created: (created.seconds, created.nanos),
            document: json(&EventJson::new(event)?)?,
        })
    }
}

impl EventList {
    pub(super) fn new(list: &v1::ListEventsResponse) -> Result<Self, Error> {
        let events = list.events.iter().map(EventJson::new).collect::<Result<_, _>>()?;
        Ok(Self { document: json(&ListJson { events, next_page_token: &list.next_page_token })? })
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<Document, Error> {
    let json = serde_json::to_vec(value).map_err(|_| Error::Malformed("form that JSON could have"))?;
    Ok(Document::new(json.into()))
}

impl<'a> EventJson<'a> {
    fn new(event: &'a v1::Event) -> Result<Self, Error> {
        let settings = event.sales_settings.as_ref().ok_or(Error::Malformed("sales_settings"))?;
        let prices = event.price_categories.iter();
        Ok(Self {
            event_id: &event.event_id,
            name: &event.name,
            venue_name: &event.venue_name,
            currency: &event.currency,
            seat_count: event.seat_count,
            sales_state: match event.sales_state() {
                SalesState::Open => "open",
                SalesState::Closed => "closed",
                SalesState::Unspecified => return Err(Error::Malformed("sales_state")),
            },
            price_categories: prices
                .map(|price| PriceJson { name: &price.name, price_minor: price.price_minor })
                .collect(),
            sales_settings: SettingsJson {
                hold_ttl_ms: milliseconds(settings.hold_ttl.as_ref()),
                hold_max_ms: milliseconds(settings.hold_max.as_ref()),
                seats_per_customer: settings.seats_per_customer,
                // prost writes RFC 3339.
                sale_opens_at: settings.sale_opens_at.as_ref().map(ToString::to_string),
                sale_closes_at: settings.sale_closes_at.as_ref().map(ToString::to_string),
            },
        })
    }
}

fn milliseconds(duration: Option<&prost_types::Duration>) -> i64 {
    duration
        .map_or(0, |duration| duration.seconds.saturating_mul(1_000) + i64::from(duration.nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_as_json() {
        let event = v1::Event {
            event_id: "gala".into(),
            name: "Gala".into(),
            venue_name: "Opera".into(),
            currency: "EUR".into(),
            price_categories: vec![v1::PriceCategory { name: "A".into(), price_minor: 4950 }],
            sales_settings: Some(v1::SalesSettings {
                hold_ttl: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
                hold_max: None,
                seats_per_customer: 8,
                sale_opens_at: Some(prost_types::Timestamp { seconds: 1_764_000_000, nanos: 0 }),
                sale_closes_at: None,
            }),
            sales_state: SalesState::Open.into(),
            seat_count: 2,
            create_time: Some(prost_types::Timestamp::default()),
            update_time: None,
        };
        let expected = r#"{"event_id":"gala","name":"Gala","venue_name":"Opera","currency":"EUR","seat_count":2,"sales_state":"open","price_categories":[{"name":"A","price_minor":4950}],"sales_settings":{"hold_ttl_ms":1500,"hold_max_ms":0,"seats_per_customer":8,"sale_opens_at":"2025-11-24T16:00:00Z","sale_closes_at":null}}"#;
        assert_eq!(Event::new(&event).unwrap().document.plain, expected);
        let list = v1::ListEventsResponse { events: vec![event.clone()], next_page_token: "x".into() };
        let expected = format!(r#"{{"events":[{expected}],"next_page_token":"x"}}"#);
        assert_eq!(EventList::new(&list).unwrap().document.plain, expected);
        let no_state = v1::Event { sales_state: 0, ..event };
        assert!(matches!(Event::new(&no_state), Err(Error::Malformed("sales_state"))));
    }
}
