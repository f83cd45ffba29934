//! A Redis Cluster: a server that has not got a key says who has. So no slot is computed here, and an auditor needs no right
//! to look at the cluster.

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, cmd};

use super::{Node, server};
use crate::error::Error;

/// One redirection is usual; more are of a cluster that changes.
const REDIRECTIONS_MAX: usize = 5;

enum Answer {
    /// It is the one.
    Has(Node),
    /// It says who has it.
    Moved(ConnectionInfo),
}

/// The server that has the key's slot. The first one that answers is asked, and whoever it names.
pub(super) async fn owner(seeds: &[ConnectionInfo], event: &str, key: &str) -> Result<Node, Error> {
    let mut answer = ask(&seeds[0], event, key).await;
    for seed in &seeds[1..] {
        if answer.is_ok() {
            break;
        }
        answer = ask(seed, event, key).await;
    }
    for _ in 0..REDIRECTIONS_MAX {
        match answer? {
            Answer::Has(node) => return Ok(node),
            Answer::Moved(to) => answer = ask(&to, event, key).await,
        }
    }
    match answer? {
        Answer::Has(node) => Ok(node),
        Answer::Moved(_) => Err(Error::cold(event, "each server of the cluster names another one")),
    }
}

async fn ask(info: &ConnectionInfo, event: &str, key: &str) -> Result<Answer, Error> {
    let node = Node::open(info).await?;
    let answer = node.ask::<Option<String>>(cmd("HGET").arg(key).arg("epoch")).await;
    let Err(Error::GateServer { source, .. }) = &answer else { return answer.map(|_| Answer::Has(node)) };
    match source.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => match named(source, info) {
            Some((host, port)) => Ok(Answer::Moved(server(&host, port, info.redis_settings())?)),
            None => answer.map(|_| Answer::Has(node)),
        },
        ErrorKind::Server(ServerErrorKind::Ask) => Err(Error::cold(event, "its slot is being moved")),
        _ => answer.map(|_| Answer::Has(node)),
    }
}

/// Whom a redirection names. A server that does not know its own name means: at the address where you found me.
fn named(moved: &RedisError, from: &ConnectionInfo) -> Option<(String, u16)> {
    let (host, port) = moved.redirect_node()?.0.rsplit_once(':')?;
    let host = match from.addr() {
        ConnectionAddr::Tcp(own, _) if host.is_empty() => own,
        _ => host,
    };
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use redis::{IntoConnectionInfo, parse_redis_value};

    use super::*;

    #[test]
    fn a_redirection_is_read() {
        let from = "redis://seed:7000/".into_connection_info().unwrap();
        let read = |line: &str| {
            let answer = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            named(&answer.extract_error().unwrap_err(), &from)
        };
        assert_eq!(read("MOVED 3999 10.0.0.1:7001"), Some(("10.0.0.1".into(), 7_001)));
        assert_eq!(read("MOVED 3999 ::1:7001"), Some(("::1".into(), 7_001)));
        assert_eq!(read("MOVED 3999 :7001"), Some(("seed".into(), 7_001)));
        assert_eq!(read("MOVED 3999"), None);
        assert_eq!(read("ERR unknown"), None);
    }
}
