//! Events whose seats are taken one by one, and what customers were told of them.

use std::sync::Arc;

use super::{
    house::House,
    lab::Lab,
    outcome::Audited,
    reserver::{Dispenser, Won},
};
use crate::{
    error::Error,
    ledger::{Call, Grant, Record},
};

/// See the file.
pub(crate) struct Stock<'a> {
    lab: &'a Lab,
    house: House,
    /// Events made at once.
    at_once: usize,
    events: Vec<String>,
    dispenser: Arc<Dispenser>,
}

impl<'a> Stock<'a> {
    /// Empty. Events of this kind will be made, so many at once.
    pub(crate) fn new(lab: &'a Lab, house: House, at_once: usize) -> Self {
        Self { lab, house, at_once, events: Vec::new(), dispenser: Dispenser::new(&[], 0..1) }
    }

    /// Has so many seats, and says where they are handed out.
    ///
    /// # Errors
    /// An event can not be made.
    pub(crate) async fn refill(&mut self, seats: u64) -> Result<Arc<Dispenser>, Error> {
        if self.dispenser.left() < seats {
            let fresh = self.lab.create(self.house, self.at_once).await?;
            self.dispenser = Dispenser::new(&fresh, 0..self.house.seats);
            self.events.extend(fresh);
        }
        Ok(Arc::clone(&self.dispenser))
    }

    /// All events so far.
    pub(crate) fn events(&self) -> &[String] {
        &self.events
    }

    /// Audits each event with what was granted of it, and takes it away.
    ///
    /// # Errors
    /// A store does not answer.
    pub(crate) async fn audit(self, told: impl IntoIterator<Item = Told>) -> Result<Vec<Audited>, Error> {
        let mut records: Vec<Record> = self.events.iter().map(|event| self.lab.record(event)).collect();
        let ttl_ms = i64::try_from(self.house.hold_ttl.as_millis()).unwrap_or(i64::MAX);
        for told in told {
            let event = told.won.answer.reservation.as_ref().map(|reservation| reservation.event_id.clone());
            // The bare server's answers are about an event of its own.
            let Some(record) = records.iter_mut().find(|record| Some(&record.event) == event.as_ref()) else {
                continue;
            };
            let (id, grant) = told.into_grant(self.lab, ttl_ms);
            if let Some(before) = record.grants.insert(id.clone(), grant) {
                record
                    .broken
                    .push(format!("reservation {id} was granted twice, first to {}", before.customer));
            }
        }
        let mut audits = Vec::new();
        for record in &records {
            self.lab.progress.step(format!("audit of {}", record.event));
            audits.push(self.lab.audit(&record.event, Some(record)).await?);
        }
        self.lab.forget(&self.events).await?;
        Ok(audits)
    }
}

/// A grant, and what was done with it.
pub(crate) struct Told {
    /// The grant.
    pub(crate) won: Won,
    /// The payment that Confirm named, and what became of it.
    pub(crate) confirm: Option<(String, Call)>,
}

impl Told {
    /// A grant with which nothing was done.
    pub(crate) fn held(won: Won) -> Self {
        Self { won, confirm: None }
    }

    fn into_grant(self, lab: &Lab, ttl_ms: i64) -> (String, Grant) {
        let (id, mut grant) = self.won.into_grant(&lab.customers, ttl_ms);
        if let Some((payment, call)) = self.confirm {
            grant.payment_reference = Some(payment);
            grant.confirm = call;
        }
        (id, grant)
    }
}
