//! What a run was told: the system is held to it afterwards.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The record of a run, as it is kept in a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The event whose seats were sold.
    pub(crate) event: String,
    /// What the names of the run's customers begin with.
    pub(crate) customer_prefix: String,
    /// Each reservation that was granted to us, by its id.
    pub(crate) grants: BTreeMap<String, Grant>,
    /// Answers that broke a promise while the run went on.
    pub(crate) broken: Vec<String>,
}

/// A reservation that was granted to one of our customers, and what was done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Whose it is.
    pub(crate) customer: String,
    /// Its seats, ascending.
    pub(crate) seats: Vec<u32>,
    /// When it was granted, by the gate's clock.
    pub(crate) granted_ms: i64,
    /// The last deadline that we were told, by the gate's clock.
    pub(crate) deadline_ms: i64,
    /// The payment that Confirm named.
    pub(crate) payment_reference: Option<String>,
    /// What became of Confirm.
    pub(crate) confirm: Call,
    /// When Confirm was acknowledged, by our clock.
    pub(crate) confirmed_ms: Option<i64>,
    /// What became of Release.
    pub(crate) release: Call,
    /// What became of Cancel.
    pub(crate) cancel: Call,
}

/// What became of a call, repeats included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    /// It was never made.
    #[default]
    NotMade,
    /// It may have had its effect: it was sent, and no definite answer came.
    Unknown,
    /// It was acknowledged.
    Acked,
    /// It was refused for good.
    Refused,
}

/// The record of a run that is under way; shared by its customers.
pub(crate) struct Ledger {
    record: Mutex<Record>,
}

impl Ledger {
    /// A ledger without entries.
    pub(crate) fn new(event: &str, customer_prefix: &str) -> Self {
        let record = Record {
            event: event.to_owned(),
            customer_prefix: customer_prefix.to_owned(),
            ..Record::default()
        };
        Self { record: Mutex::new(record) }
    }

    /// Enters a grant. A second customer with the same reservation breaks a promise.
    pub(crate) fn granted(&self, id: &str, grant: Grant) {
        let mut record = self.lock();
        if let Some(first) = record.grants.get(id) {
            let what = format!("reservation {id} was granted to {} and {}", first.customer, grant.customer);
            record.broken.push(what);
            return;
        }
        record.grants.insert(id.to_owned(), grant);
    }

    /// Changes the entry of a grant. Called before a call is sent, too: who is cut off has still asked.
    pub(crate) fn note(&self, id: &str, change: impl FnOnce(&mut Grant)) {
        if let Some(grant) = self.lock().grants.get_mut(id) {
            change(grant);
        }
    }

    /// Enters an answer that broke a promise.
    pub(crate) fn broke(&self, what: String) {
        self.lock().broken.push(what);
    }

    /// The record so far.
    pub(crate) fn record(&self) -> Record {
        self.lock().clone()
    }

    // A panic of one customer must not hide what the others were told.
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Writes the record to a file.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| Error::AcksFormat { path: path.into(), source })?;
        fs::write(path, text).map_err(|source| Error::AcksFile { path: path.into(), source })
    }

    /// Reads a record that [`Self::save`] wrote.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(|source| Error::AcksFile { path: path.into(), source })?;
        serde_json::from_slice(&text).map_err(|source| Error::AcksFormat { path: path.into(), source })
    }
}
