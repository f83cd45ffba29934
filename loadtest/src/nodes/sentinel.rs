//! A primary that Sentinel knows.

use redis::{ConnectionInfo, RedisConnectionInfo, cmd};

use super::{Node, server};
use crate::error::Error;

/// The server that the first Sentinel who knows one calls the primary.
pub(super) async fn primary(
    sentinels: &[ConnectionInfo],
    name: &str,
    login: &RedisConnectionInfo,
) -> Result<Node, Error> {
    let mut failed = None;
    for sentinel in sentinels {
        match ask(sentinel, name).await {
            Ok(Some((host, port))) => return Node::open(&server(&host, port, login)?).await,
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::GatePrimary(name.to_owned())))
}

async fn ask(sentinel: &ConnectionInfo, name: &str) -> Result<Option<(String, u16)>, Error> {
    let sentinel = Node::open(sentinel).await?;
    sentinel.ask(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name)).await
}
