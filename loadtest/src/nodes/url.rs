//! The URL of Redis, in the ways in which the service takes it.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::Error;

/// How the servers belong together.
#[derive(Debug)]
pub(super) enum Kind {
    /// There is only one.
    One,
    /// Sentinels, who say which server is the primary.
    Sentinel {
        /// What they call it.
        name: String,
        /// How to log in there.
        login: RedisConnectionInfo,
    },
    /// Each has some of the slots, and knows who has the others.
    Cluster,
    /// They know nothing of each other. These are all of them.
    Masters,
}

/// The kind, and the servers that are named: never none.
pub(super) fn parse(text: &str) -> Result<(Kind, Vec<ConnectionInfo>), Error> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    match scheme {
        "redis-sentinel" => {
            let (name, db) = path.split_once('/').unwrap_or((path, "0"));
            if name.is_empty() {
                return Err(Error::GateUrl(
                    "the name of the primary is missing: redis-sentinel://host:port/NAME",
                ));
            }
            let sentinels = each(&login_of_sentinels(query)?, hosts, "0")?;
            let first = hosts.split(',').next().unwrap_or_default();
            let primary = format!("redis://{login}{first}/{db}").into_connection_info()?;
            Ok((Kind::Sentinel { name: name.into(), login: primary.redis_settings().clone() }, sentinels))
        }
        "redis-cluster" => Ok((Kind::Cluster, each(login, hosts, "0")?)),
        "redlock" => {
            let masters = each(login, hosts, if path.is_empty() { "0" } else { path })?;
            if ![3, 5, 7].contains(&masters.len()) {
                return Err(Error::GateUrl(
                    "Redlock has three, five or seven servers, and all have to be named",
                ));
            }
            Ok((Kind::Masters, masters))
        }
        _ => Ok((Kind::One, vec![text.into_connection_info()?])),
    }
}

fn login_of_sentinels(query: &str) -> Result<String, Error> {
    let (mut user, mut password) = ("", "");
    for field in query.split('&').filter(|field| !field.is_empty()) {
        match field.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            _ => {
                return Err(Error::GateUrl(
                    "what stands behind the ? is sentinel_user and sentinel_password",
                ));
            }
        }
    }
    Ok(if password.is_empty() { String::new() } else { format!("{user}:{password}@") })
}

fn each(login: &str, hosts: &str, db: &str) -> Result<Vec<ConnectionInfo>, Error> {
    let of_host = |host: &str| {
        if host.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(Error::GateUrl("each host needs its port: host:port,host:port"));
        }
        Ok(format!("redis://{login}{host}/{db}").into_connection_info()?)
    };
    hosts.split(',').map(of_host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(infos: &[ConnectionInfo]) -> String {
        infos.iter().map(|info| info.addr().to_string()).collect::<Vec<_>>().join(" ")
    }

    fn login(redis: &RedisConnectionInfo) -> (Option<&str>, Option<&str>, i64) {
        (redis.username(), redis.password(), redis.db())
    }

    #[test]
    fn each_kind_is_read() {
        let (kind, named) = parse("redis://te:p%40ss@redis:6380/2").unwrap();
        assert!(matches!(kind, Kind::One));
        assert_eq!((&*addresses(&named), login(named[0].redis_settings()).2), ("redis:6380", 2));

        let (kind, named) = parse("redis-cluster://te:p%40ss@a:7000,b:7001/").unwrap();
        assert!(matches!(kind, Kind::Cluster));
        assert_eq!(addresses(&named), "a:7000 b:7001");
        assert_eq!(login(named[1].redis_settings()), (Some("te"), Some("p@ss"), 0));

        let (kind, named) = parse("redlock://te:p@a:1,b:2,[::1]:3/4").unwrap();
        assert!(matches!(kind, Kind::Masters));
        assert_eq!((&*addresses(&named), login(named[2].redis_settings()).2), ("a:1 b:2 ::1:3", 4));
    }

    #[test]
    fn the_login_of_a_sentinel_url_is_the_primarys() {
        let (kind, named) =
            parse("redis-sentinel://te:p@s1:1,s2:2/tickets/3?sentinel_password=x%2Fy").unwrap();
        let Kind::Sentinel { name, login: primary } = kind else { panic!("{kind:?}") };
        assert_eq!((&*name, login(&primary)), ("tickets", (Some("te"), Some("p"), 3)));
        assert_eq!(
            (&*addresses(&named), login(named[0].redis_settings())),
            ("s1:1 s2:2", (None, Some("x/y"), 0))
        );
    }

    #[test]
    fn what_is_wrong_is_said_and_no_password_is() {
        for url in [
            "te:hunter2",
            "http://te:hunter2@a:1",
            "redis-cluster://te:hunter2@a",
            "redis-cluster://te:hunter2@a:1,",
            "redlock://te:hunter2@a:1,b:2",
            "redlock://te:hunter2@a:1,b:2,c",
            "redis-sentinel://te:hunter2@a:1",
            "redis-sentinel://te:hunter2@a:1/t?x=1",
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is fine")).to_string();
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }
}
