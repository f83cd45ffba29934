//! Level 2, the vault: the only place that names PostgreSQL. It is the truth for events and bookings.
//!
//! A reservation is decided once, by the first row that says `booked` or `void`; everything here can be repeated
//! safely after [`Error::Unavailable`]. Every write of a seat carries the gate's epoch and is refused when the vault's
//! differs. Cancelling a future abandons its connection, never the decision that it asked for.

mod blocks;
mod bookings;
mod connection;
mod decide;
mod dedicated;
mod election;
mod error;
mod events;
mod lanes;
mod migrate;
mod options;
mod outbox;
mod pool;
mod recovery;
mod replica;
mod rows;
mod sql;
mod timeline;

pub use blocks::Blocked;
pub use election::{Election, Lead};
pub use error::Error;
pub use migrate::{Migrated, migrate};
pub use options::{Options, Pooler};
pub use outbox::{Look, Outbox, Turn};
pub use recovery::{Taken, Truth};
pub use timeline::Latest;

use std::time::Duration;

use bb8_postgres::{
    bb8::{self, ManageConnection},
    tokio_postgres::{IsolationLevel, Row},
};
use opentelemetry::metrics::Meter;
use telemetry::stores::Operations;
use tokio::time::{Instant, sleep, timeout};

use self::{
    connection::Params,
    lanes::Queue,
    pool::{Access, Manager, Pool},
    replica::Replica,
    sql::Statement,
};
use crate::tasks::Tasks;

/// How long [`Vault::connect`] goes on trying.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Loading an event of 100,000 seats takes a second or two; reading all its bookings takes less.
const BULK_TIMEOUT: Duration = Duration::from_secs(30);

/// The vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pool: Pool,
    replica: Option<Replica>,
    operations: Operations,
    decisions: Queue,
    query_timeout: Duration,
    allow_unsafe_durability: bool,
}

impl Vault {
    /// Connects, and starts the lanes that decide; they end with `daemons`, after what is queued.
    ///
    /// Tries for some seconds to reach the server. A server that may lose bookings, a database without its tables and
    /// a malformed URL are refused at once.
    pub async fn connect(options: Options, daemons: &Tasks, meter: &Meter) -> Result<Self, Error> {
        let give_up = Instant::now() + CONNECT_PATIENCE;
        let (asking, deciding) = loop {
            match open(&options).await {
                Ok(pools) => break pools,
                Err(error) if error.is_permanent() || Instant::now() > give_up => return Err(error),
                Err(error) => tracing::info!(%error, "waiting for the vault"),
            }
            sleep(CONNECT_AGAIN_AFTER).await;
        };
        // Metrics keep a pool for ever: none that a failed attempt has opened.
        let asking = Pool::new(asking, options.asking(), meter, "postgresql-ask");
        let deciding = Pool::new(deciding, options.deciding(), meter, "postgresql-decide");
        let operations = Operations::new(meter, "postgresql");
        watch_hosts(&options, daemons)?;
        let replica = Replica::open(&options, &asking, &operations, daemons, meter).await?;
        let lanes = lanes::Metrics::new(meter, operations.clone());
        let decisions = lanes::start(deciding, &options, daemons, lanes);
        Ok(Self {
            pool: asking,
            replica,
            operations,
            decisions,
            query_timeout: options.query_timeout,
            allow_unsafe_durability: options.allow_unsafe_durability,
        })
    }

    /// Whether the vault answers, and can be trusted: behind a pooler or after a reload it may be another than at the start.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut connection = self.pool.get().await?;
        let answer = in_time(self.query_timeout, connection.unsafe_settings());
        match self.operations.time("query", answer).await? {
            found if found.is_empty() || self.allow_unsafe_durability => Ok(()),
            found => {
                tracing::error!(%found, "PostgreSQL may lose bookings that it has acknowledged");
                Err(Error::UnsafeDurability(found))
            }
        }
    }

    /// Runs one statement as a transaction of its own.
    async fn query(&self, statement: &'static Statement, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let mut connection = self.pool.get().await?;
        let answer = in_time(self.query_timeout, connection.query(statement, params));
        self.operations.time("query", answer).await
    }

    /// Runs one statement of a list, which may be a few seconds old: on the replica, if there is one and it is good enough.
    /// One that goes on after a row has to find that row, and a replica that has no more may not even have it yet.
    async fn list(
        &self,
        statement: &'static Statement,
        params: &Params<'_>,
        goes_on: bool,
    ) -> Result<Vec<Row>, Error> {
        if let Some(replica) = &self.replica
            && let Some(rows) = replica.ask(replica::LIST_WAIT, statement, params).await
            && !(goes_on && rows.is_empty())
        {
            return Ok(rows);
        }
        self.query(statement, params).await
    }

    /// Runs one statement that may take longer: it answers with a row a seat, or writes, or waits for decisions.
    async fn bulk(&self, statement: &'static Statement, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let mut connection = self.pool.get().await?;
        let work = in_time(BULK_TIMEOUT, async {
            let transaction = connection.begin(IsolationLevel::ReadCommitted, BULK_TIMEOUT).await?;
            let rows = transaction.query(statement, params).await?;
            transaction.commit().await?;
            Ok(rows)
        });
        self.operations.time("bulk", work).await
    }
}

/// Where a failover is possible.
fn watch_hosts(options: &Options, daemons: &Tasks) -> Result<(), Error> {
    let hosts = Manager::new(options, &options.url, Access::Read, options.query_timeout)?;
    if hosts.count() > 1 && options.pooler == Pooler::None {
        daemons.spawn("vault timelines", options.latest.clone().watch(hosts, daemons.stopping()));
    }
    Ok(())
}

async fn open(options: &Options) -> Result<(bb8::Pool<Manager>, bb8::Pool<Manager>), Error> {
    if options.pooler == Pooler::None && pool::lends(options, &options.url, Access::Write).await? {
        return Err(Error::Pooler("set TE_DATABASE_POOLER=transaction"));
    }
    let manager = |patience| Manager::new(options, &options.url, Access::Write, patience);
    let asking = manager(options.query_timeout)?;
    let mut probe = asking.connect().await?;
    migrate::check(&probe.query(&sql::SCHEMA_VERSION, &[]).await?)?;
    warn_of_rights(&probe.query(&sql::MAY_DELETE, &[]).await?)?;
    drop(probe);
    let deciding = manager(options.decide_timeout)?;
    let asking = asking.pool(options.asking(), options.pool_wait).await?;
    Ok((asking, deciding.pool(options.deciding(), options.pool_wait).await?))
}

/// The owner of the tables, a superuser or a careless grant: it works, but a thief of the URL could do as much.
fn warn_of_rights(answer: &[Row]) -> Result<(), Error> {
    for row in answer {
        if rows::get(row, "may_delete")? {
            tracing::warn!(
                "the service's role may delete bookings in PostgreSQL: give it a role that owns nothing, by \
                 `booking-svc migrate --service-role`"
            );
        }
    }
    Ok(())
}

/// Gives up waiting after `patience`: what was asked may still happen.
async fn in_time<T>(patience: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(patience, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::Unavailable(format!("no answer within {patience:?}"))),
    }
}

/// The one row of a statement that answers with one or none.
fn first(rows: Vec<Row>) -> Option<Row> {
    rows.into_iter().next()
}
