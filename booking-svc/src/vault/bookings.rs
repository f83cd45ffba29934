use super::{Error, Vault, decide::number, first, rows, sql};
use crate::domain::{Booking, CustomerId, Epoch, EventId, Outcome, ReservationId};

impl Vault {
    /// What a reservation came to; none while it is not decided.
    pub async fn outcome(&self, id: &ReservationId) -> Result<Option<Outcome>, Error> {
        let answer = self.query(&sql::OUTCOME, &[&id.to_string()]).await?;
        first(answer).as_ref().map(rows::outcome).transpose()
    }

    /// Cancels a booking and frees its seats. A repeat returns the same booking, whatever the epoch; a void
    /// reservation is returned as it is. None when it is not decided.
    pub async fn cancel(&self, id: &ReservationId, epoch: Epoch) -> Result<Option<Outcome>, Error> {
        let event = id.event.as_str();
        let answer = self.query(&sql::CANCEL, &[&id.to_string(), &event, &number(epoch)]).await?;
        let Some(row) = first(answer) else { return Ok(None) };
        if rows::get::<&str>(&row, "status")? == "decided" {
            return rows::outcome(&row).map(Some);
        }
        Err(Error::EpochStale { vault: rows::epoch(&row, "vault_epoch")? })
    }

    /// Bookings, cancelled ones too, oldest first; those after the booking `after`. A booking of the last seconds may be missing.
    pub async fn bookings(
        &self,
        event: &EventId,
        customer: Option<&CustomerId>,
        after: Option<&ReservationId>,
        limit: u32,
    ) -> Result<Vec<Booking>, Error> {
        let goes_on = after.is_some();
        let (event, after, limit) = (event.as_str(), after.map(ToString::to_string), i64::from(limit));
        let answer = match customer.map(CustomerId::as_str) {
            None => self.list(&sql::BOOKINGS, &[&event, &after, &limit], goes_on).await?,
            Some(one) => {
                self.list(&sql::BOOKINGS_OF_CUSTOMER, &[&event, &after, &limit, &one], goes_on).await?
            }
        };
        answer.iter().map(rows::booking).collect()
    }
}
