//! Which server of Redis has an event. The servers are asked; how the service finds them is not looked at.

mod cluster;
mod redlock;
mod sentinel;
mod url;

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisError, aio::MultiplexedConnection,
};

use self::url::Kind;
use crate::{cli::Stores, error::Error};

/// How long a server may take to let us in.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a server may take to answer: a hundred thousand seats are some megabytes.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Why an event has no gate.
pub(crate) const UNKNOWN: &str = "nothing is known of the event; or TE_KEY_PREFIX is another";

/// The servers of Redis that keep the gates. Nothing is kept open: what is found is so at the moment of the question.
pub(crate) struct Nodes {
    kind: Kind,
    /// Those that the URL names: never none.
    named: Vec<ConnectionInfo>,
    prefix: String,
}

/// A server, with a connection to it.
#[derive(Clone)]
pub(crate) struct Node {
    info: ConnectionInfo,
    connection: MultiplexedConnection,
}

impl Nodes {
    /// As the URL has them. Nobody is asked yet.
    ///
    /// # Errors
    /// It does not say where Redis is.
    pub(crate) fn new(stores: &Stores) -> Result<Self, Error> {
        let (kind, named) = url::parse(&stores.redis_url)?;
        Ok(Self { kind, named, prefix: stores.key_prefix.clone() })
    }

    /// The server that has the event's gate.
    ///
    /// # Errors
    /// [`Error::GateCold`] where there is none now, or where it is changing; others where a server does not answer.
    pub(crate) async fn of(&self, event: &str) -> Result<Node, Error> {
        match &self.kind {
            Kind::One => Node::open(&self.named[0]).await,
            Kind::Sentinel { name, login } => sentinel::primary(&self.named, name, login).await,
            Kind::Cluster => cluster::owner(&self.named, event, &self.key(event, "meta")).await,
            Kind::Masters => {
                redlock::carrier(&self.named, event, [self.key(event, "vote"), self.key(event, "meta")]).await
            }
        }
    }

    /// All servers that may keep something of the event.
    ///
    /// # Errors
    /// One of them does not answer.
    pub(crate) async fn keepers(&self, event: &str) -> Result<Vec<Node>, Error> {
        match &self.kind {
            Kind::Masters => try_join_all(self.named.iter().map(Node::open)).await,
            _ => Ok(vec![self.of(event).await?]),
        }
    }

    /// Any of the servers.
    ///
    /// # Errors
    /// None of them answers.
    pub(crate) async fn any(&self) -> Result<Node, Error> {
        if let Kind::Sentinel { name, login } = &self.kind {
            return sentinel::primary(&self.named, name, login).await;
        }
        let (first, others) = (&self.named[0], &self.named[1..]);
        let mut answer = Node::open(first).await;
        for info in others {
            if answer.is_ok() {
                break;
            }
            answer = Node::open(info).await;
        }
        answer
    }

    /// The servers that the URL names; not the Sentinels.
    pub(crate) fn named(&self) -> &[ConnectionInfo] {
        if matches!(self.kind, Kind::Sentinel { .. }) { &[] } else { &self.named }
    }

    /// A key of the event that belongs to no epoch.
    pub(crate) fn key(&self, event: &str, name: &str) -> String {
        format!("{}:{{{event}}}:{name}", self.prefix)
    }

    /// A key of one epoch of the event.
    pub(crate) fn key_of_epoch(&self, event: &str, epoch: u64, name: &str) -> String {
        self.key(event, &format!("{epoch}:{name}"))
    }
}

impl Node {
    async fn open(info: &ConnectionInfo) -> Result<Self, Error> {
        // The library's name would be one more command to grant.
        let redis = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.clone().set_redis_settings(redis);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WAIT))
            .set_response_timeout(Some(ANSWER_WAIT));
        let open =
            async { Client::open(info.clone())?.get_multiplexed_async_connection_with_config(&config).await };
        match open.await {
            Ok(connection) => Ok(Self { info, connection }),
            Err(source) => Err(Error::GateServer { server: info.addr().to_string(), source }),
        }
    }

    /// Where it is, and how one logs in.
    pub(crate) fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// A command.
    ///
    /// # Errors
    /// [`Error::GateServer`]: the server does not answer, or not so.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let answer = command.query_async(&mut self.connection.clone()).await;
        answer.map_err(|source| self.failed(source))
    }

    /// Several commands.
    ///
    /// # Errors
    /// As of one.
    pub(crate) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Error> {
        let answers = commands.query_async(&mut self.connection.clone()).await;
        answers.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: RedisError) -> Error {
        Error::GateServer { server: self.info.addr().to_string(), source }
    }
}

/// A server by its address.
fn server(host: &str, port: u16, login: &RedisConnectionInfo) -> Result<ConnectionInfo, Error> {
    let address = ConnectionAddr::Tcp(host.to_owned(), port);
    Ok(address.into_connection_info()?.set_redis_settings(login.clone()))
}

#[cfg(test)]
pub(crate) mod tests;
