//! Which replica tells of seats: one at a time, for as long as it lives and PostgreSQL hears of it.
//!
//! This saves work and no more: nothing that a consumer may rely on hangs on it. Two at once, one of them just awake, tell the
//! same.

use std::time::Duration;

use bb8_postgres::tokio_postgres::IsolationLevel;

use super::{
    Error, Options,
    connection::Transaction,
    dedicated::{Dedicated, STATEMENT_WAIT},
    first, in_time, rows, sql,
};

/// One replica's side of it.
pub struct Election(Dedicated);

/// The lead, until it is dropped or PostgreSQL takes it away.
pub struct Lead<'a>(Transaction<'a>);

impl Election {
    /// Connects at the first use.
    pub fn new(options: &Options) -> Result<Self, Error> {
        Dedicated::new(options).map(Self)
    }

    /// Takes the lead, if no other replica has it. A lead that is not kept within `patience` is lost.
    ///
    /// A transaction holds it: so it works through a pooler, and ends with whoever dies in it. It reads no table, for what it
    /// had read no migration could change.
    pub async fn stand(&mut self, patience: Duration) -> Result<Option<Lead<'_>>, Error> {
        let connection = self.0.get().await?;
        let begin = connection.begin(IsolationLevel::ReadCommitted, STATEMENT_WAIT);
        let transaction = in_time(STATEMENT_WAIT, begin).await?;
        let asleep_max = format!("{}ms", patience.as_millis());
        let answer = in_time(STATEMENT_WAIT, transaction.query(&sql::LEAD_LOCK, &[&asleep_max])).await?;
        if first(answer).map_or(Ok(false), |row| rows::get(&row, "mine"))? {
            return Ok(Some(Lead(transaction)));
        }
        in_time(STATEMENT_WAIT, transaction.commit()).await?;
        Ok(None)
    }
}

impl Lead<'_> {
    /// Keeps the lead, for the same patience again. An error says that it is lost.
    pub async fn keep(&self) -> Result<(), Error> {
        in_time(STATEMENT_WAIT, self.0.query(&sql::LEAD_KEEP, &[])).await.map(drop)
    }
}
