//! Reading bookings: the vault alone answers.

use super::{Engine, Error, Owner, Page, Priced};
use crate::domain::{Booking, EventId, Outcome, ReservationId};

impl Engine {
    /// A booking, cancelled ones included.
    pub async fn booking(&self, id: ReservationId, owner: Owner) -> Result<Priced<Booking>, Error> {
        let outcome = self.0.vault.outcome(&id).await.map_err(|error| self.vault_error(&id.event, &error))?;
        match outcome {
            Some(Outcome::Booked(booking)) if owner.covers(&booking.customer) => self.price(booking).await,
            Some(Outcome::Booked(_) | Outcome::Void(_)) | None => Err(Error::BookingNotFound(id)),
        }
    }

    /// The bookings of an event that the owner may see: oldest first, after `after`.
    pub async fn bookings(
        &self,
        event: EventId,
        owner: Owner,
        after: Option<ReservationId>,
        limit: u32,
    ) -> Result<Page<Priced<Booking>>, Error> {
        let house = self.0.catalog.house(&event).await?;
        let read = self.0.vault.bookings(&event, owner.customer(), after.as_ref(), limit + 1).await;
        let bookings = read.map_err(|error| self.vault_error(&event, &error))?;
        let price = |booking: Booking| {
            let seats = booking.seats.clone();
            house.price(booking, &seats)
        };
        Ok(Page::cut(bookings.into_iter().map(price).collect(), limit))
    }

    /// Puts the price to a booking.
    pub async fn price(&self, booking: Booking) -> Result<Priced<Booking>, Error> {
        let house = self.0.catalog.house(&booking.id.event).await?;
        let seats = booking.seats.clone();
        Ok(house.price(booking, &seats))
    }
}
