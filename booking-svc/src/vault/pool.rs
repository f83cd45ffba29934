use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bb8_postgres::{
    PostgresConnectionManager,
    bb8::{self, ErrorSink, ManageConnection, PooledConnection, RunError},
    tokio_postgres::{
        Config, NoTls, Row,
        config::{Host, TargetSessionAttrs},
    },
};
use opentelemetry::metrics::Meter;
use telemetry::stores::PoolWaits;
use tokio::time::timeout;

use super::{Error, Options, Pooler, connection::Connection, rows, sql, timeline::Latest};

/// Connecting, logging in and the checks of a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Hosts that a URL may name.
const HOSTS_MAX: usize = 8;
/// After this a connection whose peer has vanished is closed by the kernel.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// One line a second is enough to say that a server is down.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Connections that are shared. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    pool: bb8::Pool<Manager>,
    waits: PoolWaits,
}

/// What connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything, on the one server that takes writes.
    Write,
    /// Reads alone, on any server.
    Read,
}

/// Opens connections that are set up, and safe to trust with a booking.
pub(super) struct Manager {
    /// One for each host that the URL names; at most one of them takes writes.
    servers: Vec<PostgresConnectionManager<NoTls>>,
    /// The place of the one that was good last: it is asked first.
    last: AtomicUsize,
    /// Which of several primaries may be asked, where there may be several.
    latest: Option<Latest>,
    access: Access,
    pooler: Pooler,
    /// The server gives up a statement after this.
    limit_ms: u128,
    allow_unsafe_durability: bool,
}

impl Manager {
    /// For statements that the client gives up after `patience`.
    pub(super) fn new(
        options: &Options,
        url: &str,
        access: Access,
        patience: Duration,
    ) -> Result<Self, Error> {
        let mut config = config(url)?;
        config.application_name("booking-svc");
        if access == Access::Read {
            config.target_session_attrs(TargetSessionAttrs::Any);
        }
        let servers = each_host(&config)?.into_iter().map(|host| PostgresConnectionManager::new(host, NoTls));
        let servers: Vec<_> = servers.collect();
        // A pooler's connection tells nothing of the server that is asked next.
        let may_be_old = servers.len() > 1 && access == Access::Write && options.pooler == Pooler::None;
        // The server gives up first: its locks are gone when the client asks again. What it can not bound (a COMMIT, a
        // stopped server) the client does.
        let limit_ms = (patience * 4 / 5).as_millis().max(1);
        Ok(Self {
            servers,
            last: AtomicUsize::new(0),
            latest: may_be_old.then(|| options.latest.clone()),
            access,
            pooler: options.pooler,
            limit_ms,
            // Who only reads acknowledges nothing.
            allow_unsafe_durability: options.allow_unsafe_durability || access == Access::Read,
        })
    }

    /// How many hosts there are.
    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    /// A connection to this host, whatever the others are.
    pub(super) async fn open_at(&self, host: usize) -> Result<Connection, Error> {
        self.open(&self.servers[host]).await
    }

    /// A pool of `size` connections, all open.
    pub(super) async fn pool(self, size: u32, wait: Duration) -> Result<bb8::Pool<Self>, Error> {
        builder(size, wait).min_idle(size).build(self).await
    }

    /// The same, but connections are opened when they are needed: there may be nobody yet.
    pub(super) fn later(self, size: u32, wait: Duration) -> bb8::Pool<Self> {
        builder(size, wait).build_unchecked(self)
    }

    async fn open(&self, server: &PostgresConnectionManager<NoTls>) -> Result<Connection, Error> {
        let client = server.connect().await?;
        let mut connection = Connection::new(client, self.pooler, self.access, self.limit_ms).await?;
        if let Some(latest) = &self.latest {
            latest.see(connection.read_timeline().await?)?;
        }
        if self.allow_unsafe_durability {
            return Ok(connection);
        }
        match connection.unsafe_settings().await? {
            found if found.is_empty() => Ok(connection),
            found => Err(Error::UnsafeDurability(found)),
        }
    }
}

fn builder(size: u32, wait: Duration) -> bb8::Builder<Manager> {
    let pool = bb8::Pool::builder().max_size(size).connection_timeout(wait);
    pool.test_on_check_out(true).error_sink(Box::new(Log::default()))
}

impl Pool {
    /// With its waits in metrics, under this name.
    pub(super) fn new(pool: bb8::Pool<Manager>, size: u32, meter: &Meter, name: &'static str) -> Self {
        Self { waits: PoolWaits::new(meter, name, size, &pool), pool }
    }

    /// A connection, if one is free in time.
    pub(super) async fn get(&self) -> Result<PooledConnection<'_, Manager>, RunError<Error>> {
        self.waits.time(self.pool.get()).await
    }
}

/// Whether it is a pooler that answers, and it lends its sessions by the transaction: then two connections get the same one.
/// A pooler that is busy may lend two others, and is not found out.
pub(super) async fn lends(options: &Options, url: &str, access: Access) -> Result<bool, Error> {
    // As for a pooler: nothing must stay in what may be others' session.
    let options = Options { pooler: Pooler::Transaction, allow_unsafe_durability: true, ..options.clone() };
    let manager = Manager::new(&options, url, access, options.query_timeout)?;
    let (mut one, mut other) = (manager.connect().await?, manager.connect().await?);
    let (one, other) = (one.query(&sql::BACKEND, &[]).await?, other.query(&sql::BACKEND, &[]).await?);
    let pid = |rows: &[Row]| rows.first().map(|row| rows::get::<i32>(row, "pid")).transpose();
    Ok(pid(&one)? == pid(&other)?)
}

/// Reads a URL, and adds what a connection needs to notice that its server is gone or only a standby.
pub(super) fn config(url: &str) -> Result<Config, Error> {
    let mut config: Config = url.parse().map_err(|error| Error::Url(format!("{error}")))?;
    patient(&mut config);
    Ok(config)
}

fn patient(config: &mut Config) {
    config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_TIMEOUT).keepalives_idle(TCP_TIMEOUT);
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
}

/// The same for each of its hosts alone: who asks them in turn can bound the time of each, its answer included.
fn each_host(config: &Config) -> Result<Vec<Config>, Error> {
    let (names, addresses) = (config.get_hosts(), config.get_hostaddrs());
    match names.len().max(addresses.len()) {
        0 => Err(Error::Url("it names no host".into())),
        count @ 1..=HOSTS_MAX => {
            Ok((0..count).map(|at| alone(config, names.get(at), addresses.get(at).copied(), at)).collect())
        }
        _ => Err(Error::Url(format!("it names more than {HOSTS_MAX} hosts"))),
    }
}

fn alone(config: &Config, name: Option<&Host>, address: Option<IpAddr>, at: usize) -> Config {
    let mut alone = Config::new();
    name.map(|name| match name {
        Host::Tcp(name) => alone.host(name),
        Host::Unix(path) => alone.host_path(path),
    });
    address.map(|address| alone.hostaddr(address));
    // One port is that of all hosts.
    let ports = config.get_ports();
    ports.get(at).or_else(|| ports.first()).map(|port| alone.port(*port));
    config.get_user().map(|user| alone.user(user));
    config.get_password().map(|password| alone.password(password));
    config.get_dbname().map(|name| alone.dbname(name));
    config.get_options().map(|options| alone.options(options));
    config.get_application_name().map(|name| alone.application_name(name));
    alone.ssl_mode(config.get_ssl_mode()).channel_binding(config.get_channel_binding());
    patient(&mut alone);
    alone.target_session_attrs(config.get_target_session_attrs());
    alone
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    /// To a host that will do: for writes there is one. One that hangs or is gone costs its time, and then the next is asked.
    async fn connect(&self) -> Result<Connection, Error> {
        let first = self.last.load(Ordering::Relaxed);
        let mut last = Error::Unavailable("the URL names no host".into());
        for turn in 0..self.servers.len() {
            let at = (first + turn) % self.servers.len();
            last = match timeout(CONNECT_TIMEOUT, self.open(&self.servers[at])).await {
                Ok(Ok(connection)) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(error)) if error.is_permanent() => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => Error::Unavailable(format!("no connection within {CONNECT_TIMEOUT:?}")),
            };
        }
        Err(last)
    }

    /// Costs no round trip: a connection that the server has closed while it was idle is known to be closed.
    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        match self.has_broken(connection) {
            false => Ok(()),
            true => Err(Error::Unavailable(
                "an idle connection was closed, or its server is a primary of before".into(),
            )),
        }
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        let of_before = |timeline| self.latest.as_ref().is_some_and(|latest| !latest.is(timeline));
        connection.is_broken() || connection.timeline().is_some_and(of_before)
    }
}

/// Logs what goes wrong with connections that nobody is waiting for.
#[derive(Clone, Debug, Default)]
struct Log {
    last: Arc<Mutex<Option<Instant>>>,
}

impl ErrorSink<Error> for Log {
    fn sink(&self, error: Error) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
            *last = Some(Instant::now());
            tracing::warn!(%error, "vault connection");
        }
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<Error>> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_port_and_what_all_have() {
        let hosts = |url: &str| {
            let found = each_host(&config(url).unwrap());
            found.map(|found| {
                found.iter().map(|one| (one.get_hosts().len(), one.get_ports().to_vec())).collect::<Vec<_>>()
            })
        };
        assert_eq!(hosts("postgres://a:1,b:2/te").unwrap(), [(1, vec![1]), (1, vec![2])]);
        assert_eq!(hosts("host=a,b port=7 dbname=te").unwrap(), [(1, vec![7]), (1, vec![7])]);
        assert_eq!(hosts("hostaddr=127.0.0.1 port=7 user=te").unwrap(), [(0, vec![7])]);
        assert!(hosts("postgres:///te").is_err() && hosts(&format!("host={}", ["a"; 9].join(","))).is_err());
        let all = config("postgres://ann:secret@a,b/te?options=-cx%3D1&channel_binding=require").unwrap();
        for one in each_host(&all).unwrap() {
            assert_eq!((one.get_user(), one.get_password()), (Some("ann"), Some(&b"secret"[..])));
            assert_eq!((one.get_dbname(), one.get_options()), (Some("te"), Some("-cx=1")));
            assert_eq!(one.get_channel_binding(), all.get_channel_binding());
            assert_eq!(one.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
    }
}
