//! What the scenarios share: the system that is measured, customers, and events that are audited after use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use redis::{ConnectionAddr, ConnectionInfo};
use tokio_postgres::{Config, NoTls};

use super::{
    house::{self, House},
    outcome::Audited,
    progress::Progress,
    reserver::Customer,
};
use crate::{
    audit,
    cli::{Bench, Server, Stores},
    client::{Connections, Minter, Token},
    error::Error,
    ledger::Record,
    nodes::Nodes,
    process::{Process, Processes},
};

/// Connections to each server: one of HTTP/2 has a lock of its own, and eight keep two cores busy.
pub(crate) const CONNECTIONS: u16 = 8;
/// Customers whose calls are made in turn by chance.
const CUSTOMERS: usize = 5_000;

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
    /// The bench's own way to Redis.
    pub(crate) nodes: Nodes,
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
        let nodes = Nodes::new(&options.stores)?;
        nodes.any().await?;
        Ok(Self {
            options: options.clone(),
            a: Target::connect(&options.target).await?,
            b,
            admin: minter.mint_admin(&format!("{run}-admin"))?,
            customers: customers.into(),
            nodes,
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
        house::demolish(&self.stores().database_url, &self.nodes, events).await
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
        let info: String = self.nodes.any().await?.ask(redis::cmd("INFO").arg("server")).await?;
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

    /// The processes of a store, where they run on this machine: of all its servers.
    pub(crate) fn processes_of(&self, server: Server) -> Processes {
        let others = self.options.servers.iter().filter(|(other, _)| *other == server).map(|(_, port)| *port);
        let processes = self.ports_of(server).into_iter().chain(others).filter_map(Process::listening_on);
        match server {
            // A backend each connection.
            Server::Postgres => processes.map(Process::with_children).collect(),
            Server::Redis | Server::Pgbouncer => processes.collect(),
        }
    }

    /// The ports of the servers that the address of a store names.
    fn ports_of(&self, server: Server) -> Vec<u16> {
        match server {
            Server::Redis => self.nodes.named().iter().filter_map(port_here).collect(),
            Server::Postgres => {
                let config = self.stores().database_url.parse::<Config>().ok();
                config.and_then(|config| config.get_ports().first().copied()).into_iter().collect()
            }
            Server::Pgbouncer => Vec::new(),
        }
    }
}

/// The port of a Redis on this machine.
fn port_here(info: &ConnectionInfo) -> Option<u16> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => is_here(host).then_some(*port),
        _ => None,
    }
}

fn is_here(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1" | "[::1]")
}

/// The port of an address on this machine.
fn port_of(url: &str) -> Option<u16> {
    let place = url.split_once("://")?.1.split('/').next()?;
    let (host, port) = place.rsplit_once(':')?;
    is_here(host).then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    #[test]
    fn only_ports_of_this_machine_are_looked_for() {
        assert_eq!(port_of("http://127.0.0.1:50051"), Some(50_051));
        assert_eq!(port_of("http://example.org:80/"), None);
        assert_eq!(port_of("127.0.0.1:80"), None);
        let of_redis = |url: &str| port_here(&url.into_connection_info().unwrap());
        assert_eq!(of_redis("redis://:a%40b@127.0.0.1:6379/0"), Some(6_379));
        assert_eq!(of_redis("redis://[::1]:6380/"), Some(6_380));
        assert_eq!(of_redis("redis://example.org:6379/"), None);
    }
}
