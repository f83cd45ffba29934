use std::time::Duration;

use bb8_postgres::tokio_postgres::{
    self, IsolationLevel,
    types::{Json, ToSql},
};

use super::{
    BULK_TIMEOUT, Error, Vault, connection::Connection, first, in_time, replica::HOUSE_WAIT, rows, sql,
};
use crate::domain::{Epoch, Event, EventId, Layout, NewEvent, Row, SalesSettings, Seat, Section, UnixMs};

impl Vault {
    /// Writes an event with all its seats, all or nothing. Where it is there already with the same content, that is
    /// returned: the call can be repeated.
    pub async fn create_event(&self, new: &NewEvent) -> Result<Event, Error> {
        let mut connection = self.pool.get().await?;
        let created = in_time(BULK_TIMEOUT, create(&mut connection, new)).await?;
        drop(connection);
        let event = self.event(&new.id).await?.ok_or_else(|| Error::EventNotFound(new.id.clone()))?;
        if created
            || (is_same_event(&event, new)
                && self.layout(&new.id).await?.is_some_and(|l| is_same_house(&l, &new.layout)))
        {
            return Ok(event);
        }
        Err(Error::EventExists(new.id.clone()))
    }

    /// An event.
    pub async fn event(&self, id: &EventId) -> Result<Option<Event>, Error> {
        first(self.query(&sql::EVENT, &[&id.as_str()]).await?).as_ref().map(rows::event).transpose()
    }

    /// Events by id, those after `after`. A change of the last seconds may be missing.
    pub async fn events(&self, after: Option<&EventId>, limit: u32) -> Result<Vec<Event>, Error> {
        let after = after.map_or("", EventId::as_str);
        self.list(&sql::EVENTS, &[&after, &i64::from(limit)], false).await?.iter().map(rows::event).collect()
    }

    /// As [`Self::events`], but only which there are and their epochs: all replicas ask for this each second.
    pub async fn epochs(&self, after: Option<&EventId>, limit: u32) -> Result<Vec<(EventId, Epoch)>, Error> {
        let after = after.map_or("", EventId::as_str);
        let rows = self.query(&sql::EPOCHS, &[&after, &i64::from(limit)]).await?;
        rows.iter().map(|row| Ok((rows::id(row, "event_id")?, rows::epoch(row, "epoch")?))).collect()
    }

    /// Up to `limit` of the events of whose seats something may happen: those on sale, and those that were until `after_close`
    /// ago, or were made or changed since then.
    pub async fn live_events(&self, after_close: Duration, limit: u32) -> Result<Vec<EventId>, Error> {
        let after_close = i64::try_from(after_close.as_millis()).unwrap_or(i64::MAX);
        let rows = self.query(&sql::LIVE_EVENTS, &[&after_close, &i64::from(limit)]).await?;
        rows.iter().map(|row| rows::id(row, "event_id")).collect()
    }

    /// The seats of an event. Sections and rows without seats are not kept.
    pub async fn layout(&self, id: &EventId) -> Result<Option<Layout>, Error> {
        layout(&self.bulk(&sql::LAYOUT, &[&id.as_str()]).await?)
    }

    /// An event and its seats, for what never changes of them: a replica that has them is as good as the primary.
    pub async fn house(&self, id: &EventId) -> Result<Option<(Event, Layout)>, Error> {
        if let Some(replica) = &self.replica
            && let Some(event) = replica.ask(HOUSE_WAIT, &sql::EVENT, &[&id.as_str()]).await
            && let Some(event) = first(event)
            && let Some(seats) = replica.ask(HOUSE_WAIT, &sql::LAYOUT, &[&id.as_str()]).await
            && let Some(layout) = layout(&seats)?
        {
            return Ok(Some((rows::event(&event)?, layout)));
        }
        let Some(event) = self.event(id).await? else { return Ok(None) };
        Ok(self.layout(id).await?.map(|layout| (event, layout)))
    }

    /// Changes what is given. New settings raise the revision.
    pub async fn update_event(
        &self,
        id: &EventId,
        name: Option<&str>,
        settings: Option<&SalesSettings>,
    ) -> Result<Option<Event>, Error> {
        let answer = match (name, settings) {
            (None, None) => return self.event(id).await,
            (Some(name), None) => self.bulk(&sql::RENAME_EVENT, &[&id.as_str(), &name]).await?,
            (name, Some(settings)) => {
                let row = SettingsRow::from(settings);
                let params: [&(dyn ToSql + Sync); 7] = [
                    &id.as_str(),
                    &name,
                    &row.hold_ttl_ms,
                    &row.hold_max_ms,
                    &row.seats_per_customer,
                    &row.opens_ms,
                    &row.closes_ms,
                ];
                self.bulk(&sql::UPDATE_EVENT, &params).await?
            }
        };
        first(answer).as_ref().map(rows::event).transpose()
    }

    /// Opens or closes sales. A change raises the revision.
    pub async fn set_sales_open(&self, id: &EventId, open: bool) -> Result<Option<Event>, Error> {
        let answer = self.bulk(&sql::SET_SALES_OPEN, &[&id.as_str(), &open]).await?;
        first(answer).as_ref().map(rows::event).transpose()
    }
}

/// Settings as the columns of `events`.
struct SettingsRow {
    hold_ttl_ms: i64,
    hold_max_ms: i64,
    seats_per_customer: i32,
    opens_ms: Option<i64>,
    closes_ms: Option<i64>,
}

impl From<&SalesSettings> for SettingsRow {
    fn from(settings: &SalesSettings) -> Self {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self {
            hold_ttl_ms: ms(settings.hold_ttl),
            hold_max_ms: ms(settings.hold_max),
            seats_per_customer: i32::try_from(settings.seats_per_customer).unwrap_or(i32::MAX),
            opens_ms: settings.opens_at.map(|UnixMs(ms)| ms),
            closes_ms: settings.closes_at.map(|UnixMs(ms)| ms),
        }
    }
}

fn layout(seats: &[tokio_postgres::Row]) -> Result<Option<Layout>, Error> {
    let mut sections: Vec<Section> = Vec::new();
    for seat in seats {
        let (section, row): (&str, &str) = (rows::get(seat, "section_name")?, rows::get(seat, "row_label")?);
        if sections.last().is_none_or(|last| last.name != section) {
            sections.push(Section { name: section.into(), rows: Vec::new() });
        }
        let Some(Section { rows: in_section, .. }) = sections.last_mut() else { continue };
        if in_section.last().is_none_or(|last| last.label != row) {
            in_section.push(Row { label: row.into(), seats: Vec::new() });
        }
        let Some(Row { seats: in_row, .. }) = in_section.last_mut() else { continue };
        let category: i16 = rows::get(seat, "price_category")?;
        in_row.push(Seat {
            label: rows::get(seat, "label")?,
            price_category: category.unsigned_abs(),
            x_cm: rows::get(seat, "x_cm")?,
            y_cm: rows::get(seat, "y_cm")?,
            accessible: rows::get(seat, "accessible")?,
        });
    }
    Ok((!sections.is_empty()).then_some(Layout { sections }))
}

/// False when the id is taken.
async fn create(connection: &mut Connection, new: &NewEvent) -> Result<bool, Error> {
    let count = new.layout.seat_count();
    let settings = SettingsRow::from(&new.settings);
    let (mut sections, mut house_rows, mut labels) =
        (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut categories, mut xs, mut ys, mut accessible) = (
        Vec::with_capacity(count),
        Vec::with_capacity(count),
        Vec::with_capacity(count),
        Vec::with_capacity(count),
    );
    for (_, section, row, seat) in new.layout.seats() {
        sections.push(section.name.as_str());
        house_rows.push(row.label.as_str());
        labels.push(seat.label.as_str());
        categories.push(i16::try_from(seat.price_category).unwrap_or(i16::MAX));
        xs.push(seat.x_cm);
        ys.push(seat.y_cm);
        accessible.push(seat.accessible);
    }
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let prices = Json(&new.price_categories);
    let transaction = connection.begin(IsolationLevel::ReadCommitted, BULK_TIMEOUT).await?;
    let answer = transaction
        .query(
            &sql::CREATE_EVENT,
            &[
                &new.id.as_str(),
                &new.name,
                &new.venue_name,
                &new.currency,
                &prices,
                &count,
                &settings.hold_ttl_ms,
                &settings.hold_max_ms,
                &settings.seats_per_customer,
                &settings.opens_ms,
                &settings.closes_ms,
                &sections,
                &house_rows,
                &labels,
                &categories,
                &xs,
                &ys,
                &accessible,
            ],
        )
        .await?;
    transaction.commit().await?;
    let written: i64 = first(answer).as_ref().map_or(Ok(0), |row| rows::get(row, "count"))?;
    Ok(written > 0)
}

fn is_same_event(event: &Event, new: &NewEvent) -> bool {
    event.name == new.name
        && event.venue_name == new.venue_name
        && event.currency == new.currency
        && event.price_categories == new.price_categories
        && event.settings == new.settings
}

/// Seat by seat: sections and rows without seats do not count.
fn is_same_house(one: &Layout, other: &Layout) -> bool {
    fn seats(house: &Layout) -> impl Iterator<Item = (&str, &str, &Seat)> {
        house.seats().map(|(_, section, row, seat)| (section.name.as_str(), row.label.as_str(), seat))
    }
    seats(one).eq(seats(other))
}
