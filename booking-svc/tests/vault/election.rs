//! The lead of those who tell of seats: one at a time, and none is lost with who had it.

use std::time::Duration;

use booking_svc::vault::{Election, Error};
use testkit::{STORE_LIMIT, database::OWNER, wait_until};
use tokio::time::sleep;

use crate::support::{Db, with_db};

const PATIENCE: Duration = Duration::from_secs(10);

impl Db {
    fn election(&self) -> Election {
        Election::new(&self.options()).unwrap()
    }
}

#[test]
fn one_has_the_lead_until_it_is_dropped() {
    with_db(async |db| {
        db.vault_with_event().await;
        let (mut one, mut other) = (db.election(), db.election());
        let lead = one.stand(PATIENCE).await.unwrap().unwrap();
        for _ in 0..2 {
            assert!(other.stand(PATIENCE).await.unwrap().is_none());
            lead.keep().await.unwrap();
        }
        // What it holds is in nobody's way.
        let owner = db.raw_as(OWNER).await;
        owner.batch_execute("SET lock_timeout = '1s'; ALTER TABLE events ADD further int").await.unwrap();
        drop(lead);
        wait_until("the lead is free", STORE_LIMIT, async || other.stand(PATIENCE).await.unwrap().is_some())
            .await;
    });
}

#[test]
fn a_lead_that_falls_asleep_is_lost_and_one_that_is_kept_is_not() {
    with_db(async |db| {
        db.vault_with_event().await;
        let (mut one, mut other) = (db.election(), db.election());
        let patience = Duration::from_millis(1_500);
        let lead = one.stand(patience).await.unwrap().unwrap();
        for _ in 0..4 {
            sleep(patience / 2).await;
            lead.keep().await.unwrap();
        }
        wait_until("another has it", STORE_LIMIT, async || other.stand(PATIENCE).await.unwrap().is_some())
            .await;
        let lost = lead.keep().await;
        assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
    });
}
