//! Events of the bench: made over gRPC, as an organiser would, and taken away again when they are audited.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use ticketengine::v1::{
    CreateEventRequest, Layout, OpenSalesRequest, PriceCategory, Row, SalesSettings, Seat, Section,
    event_service_client::EventServiceClient,
};
use tokio::time::sleep;
use tokio_postgres::NoTls;
use tonic::{Code, Status, transport::Channel};

use crate::{client::Token, error::Error, nodes::Nodes};

/// How long CreateEvent may take: it writes every seat.
const CREATE_WAIT: Duration = Duration::from_secs(30);
/// Events that are made at the same time.
const CREATES_AT_ONCE: usize = 4;
/// How often a call that found the stores busy is made again, and after what pause.
const TRIES_MAX: usize = 10;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Seats of a row.
const ROW_SEATS: u32 = 50;
const ROW_CM: i32 = 90;
const SEAT_CM: i32 = 55;
/// What Redis keeps of an event; the last two on each server of Redlock.
const EVENT_KEYS: [&str; 4] = ["meta", "fence", "vote", "locks"];
/// What Redis keeps of one epoch of an event.
const EPOCH_KEYS: [&str; 7] = ["seats", "map", "reservations", "requests", "expiry", "customers", "log"];

/// What kind of event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct House {
    /// How many seats.
    pub(crate) seats: u32,
    /// How many a customer may have.
    pub(crate) limit: u32,
    /// How long a hold lasts.
    pub(crate) hold_ttl: Duration,
}

impl House {
    fn request(&self, id: &str) -> CreateEventRequest {
        let rows = (0..self.seats.div_ceil(ROW_SEATS)).map(|row| {
            let seats = (row * ROW_SEATS..self.seats.min((row + 1) * ROW_SEATS)).map(|seat| Seat {
                label: (seat % ROW_SEATS + 1).to_string(),
                x_cm: i32::try_from(seat % ROW_SEATS).unwrap_or(0) * SEAT_CM,
                y_cm: i32::try_from(row).unwrap_or(0) * ROW_CM,
                ..Seat::default()
            });
            Row { label: (row + 1).to_string(), seats: seats.collect() }
        });
        let settings = SalesSettings {
            hold_ttl: self.hold_ttl.try_into().ok(),
            seats_per_customer: self.limit,
            ..SalesSettings::default()
        };
        CreateEventRequest {
            event_id: id.into(),
            name: "Bench".into(),
            venue_name: "Bench".into(),
            currency: "EUR".into(),
            price_categories: vec![PriceCategory { name: "All".into(), price_minor: 1_000 }],
            sales_settings: Some(settings),
            layout: Some(Layout { sections: vec![Section { name: "Floor".into(), rows: rows.collect() }] }),
        }
    }
}

/// Creates events and opens their sales.
///
/// # Errors
/// The service refuses, or stays unavailable.
pub(crate) async fn build(
    channel: &Channel,
    admin: &Token,
    house: House,
    ids: &[String],
) -> Result<(), Error> {
    let built = stream::iter(ids).map(|id| async move {
        let events = EventServiceClient::new(channel.clone());
        let create = || {
            let (mut events, request) = (events.clone(), admin.request(house.request(id), CREATE_WAIT));
            async move { events.create_event(request).await.map(drop) }
        };
        until_answered(create).await.map_err(refused("CreateEvent"))?;
        let open = || {
            let request = admin.request(OpenSalesRequest { event_id: id.clone() }, CREATE_WAIT);
            let mut events = events.clone();
            async move { events.open_sales(request).await.map(drop) }
        };
        until_answered(open).await.map_err(refused("OpenSales"))
    });
    built.buffer_unordered(CREATES_AT_ONCE).try_collect().await
}

/// The stores may be busy: the same call with the same ids finds its outcome.
async fn until_answered<F: Future<Output = Result<(), Status>>>(call: impl Fn() -> F) -> Result<(), Status> {
    let mut tries = 1;
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable && tries < TRIES_MAX => {
                tries += 1;
                sleep(TRY_AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

/// Takes events away from both stores: what they would cost later scenarios is no part of those.
pub(crate) async fn demolish(database_url: &str, nodes: &Nodes, ids: &[String]) -> Result<(), Error> {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await?;
    let work = async {
        for table in ["booked_seats", "bookings", "blocked_seats", "seats", "events"] {
            client.execute(&format!("DELETE FROM {table} WHERE event_id = ANY ($1)"), &[&ids]).await?;
        }
        // Else the database would do it by itself in the middle of what is measured next.
        client.batch_execute("VACUUM (ANALYZE) booked_seats, bookings, seats, events").await?;
        drop(client);
        Ok::<(), Error>(())
    };
    let (done, connection) = tokio::join!(work, connection);
    done?;
    connection?;
    for id in ids {
        for node in nodes.keepers(id).await? {
            let epoch = redis::cmd("HGET").arg(nodes.key(id, "meta")).arg("epoch").to_owned();
            let epoch: Option<u64> = node.ask(&epoch).await?;
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(EVENT_KEYS.map(|key| nodes.key(id, key)).to_vec());
            unlink.arg(EPOCH_KEYS.map(|key| nodes.key_of_epoch(id, epoch.unwrap_or_default(), key)).to_vec());
            node.ask::<()>(&unlink).await?;
        }
    }
    Ok(())
}

/// The error of a call that must not be refused.
pub(crate) fn refused(call: &'static str) -> impl Fn(Status) -> Error {
    move |status| Error::Refused { call, status: Box::new(status) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_store_is_asked_again_but_not_for_ever() {
        let calls = Cell::new(0);
        let busy = |times| {
            let calls = &calls;
            calls.set(0);
            move || {
                calls.set(calls.get() + 1);
                let answer = if calls.get() > times { Ok(()) } else { Err(Status::unavailable("busy")) };
                async { answer }
            }
        };
        assert!(until_answered(busy(3)).await.is_ok());
        assert_eq!(calls.get(), 4);
        assert!(until_answered(busy(100)).await.is_err());
        assert_eq!(calls.get(), TRIES_MAX);
    }

    #[test]
    fn a_house_has_the_seats_that_were_asked_for() {
        for seats in [1, 50, 51, 100_000] {
            let house = House { seats, limit: 4, hold_ttl: Duration::from_secs(60) };
            let request = house.request("e");
            let sections = request.layout.unwrap().sections;
            let count: usize = sections[0].rows.iter().map(|row| row.seats.len()).sum();
            assert_eq!(count, seats as usize);
            assert_eq!(request.sales_settings.unwrap().seats_per_customer, 4);
        }
    }
}
