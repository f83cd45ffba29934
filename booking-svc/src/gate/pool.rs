use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bb8_redis::{
    RedisConnectionManager,
    bb8::{self, ErrorSink, ManageConnection},
    redis::{
        self, AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, aio::MultiplexedConnection,
        cmd, io::tcp::TcpSettings,
    },
};

use opentelemetry::metrics::Meter;
use telemetry::stores::PoolWaits;
use tokio::time::{Instant, sleep};

use super::{
    Error, Options,
    script::{Call, Reply},
};

/// How long a start waits for Redis.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts of it.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Connections that are shared: each call borrows one, and its command is pipelined with those of others.
#[derive(Clone)]
pub(super) struct Pool {
    waits: PoolWaits,
    pool: bb8::Pool<Manager>,
    client: Client,
}

/// One connection to Redis, and which Redis it is.
#[derive(Clone)]
pub(super) struct Connection {
    redis: MultiplexedConnection,
    /// Of when the connection was made; it changes when Redis restarts or fails over.
    incarnation: Arc<str>,
    /// Set on the first error after which nothing more is to be expected from it.
    broken: Arc<AtomicBool>,
}

impl Pool {
    pub(super) async fn connect(options: &Options, meter: &Meter) -> Result<Self, Error> {
        let info = connection_info(&options.url)?;
        let manager = Manager {
            redis: RedisConnectionManager::new(info.clone())
                .map_err(|e| Error::Misconfigured(e.to_string()))?,
        };
        let client = Client::open(info).map_err(|e| Error::Misconfigured(e.to_string()))?;
        first(&client).await?.warn_without_aof().await;
        let pool = bb8::Pool::builder()
            .max_size(options.connections)
            .min_idle(options.connections)
            .connection_timeout(options.pool_wait)
            .test_on_check_out(false)
            .error_sink(Box::new(LogErrors))
            .build(manager)
            .await?;
        Ok(Self { waits: PoolWaits::new(meter, "redis", options.connections, &pool), pool, client })
    }

    pub(super) fn size(&self) -> u32 {
        self.pool.state().connections.max(1)
    }

    /// A share of a working connection.
    pub(super) async fn get(&self) -> Result<Connection, Error> {
        loop {
            // Handing a broken one back makes the pool replace it; the pool's wait bounds the loop.
            let connection = self.waits.time(self.pool.get()).await?;
            if !connection.is_broken() {
                return Ok(connection.clone());
            }
        }
    }

    /// A connection of one's own, which waits so long for an answer.
    pub(super) async fn dedicated(&self, response_timeout: Duration) -> Result<Connection, Error> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(response_timeout));
        Connection::open(self.client.get_multiplexed_async_connection_with_config(&config).await?).await
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.get().await?.query::<()>(&cmd("PING")).await
    }
}

impl Connection {
    /// Learns which Redis this is, and refuses one that would drop keys.
    async fn open(mut redis: MultiplexedConnection) -> Result<Self, Error> {
        let info: String = cmd("INFO").query_async(&mut redis).await?;
        let version = field(&info, "redis_version:").unwrap_or("unknown");
        if version.split('.').next().and_then(|major| major.parse().ok()).is_none_or(|major: u32| major < 7) {
            return Err(Error::Misconfigured(format!(
                "this is version {version}; the scripts need 7 or newer"
            )));
        }
        let incarnation = incarnation(&info)?.into();
        match field(&info, "maxmemory_policy:") {
            Some("noeviction") => Ok(Self { redis, incarnation, broken: Arc::default() }),
            policy => Err(Error::Misconfigured(format!(
                "maxmemory-policy is {}, which can drop holds; set it to noeviction",
                policy.unwrap_or("unknown")
            ))),
        }
    }

    /// Whether the connection still leads to the Redis that it was made to: a demoted master keeps its connections.
    pub(super) async fn is_current(&self) -> Result<bool, Error> {
        let info: String = self.query(&cmd("INFO")).await?;
        Ok(incarnation(&info).is_ok_and(|now| now == *self.incarnation))
    }

    async fn warn_without_aof(&self) {
        let info: Result<String, _> = self.query(cmd("INFO").arg("persistence")).await;
        if info.is_ok_and(|info| info.contains("aof_enabled:0")) {
            tracing::warn!(
                "redis runs without AOF: a restart loses all holds until customers show their tokens"
            );
        }
    }

    pub(super) fn incarnation(&self) -> &str {
        &self.incarnation
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Has the pool replace the connection.
    pub(super) fn mark_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(super) async fn run(&self, call: Call) -> Result<Reply, Error> {
        let items = call.send(&mut self.redis.clone()).await;
        Reply::new(items.map_err(|error| self.noticed(error))?)
    }

    pub(super) async fn query<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Error> {
        command.query_async(&mut self.redis.clone()).await.map_err(|error| self.noticed(error))
    }

    pub(super) async fn pipeline<T: redis::FromRedisValue>(
        &self,
        pipe: &redis::Pipeline,
    ) -> Result<T, Error> {
        pipe.query_async(&mut self.redis.clone()).await.map_err(|error| self.noticed(error))
    }

    /// After a lost or silent connection, or a demoted master, the connection is of no more use.
    fn noticed(&self, error: redis::RedisError) -> Error {
        let readonly = error.code() == Some("READONLY");
        if readonly || error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() {
            self.mark_broken();
        }
        error.into()
    }
}

/// Names one life of one Redis's data: the process, and the replication id that it took over at its last promotion.
/// Not the current replication id, which also changes when a first replica is attached and nothing was lost.
fn incarnation(info: &str) -> Result<String, Error> {
    if field(info, "role:") != Some("master") {
        return Err(Error::Unavailable("connected to a replica; a master is needed".into()));
    }
    #[cfg(feature = "mutants")]
    if crate::mutants::Mutant::NoIncarnationCheck.is_out() {
        return Ok("any".into());
    }
    match (field(info, "run_id:"), field(info, "master_replid2:")) {
        (Some(run), Some(promoted)) => Ok(format!("{run}/{promoted}")),
        _ => Err(Error::Corrupt("INFO names no run_id and master_replid2".into())),
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The first connection, from a Redis that may be about to start.
async fn first(client: &Client) -> Result<Connection, Error> {
    let give_up = Instant::now() + CONNECT_PATIENCE;
    loop {
        let opened = async { Connection::open(client.get_multiplexed_async_connection().await?).await };
        match opened.await {
            Err(Error::Unavailable(error)) if Instant::now() < give_up => {
                tracing::info!(error, "waiting for redis");
            }
            opened => return opened,
        }
        sleep(CONNECT_AGAIN_AFTER).await;
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo, Error> {
    let info = url.into_connection_info().map_err(|e| Error::Misconfigured(format!("the Redis URL: {e}")))?;
    // Its library's name would be one more command to grant, and Redis 7.0 does not know that command.
    let redis = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)).set_redis_settings(redis))
}

/// Makes connections that know their Redis, and finds the broken ones.
struct Manager {
    redis: RedisConnectionManager,
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        Connection::open(self.redis.connect().await?).await
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        connection.query(&cmd("PING")).await
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}

#[derive(Clone, Debug)]
struct LogErrors;

impl ErrorSink<Error> for LogErrors {
    fn sink(&self, error: Error) {
        tracing::debug!(%error, "a connection to redis could not be made");
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<Error>> {
        Box::new(Self)
    }
}
