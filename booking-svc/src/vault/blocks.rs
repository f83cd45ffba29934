use bb8_postgres::tokio_postgres::Row;

use super::{
    Error, Vault,
    decide::number,
    first, rows,
    sql::{self, Statement},
};
use crate::domain::{Epoch, EventId, SeatId};

/// What came of taking seats off sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// All are blocked now; these were not before.
    Done(Vec<SeatId>),
    /// Nothing was written, because these are sold.
    Sold(Vec<SeatId>),
}

impl Vault {
    /// Takes seats off sale, all or none. Can be repeated.
    pub async fn block(&self, event: &EventId, epoch: Epoch, seats: &[SeatId]) -> Result<Blocked, Error> {
        let row = self.change_blocks(&sql::BLOCK, event, epoch, seats).await?;
        let seats = rows::seats(&row, "seat_ids")?;
        match (rows::get(&row, "status")?, seats.first()) {
            ("done", _) => Ok(Blocked::Done(seats)),
            ("sold", _) => Ok(Blocked::Sold(seats)),
            ("seat_not_found", Some(&seat)) => Err(Error::SeatNotFound { event: event.clone(), seat }),
            (status, _) => Err(Error::Corrupt(format!("status {status:?}"))),
        }
    }

    /// Puts seats back on sale, and says which were blocked. Can be repeated.
    pub async fn unblock(
        &self,
        event: &EventId,
        epoch: Epoch,
        seats: &[SeatId],
    ) -> Result<Vec<SeatId>, Error> {
        rows::seats(&self.change_blocks(&sql::UNBLOCK, event, epoch, seats).await?, "seat_ids")
    }

    async fn change_blocks(
        &self,
        statement: &'static Statement,
        event: &EventId,
        epoch: Epoch,
        seats: &[SeatId],
    ) -> Result<Row, Error> {
        let ids = seats.iter().map(|&seat| {
            i32::try_from(seat.0).map_err(|_| Error::SeatNotFound { event: event.clone(), seat })
        });
        let ids = ids.collect::<Result<Vec<i32>, Error>>()?;
        let answer = self.bulk(statement, &[&event.as_str(), &number(epoch), &ids]).await?;
        let row = first(answer).ok_or_else(|| Error::EventNotFound(event.clone()))?;
        if rows::get::<&str>(&row, "status")? == "epoch_stale" {
            return Err(Error::EpochStale { vault: rows::epoch(&row, "vault_epoch")? });
        }
        Ok(row)
    }
}
