//! One connection to one Redis, and which Redis that is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bb8_redis::redis::{self, aio::MultiplexedConnection, cmd};

use super::{
    Error,
    script::{Call, Reply},
};

/// A connection, and which Redis it leads to. Cheap to clone: all clones share it.
#[derive(Clone)]
pub(super) struct Connection {
    redis: MultiplexedConnection,
    /// Of when the connection was made; it changes when Redis restarts or fails over.
    incarnation: Arc<str>,
    /// Set on the first error after which nothing more is to be expected from it.
    broken: Arc<AtomicBool>,
    /// Set when another node has taken its node's place.
    left: Left,
}

/// Whether another node has taken a node's place: shared by all connections to it.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<AtomicBool>);

impl Left {
    /// From now on nobody should ask the node.
    pub(super) fn leave(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a Redis has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It has all keys.
    Alone,
    /// It has the keys of its slots.
    InCluster,
}

/// What a Redis says of how it is set up, where that could cost holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Care {
    /// It writes down what it does.
    pub(super) aof: bool,
    /// It stops writing when its replicas are gone.
    pub(super) minds_replicas: bool,
}

impl Connection {
    /// Learns which Redis this is, and refuses one that would drop keys.
    pub(super) async fn open(
        mut redis: MultiplexedConnection,
        mode: Mode,
        left: Left,
    ) -> Result<(Self, Care), Error> {
        let info: String = cmd("INFO").query_async(&mut redis).await?;
        let version = field(&info, "redis_version:").unwrap_or("unknown");
        if version.split('.').next().and_then(|major| major.parse().ok()).is_none_or(|major: u32| major < 7) {
            return Err(Error::Misconfigured(format!(
                "this is version {version}; the scripts need 7 or newer"
            )));
        }
        check_mode(&info, mode)?;
        let incarnation = incarnation(&info)?.into();
        let care = Care {
            aof: field(&info, "aof_enabled:") != Some("0"),
            minds_replicas: field(&info, "min_slaves_good_slaves:").is_some(),
        };
        match field(&info, "maxmemory_policy:") {
            Some("noeviction") => Ok((Self { redis, incarnation, broken: Arc::default(), left }, care)),
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

    pub(super) fn incarnation(&self) -> &Arc<str> {
        &self.incarnation
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.left.is_left()
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

/// The URL says how Redis is run, and Redis has to agree: a node of a cluster has only some of the keys.
fn check_mode(info: &str, mode: Mode) -> Result<(), Error> {
    let problem = match (field(info, "redis_mode:"), mode) {
        (Some("cluster"), Mode::Alone) => {
            "this is a node of a cluster; the URL has to begin with redis-cluster://"
        }
        (Some("standalone"), Mode::InCluster) => {
            "this is no node of a cluster; the URL has to begin with redis://"
        }
        (Some("sentinel"), _) => "this is a Sentinel; the URL has to begin with redis-sentinel://",
        _ => return Ok(()),
    };
    Err(Error::Misconfigured(problem.into()))
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

pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_has_to_be_run_as_its_url_says() {
        let check = |of: &str, mode| check_mode(&format!("x:1\r\nredis_mode:{of}\r\n"), mode);
        assert_eq!(check("standalone", Mode::Alone), Ok(()));
        assert_eq!(check("cluster", Mode::InCluster), Ok(()));
        for (of, mode, scheme) in [
            ("cluster", Mode::Alone, "redis-cluster://"),
            ("standalone", Mode::InCluster, "redis://"),
            ("sentinel", Mode::Alone, "redis-sentinel://"),
        ] {
            let Err(Error::Misconfigured(why)) = check(of, mode) else { panic!("{of} is fine") };
            assert!(why.ends_with(scheme), "{why}");
        }
    }

    #[test]
    fn only_a_primary_has_an_incarnation() {
        let info = |role: &str| format!("role:{role}\r\nrun_id:a\r\nmaster_replid2:b\r\n");
        assert_eq!(incarnation(&info("master")), Ok("a/b".into()));
        assert!(matches!(incarnation(&info("slave")), Err(Error::Unavailable(_))));
    }
}
