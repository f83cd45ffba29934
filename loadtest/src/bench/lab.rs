//! What the scenarios share: the system that is measured, customers, and events that are audited after use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::aio::MultiplexedConnection;
use tokio_postgres::{Config, NoTls};

use super::{
    house::{self, House},
    outcome::Audited,
    progress::Progress,
    reserver::Customer,
};
use crate::{
    audit,
    cli::{Bench, Stores},
    client::{Connections, Minter, Token},
    error::Error,
    ledger::Record,
    process::Process,
};

/// Connections to each server: one of HTTP/2 has a lock of its own, and eight keep two cores busy.
pub(crate) const CONNECTIONS: u16 = 8;
/// Customers whose calls are made in turn by chance.
const CUSTOMERS: usize = 5_000;
/// How long Redis may take to answer what the bench itself asks.
const REDIS_WAIT: Duration = Duration::from_secs(10);

/// One booking-svc.
pub(crate) struct Target {
    /// [`CONNECTIONS`] to it.
    pub(crate) connections: Connections,
    /// Its process, where it runs on this machine.
    pub(crate) process: Option<Process>,
}

impl Target {
    async fn connect(url: &str) -> Result<Self, Error> {
        let connections = Connections::open(&[url.to_owned()], CONNECTIONS).await?;
        let process = port_of(url).and_then(Process::listening_on);
        Ok(Self { connections, process })
    }
}

/// See the file.
pub(crate) struct Lab {
    /// As they were given.
    pub(crate) options: Bench,
    /// The service on its default settings.
    pub(crate) a: Target,
    /// The same with level 0 off, where there is one.
    pub(crate) b: Option<Target>,
    /// An organiser.
    pub(crate) admin: Token,
    /// Who buys.
    pub(crate) customers: Arc<[Customer]>,
    /// A connection of the bench itself to Redis.
    pub(crate) redis: MultiplexedConnection,
    /// For those who look.
    pub(crate) progress: Arc<Progress>,
    /// Begins the names of this run's events and customers.
    run: String,
    events: AtomicU64,
}

impl Lab {
    /// Connects to everything.
    pub(crate) async fn open(options: &Bench, progress: Arc<Progress>) -> Result<Self, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = format!("bench-{:x}", now.as_millis());
        let minter = Minter::new(&options.tokens);
        let customer = |number| {
            let name = format!("{run}-{number}");
            Ok(Customer { token: minter.mint(&name)?, name })
        };
        let customers = (0..CUSTOMERS).map(customer).collect::<Result<Vec<_>, Error>>()?;
        let b = match &options.target_b {
            Some(url) => Some(Target::connect(url).await?),
            None => None,
        };
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(REDIS_WAIT));
        let redis = redis::Client::open(options.stores.redis_url.as_str())?;
        Ok(Self {
            options: options.clone(),
            a: Target::connect(&options.target).await?,
            b,
            admin: minter.mint_admin(&format!("{run}-admin"))?,
            customers: customers.into(),
            redis: redis.get_multiplexed_async_connection_with_config(&config).await?,
            progress,
            run,
            events: AtomicU64::new(0),
        })
    }

    /// One of two: for a measurement, or for a quick look.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.options.quick { quick } else { full }
    }

    /// Creates so many events of a kind, with open sales.
    pub(crate) async fn create(&self, house: House, count: usize) -> Result<Vec<String>, Error> {
        let id = |_| format!("{}-{}", self.run, self.events.fetch_add(1, Ordering::Relaxed));
        let ids: Vec<_> = (0..count).map(id).collect();
        house::build(&self.a.connections.channel(0), &self.admin, house, &ids).await?;
        Ok(ids)
    }

    /// Audits an event, straight from the stores.
    pub(crate) async fn audit(&self, event: &str, record: Option<&Record>) -> Result<Audited, Error> {
        let checks = audit::run(self.stores(), event, record).await?;
        let broken = checks.iter().filter(|check| !check.is_kept());
        let told = |check: &audit::Check| format!("{}: {}", check.promise, check.offenders.len());
        Ok(Audited { event: event.to_owned(), promises: checks.len(), broken: broken.map(told).collect() })
    }

    /// An empty record of what our customers are told about an event.
    pub(crate) fn record(&self, event: &str) -> Record {
        Record { event: event.to_owned(), customer_prefix: self.run.clone(), ..Record::default() }
    }

    /// Takes events away that nobody needs any more.
    pub(crate) async fn forget(&self, events: &[String]) -> Result<(), Error> {
        house::demolish(self.stores(), &self.redis, events).await
    }

    /// The stores of the system.
    pub(crate) fn stores(&self) -> &Stores {
        &self.options.stores
    }

    /// The versions of Redis and PostgreSQL.
    ///
    /// # Errors
    /// One of them does not answer.
    pub(crate) async fn store_versions(&self) -> Result<[String; 2], Error> {
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.redis.clone()).await?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let (client, connection) = tokio_postgres::connect(&self.stores().database_url, NoTls).await?;
        let ask = async {
            let row = client.query_one("SHOW server_version", &[]).await;
            drop(client);
            row?.try_get(0)
        };
        let (postgres, connection) = tokio::join!(ask, connection);
        connection?;
        Ok([version.unwrap_or("unknown").trim().to_owned(), postgres?])
    }

    /// The processes of the two stores, where they run on this machine.
    pub(crate) fn store_processes(&self) -> [Option<Process>; 2] {
        let redis = port_of(&self.stores().redis_url);
        let postgres = self.stores().database_url.parse::<Config>().ok();
        let postgres = postgres.and_then(|config| config.get_ports().first().copied());
        let [redis, postgres] = [redis, postgres].map(|port| port.and_then(Process::listening_on));
        // A backend each connection.
        [redis, postgres.map(Process::with_children)]
    }
}

/// The port of an address on this machine.
fn port_of(url: &str) -> Option<u16> {
    let place = url.split_once("://")?.1.split('/').next()?;
    let place = place.rsplit('@').next()?;
    let (host, port) = place.rsplit_once(':')?;
    matches!(host, "127.0.0.1" | "localhost" | "[::1]").then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_of_this_machine_are_looked_for() {
        assert_eq!(port_of("http://127.0.0.1:50051"), Some(50_051));
        assert_eq!(port_of("redis://:a@b@127.0.0.1:6379/0"), Some(6_379));
        assert_eq!(port_of("http://example.org:80/"), None);
        assert_eq!(port_of("127.0.0.1:80"), None);
    }
}
