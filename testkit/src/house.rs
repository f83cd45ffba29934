//! Events for tests.

use std::time::Duration;

use ticketengine::v1::{CreateEventRequest, Layout, PriceCategory, Row, SalesSettings, Seat, Section};

/// An event of one section with rows of 50 seats that cost 10 EUR each.
pub fn new_event(id: &str, seats: u32, settings: SalesSettings) -> CreateEventRequest {
    let seat = |n: u32| Seat { label: (n % 50 + 1).to_string(), ..Seat::default() };
    let rows = (0..seats).collect::<Vec<_>>();
    let rows = rows.chunks(50).enumerate().map(|(index, row)| Row {
        label: (index + 1).to_string(),
        seats: row.iter().copied().map(seat).collect(),
    });
    CreateEventRequest {
        event_id: id.into(),
        name: "Test night".into(),
        venue_name: "Test house".into(),
        currency: "EUR".into(),
        price_categories: vec![PriceCategory { name: "All".into(), price_minor: 1_000 }],
        sales_settings: Some(settings),
        layout: Some(Layout { sections: vec![Section { name: "Floor".into(), rows: rows.collect() }] }),
    }
}

/// Settings with this hold time; the rest is default.
pub fn hold_ttl(ttl: Duration) -> SalesSettings {
    SalesSettings { hold_ttl: Some(ttl.try_into().unwrap()), ..SalesSettings::default() }
}
