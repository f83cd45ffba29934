use std::pin::pin;

use bb8_postgres::tokio_postgres::{Client, NoTls, Row};
use refinery::Migration;
use tokio::select;

use super::{
    Error, Options,
    pool::{self, Access},
    rows, sql,
};

mod embedded {
    #![allow(missing_docs, unreachable_pub)]
    refinery::embed_migrations!("../migrations");
}

/// What a migration came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that were lacking.
    pub applied: Vec<String>,
    /// Whether the outbox was switched.
    pub outbox_switched: bool,
}

/// Applies the migrations that the database lacks; then gives `service_role` what the service needs, and no more; then
/// switches the outbox, where it is told to. Several processes may call it at once: the second waits for the first.
pub async fn migrate(url: &str, service_role: Option<&str>, outbox: Option<bool>) -> Result<Migrated, Error> {
    // Its lock is the session's.
    if pool::lends(&Options::new(url), url, Access::Write).await? {
        return Err(Error::Pooler("`migrate` needs a URL that leads to PostgreSQL itself"));
    }
    let (mut client, connection) = pool::config(url)?.connect(NoTls).await?;
    let mut connection = pin!(connection);
    let mut work = pin!(apply(&mut client, service_role, outbox));
    // The connection is driven here; it ends, and with it the lock, when this function does.
    select! {
        result = &mut work => result,
        ended = &mut connection => match ended {
            Ok(()) => Err(Error::Unavailable("the server closed the connection".into())),
            Err(error) => Err(error.into()),
        },
    }
}

async fn apply(
    client: &mut Client,
    service_role: Option<&str>,
    outbox: Option<bool>,
) -> Result<Migrated, Error> {
    client.batch_execute(sql::MIGRATE_LOCK).await?;
    // A database that is newer than this program is fine: so a rollback, and a pod of before that starts during a rollout, go on.
    let report = embedded::migrations::runner()
        .set_abort_missing(false)
        .run_async(client)
        .await
        .map_err(|error| Error::Query(format!("migration: {error}")))?;
    if let Some(role) = service_role {
        client.execute(sql::GRANT, &[&role]).await?;
    }
    let mut outbox_switched = false;
    if let Some(on) = outbox {
        let answer = client.query_one(sql::SWITCH_OUTBOX, &[&on]).await?;
        outbox_switched = rows::get(&answer, "vault_outbox")?;
    }
    let applied = report.applied_migrations().iter().map(ToString::to_string).collect();
    Ok(Migrated { applied, outbox_switched })
}

/// Whether the database is at least as new as this program, by the answer to [`sql::SCHEMA_VERSION`].
pub(super) fn check(answer: &[Row]) -> Result<(), Error> {
    let wanted = embedded::migrations::runner().get_migrations().iter().map(Migration::version).max();
    let present = match answer.first() {
        Some(row) => rows::get::<Option<i32>>(row, "max")?,
        None => None,
    };
    if present.map(i64::from) >= wanted.map(i64::from) {
        return Ok(());
    }
    Err(Error::NotMigrated(format!(
        "it is at version {}, this program needs {}",
        present.unwrap_or(0),
        wanted.unwrap_or(0)
    )))
}
