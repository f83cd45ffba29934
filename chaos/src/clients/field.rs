//! What is besieged: an event in a copy of the vault that no service looks after.

use std::sync::{Arc, atomic::AtomicU64};

use testkit::{STORE_LIMIT, postgres::reach, wait_until, witness::Witness};

use crate::{
    history::{Act, Siege},
    system::{rest, vault::Vault},
};

/// Enough for a round: no seat comes back.
pub(crate) const SEATS: u32 = 5_000;
const DATABASE: &str = "siege";
const EVENT: &str = "INSERT INTO events (event_id, name, venue_name, currency, price_categories, seat_count,
    hold_ttl_ms, hold_max_ms, hold_ttl_ms_longest, seats_per_customer, epoch)
    VALUES ($1, 'Siege', 'Siege', 'EUR', '[]', $2, 2000, 2000, 2000, 1, 1)";
const FILL: &str =
    "INSERT INTO seats (event_id, seat_id, section_name, row_label, label, price_category, x_cm, y_cm,
    accessible) SELECT $1, n, 'A', '1', n::text, 0, 0, 0, false FROM generate_series(0, $2 - 1) AS n";

/// What the sessions share: the event, its epoch as far as anybody knows, and how many acts there were.
pub(crate) struct Field {
    pub(super) event: String,
    vault: Arc<Vault>,
    pub(super) epoch: AtomicU64,
    pub(super) acts: AtomicU64,
}

impl Field {
    /// Makes an event in the copy.
    pub(crate) async fn begin(vault: &Arc<Vault>, event: &str) -> Arc<Self> {
        let copy = reach(&url_of(vault, DATABASE)).await;
        let seats = SEATS as i32;
        copy.execute(EVENT, &[&event, &seats]).await.unwrap();
        copy.execute(FILL, &[&event, &seats]).await.unwrap();
        let (epoch, acts) = (AtomicU64::new(1), AtomicU64::new(0));
        Arc::new(Self { event: event.into(), vault: Arc::clone(vault), epoch, acts })
    }

    /// Where the copy is now.
    pub(super) fn database_url(&self) -> String {
        url_of(&self.vault, DATABASE)
    }

    /// What was done, and what the vault has of it.
    pub(crate) async fn end(&self, acts: Vec<Act>) -> Siege {
        let witness = Witness { redis_url: String::new(), database_url: self.database_url() };
        Siege {
            acts,
            booked_seats: rest::booked_seats(&witness, &self.event).await,
            decisions: rest::decisions(&witness, &self.event).await,
        }
    }
}

/// Copies the migrated database, with what a mutant changed in it. No service is connected to it yet.
pub(crate) async fn make_database(vault: &Vault) {
    let create = format!("CREATE DATABASE {DATABASE} TEMPLATE ticketengine");
    let admin = reach(&url_of(vault, "postgres")).await;
    // Whoever was connected to the template a moment ago may not be gone yet.
    wait_until("the template is copied", STORE_LIMIT, async || admin.batch_execute(&create).await.is_ok())
        .await;
}

fn url_of(vault: &Vault, database: &str) -> String {
    let url = vault.admin_url();
    let (server, _) = url.rsplit_once('/').expect("a database's URL ends with its name");
    format!("{server}/{database}")
}
