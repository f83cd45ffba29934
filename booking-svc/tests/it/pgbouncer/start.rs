//! What is refused at the start, and what is noticed later.

use booking_svc::{
    tasks::Tasks,
    vault::{Error, Options, Pooler, Vault, migrate},
};
use opentelemetry::global;
use ticketengine::v1::SalesSettings;

use super::{EVENT, Stage};
use crate::support::{
    STORE_LIMIT,
    database::{OWNER, SERVICE, as_role},
    postgres::reach,
    wait_until,
};

#[tokio::test]
async fn a_pooler_that_nobody_has_named_is_refused() {
    let stage = Stage::new().await;
    let url = stage.pooler.url(&stage.server.url());
    let named = Options { pooler: Pooler::Transaction, ..Options::new(url.as_str()) };
    let tasks = Tasks::default();
    let refused = Vault::connect(Options::new(url.as_str()), &tasks, &global::meter("test")).await.err();
    assert!(matches!(refused, Some(Error::Pooler(_))), "{refused:?}");
    Vault::connect(named, &tasks, &global::meter("test")).await.unwrap();
    let refused = migrate(&url, None, None).await.err();
    assert!(matches!(refused, Some(Error::Pooler(_))), "{refused:?}");
    migrate(&as_role(&stage.server.url(), OWNER), Some(SERVICE), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durability_is_looked_at_in_each_session_and_no_neighbour_can_take_it_away() {
    let stage = Stage::with("default_pool_size = 1").await;
    let replica = stage.replica().await;
    replica.open_event(EVENT, 4, SalesSettings::default()).await;
    wait_until("it serves", STORE_LIMIT, async || replica.healthy().await).await;

    let neighbour = reach(&stage.pooler.url(&stage.server.url())).await;
    neighbour.batch_execute("SET synchronous_commit = off").await.unwrap();
    let left: String = neighbour.query_typed("SHOW synchronous_commit", &[]).await.unwrap()[0].get(0);
    assert_eq!(left, "off", "it stays in the one session that there is");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(replica.healthy().await, "our transactions do not have it");

    // What a session begins with is another matter: then it can not be trusted.
    let admin = stage.server.client().await;
    admin.batch_execute(&format!("ALTER ROLE {SERVICE} SET synchronous_commit = off")).await.unwrap();
    stage.pooler.lead_to(&stage.server.url(), "default_pool_size = 1").await;
    wait_until("it does not serve", STORE_LIMIT, async || !replica.healthy().await).await;
    admin.batch_execute(&format!("ALTER ROLE {SERVICE} RESET synchronous_commit")).await.unwrap();
    stage.pooler.lead_to(&stage.server.url(), "default_pool_size = 1").await;
    wait_until("it serves again", STORE_LIMIT, async || replica.healthy().await).await;
}
