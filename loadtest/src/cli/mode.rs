//! A system on other stores, in one argument.

use std::str::FromStr;

use super::Stores;

/// A system on other stores.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    /// In the table.
    pub(crate) name: String,
    /// Its booking-svc.
    pub(crate) target: String,
    /// Its stores.
    pub(crate) stores: Stores,
    /// Servers on this machine, by their ports, beside those that the addresses of the stores name.
    pub(crate) servers: Vec<(Server, u16)>,
}

/// What a server of a mode is: its time on the CPU counts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Redis, also as a replica.
    Redis,
    /// PostgreSQL, also as a standby.
    Postgres,
    /// pgbouncer.
    Pgbouncer,
}

impl Server {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Redis, Self::Postgres, Self::Pgbouncer];

    /// In arguments and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
            Self::Pgbouncer => "pgbouncer",
        }
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [name, target, redis_url, database_url, servers @ ..] = &fields[..] else {
            return Err("a mode is: NAME TARGET REDIS_URL DATABASE_URL [SERVER=PORT...]");
        };
        let stores = Stores {
            redis_url: (*redis_url).into(),
            database_url: (*database_url).into(),
            key_prefix: "te".into(),
        };
        let servers = servers.iter().map(|field| server(field)).collect::<Option<Vec<_>>>();
        let servers = servers.ok_or("servers of a mode are Redis=PORT, PostgreSQL=PORT or pgbouncer=PORT")?;
        Ok(Self { name: (*name).into(), target: (*target).into(), stores, servers })
    }
}

fn server(field: &str) -> Option<(Server, u16)> {
    let (name, port) = field.split_once('=')?;
    let server = Server::ALL.into_iter().find(|server| server.name() == name)?;
    Some((server, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_four_fields_and_may_name_more_servers() {
        let mode: Mode = "wait http://a:1 redis://b:2 postgres://c:3/d Redis=4 pgbouncer=5".parse().unwrap();
        assert_eq!(
            (&*mode.name, &*mode.target, &*mode.stores.redis_url),
            ("wait", "http://a:1", "redis://b:2")
        );
        assert_eq!(mode.servers, [(Server::Redis, 4), (Server::Pgbouncer, 5)]);
        let mode: Mode = "single http://a:1 redis://b:2 postgres://c:3/d".parse().unwrap();
        assert_eq!(mode.servers, []);
        for wrong in ["wait http://a:1 redis://b:2", "w a b c Redis", "w a b c Redis=x", "w a b c nginx=1"] {
            assert!(wrong.parse::<Mode>().is_err(), "{wrong}");
        }
    }
}
