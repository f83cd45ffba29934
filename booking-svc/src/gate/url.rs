//! Where Redis is: one server, a primary that Sentinel knows, a cluster, or servers that vote.

use std::{collections::HashSet, fmt, str::FromStr, time::Duration};

use bb8_redis::redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, io::tcp::TcpSettings,
};

/// Hosts in a URL, at most.
const HOSTS_MAX: usize = 16;
/// How many servers may vote: an even one more would only be one more that can fail.
const MASTERS: [usize; 3] = [3, 5, 7];
/// How long a primary that was cut off may go on granting, where nothing is set: Redis's own `cluster-node-timeout`.
const FAILOVER_LAG: Duration = Duration::from_secs(15);

/// Where Redis is, checked. Shows no password.
#[derive(Clone)]
pub struct Url(pub(super) Deployment);

/// The ways in which Redis is run.
#[derive(Clone)]
pub(super) enum Deployment {
    /// The same address for good.
    One(ConnectionInfo),
    /// Sentinel says who is primary.
    Sentinel {
        /// Those who are asked.
        sentinels: Vec<ConnectionInfo>,
        /// What they call the primary.
        name: String,
        /// How to log in at the primary.
        login: RedisConnectionInfo,
    },
    /// Several primaries, each with some of the slots.
    Cluster {
        /// Nodes that are asked first; they name the others.
        seeds: Vec<ConnectionInfo>,
        /// How to log in at each node.
        login: RedisConnectionInfo,
    },
    /// Independent servers, of which a majority has to have a hold (Redlock).
    Masters(Vec<ConnectionInfo>),
}

/// Why a text does not say where Redis is. Does not repeat it: there may be a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another kind of URL.
    #[error(
        "must begin with redis://, redis-sentinel://, redis-cluster:// or redlock://; TLS to Redis is not supported yet"
    )]
    Scheme,
    /// A part of it is wrong.
    #[error("is wrong: {0}")]
    Wrong(String),
}

impl Url {
    /// Whether there may be replicas to wait for.
    pub fn may_have_replicas(&self) -> bool {
        !matches!(self.0, Deployment::Masters(_))
    }

    /// How long a primary that was cut off may go on granting, where nothing is set.
    pub fn failover_lag(&self) -> Duration {
        match &self.0 {
            // What was cut off from a majority acknowledges nothing any more.
            Deployment::One(_) | Deployment::Masters(_) => Duration::ZERO,
            Deployment::Sentinel { .. } | Deployment::Cluster { .. } => FAILOVER_LAG,
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Deployment::One(_) => "redis://...",
            Deployment::Sentinel { .. } => "redis-sentinel://...",
            Deployment::Cluster { .. } => "redis-cluster://...",
            Deployment::Masters(_) => "redlock://...",
        })
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        Ok(Self(match scheme {
            "redis" => Deployment::One(info(text)?),
            "redis-sentinel" => sentinel(rest)?,
            "redis-cluster" => cluster(rest)?,
            "redlock" => masters(rest)?,
            _ => return Err(UrlError::Scheme),
        }))
    }
}

/// `[user:password@]host:port,.../NAME[/db][?sentinel_user=..&sentinel_password=..]`
fn sentinel(rest: &str) -> Result<Deployment, UrlError> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, hosts, path) = split(rest);
    let (name, db) = path.split_once('/').unwrap_or((path, "0"));
    if name.is_empty() {
        return Err(wrong("the name of the primary is missing: redis-sentinel://host:port,host:port/NAME"));
    }
    let (mut user, mut password) = ("", "");
    for field in query.split('&').filter(|field| !field.is_empty()) {
        match field.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            _ => return Err(wrong("what stands behind the ? is sentinel_user and sentinel_password")),
        }
    }
    let of_sentinel = if password.is_empty() { String::new() } else { format!("{user}:{password}@") };
    let first = hosts.split(',').next().unwrap_or_default();
    let node = info(&format!("redis://{login}{first}/{db}"))?;
    Ok(Deployment::Sentinel {
        sentinels: each(&of_sentinel, hosts, "0")?,
        name: name.to_owned(),
        login: node.redis_settings().clone(),
    })
}

/// `[user:password@]host:port,...`
fn cluster(rest: &str) -> Result<Deployment, UrlError> {
    let (login, hosts, path) = split(rest);
    if !["", "0"].contains(&path) {
        return Err(wrong("a cluster has database 0 only, and no other parts behind its hosts"));
    }
    let seeds = each(login, hosts, "0")?;
    let login = seeds.first().map(|seed| seed.redis_settings().clone()).unwrap_or_default();
    Ok(Deployment::Cluster { seeds, login })
}

/// `[user:password@]host:port,host:port,host:port[/db]`
fn masters(rest: &str) -> Result<Deployment, UrlError> {
    let (login, hosts, db) = split(rest);
    let db = if db.is_empty() { "0" } else { db };
    let nodes = each(login, hosts, db)?;
    if !MASTERS.contains(&nodes.len()) {
        return Err(wrong(
            "it has to name three, five or seven independent servers: a majority of them has to agree",
        ));
    }
    let addresses: HashSet<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
    if addresses.len() < nodes.len() {
        return Err(wrong("it names a server twice"));
    }
    Ok(Deployment::Masters(nodes))
}

/// Login with its `@`, hosts, path.
fn split(rest: &str) -> (&str, &str, &str) {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts_at = authority.rfind('@').map_or(0, |at| at + 1);
    (&authority[..hosts_at], &authority[hosts_at..], path)
}

fn each(login: &str, hosts: &str, db: &str) -> Result<Vec<ConnectionInfo>, UrlError> {
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > HOSTS_MAX {
        return Err(wrong(format!("it may name {HOSTS_MAX} hosts at most")));
    }
    let of_host = |host: &&str| {
        let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(wrong("each host needs its port: host:port,host:port"));
        }
        info(&format!("redis://{login}{host}/{db}"))
    };
    hosts.iter().map(of_host).collect()
}

fn info(url: &str) -> Result<ConnectionInfo, UrlError> {
    let info = url.into_connection_info().map_err(|error| wrong(error.to_string()))?;
    if !matches!(info.addr(), ConnectionAddr::Tcp(..)) {
        return Err(wrong("it needs a host"));
    }
    Ok(plain(info))
}

/// Connections as the service makes them.
fn plain(info: ConnectionInfo) -> ConnectionInfo {
    // Its library's name would be one more command to grant, and Redis 7.0 does not know that command.
    let redis = info.redis_settings().clone().set_skip_set_lib_name();
    info.set_tcp_settings(TcpSettings::default().set_nodelay(true)).set_redis_settings(redis)
}

/// A node by its address.
pub(super) fn node(host: &str, port: u16, login: &RedisConnectionInfo) -> Option<ConnectionInfo> {
    let address = ConnectionAddr::Tcp(host.to_owned(), port);
    Some(plain(address.into_connection_info().ok()?.set_redis_settings(login.clone())))
}

fn wrong(why: impl Into<String>) -> UrlError {
    UrlError::Wrong(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Deployment, String> {
        url.parse::<Url>().map(|url| url.0).map_err(|error| error.to_string())
    }

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn one_server_is_as_ever() {
        let Ok(Deployment::One(info)) = parse("redis://te:p%40ss@redis:6380/2") else { panic!() };
        assert_eq!(info.addr().to_string(), "redis:6380");
        let redis = info.redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("te"), Some("p@ss"), 2));
        assert!(redis.skip_set_lib_name());
    }

    #[test]
    fn the_login_of_a_sentinel_url_is_the_primarys() {
        let url = "redis-sentinel://te:p%40ss@s1:26379,[::1]:26380/tickets/3?sentinel_password=s%2Fx";
        let Ok(Deployment::Sentinel { sentinels, name, login }) = parse(url) else { panic!() };
        assert_eq!((addresses(&sentinels).join(" "), &*name), ("s1:26379 ::1:26380".into(), "tickets"));
        assert_eq!((login.username(), login.password(), login.db()), (Some("te"), Some("p@ss"), 3));
        let of_sentinel = sentinels[0].redis_settings();
        assert_eq!((of_sentinel.username(), of_sentinel.password()), (None, Some("s/x")));
        let Ok(Deployment::Sentinel { sentinels, .. }) = parse("redis-sentinel://:x@s1:1/tickets") else {
            panic!()
        };
        assert_eq!(sentinels[0].redis_settings().password(), None);
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_nodes() {
        let Ok(Deployment::Cluster { seeds, login }) = parse("redis-cluster://te:pw@a:7000,b:7001/") else {
            panic!()
        };
        assert_eq!(addresses(&seeds), ["a:7000", "b:7001"]);
        assert_eq!((login.username(), login.password(), login.db()), (Some("te"), Some("pw"), 0));
    }

    #[test]
    fn a_redlock_url_names_all_who_vote() {
        let Ok(Deployment::Masters(nodes)) = parse("redlock://te:p%40ss@a:1,b:2,[::1]:3/2") else { panic!() };
        assert_eq!(addresses(&nodes), ["a:1", "b:2", "::1:3"]);
        let redis = nodes[2].redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("te"), Some("p@ss"), 2));
    }

    #[test]
    fn what_is_wrong_is_said_and_no_password_is() {
        let many = format!("redis-cluster://te:hunter2@{}", ["h:1"; HOSTS_MAX + 1].join(","));
        for (url, why) in [
            ("rediss://te:hunter2@a:1", "must begin with redis://"),
            ("a:1", "must begin with redis://"),
            ("redis://te:hunter2@", "is wrong"),
            ("redis-cluster://te:hunter2@a", "is wrong: each host needs its port"),
            ("redis-cluster://te:hunter2@a:1,", "is wrong: each host needs its port"),
            ("redis-cluster://te:hunter2@a:1/1", "is wrong: a cluster has database 0 only"),
            ("redis-cluster://te:hunter2@:1", "is wrong"),
            (&many, "is wrong: it may name 16 hosts at most"),
            ("redlock://te:hunter2@a:1,b:1", "is wrong: it has to name three, five or seven"),
            ("redlock://te:hunter2@a:1,b:1,c:1,d:1", "is wrong: it has to name three, five or seven"),
            ("redlock://te:hunter2@a:1,b:1,a:1", "is wrong: it names a server twice"),
            ("redlock://te:hunter2@a:1,b:1,c", "is wrong: each host needs its port"),
            ("redlock://te:hunter2@a:1,b:1,c:1/x", "is wrong"),
            ("redis-sentinel://te:hunter2@a:1", "is wrong: the name of the primary is missing"),
            ("redis-sentinel://te:hunter2@a:1/t/x", "is wrong"),
            ("redis-sentinel://te:hunter2@a:1/t?x=1", "is wrong: what stands behind the ?"),
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is fine"));
            assert!(error.starts_with(why) && !error.contains("hunter2"), "{url}: {error}");
        }
        let url: Url = "redis://te:hunter2@a:1".parse().unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }

    #[test]
    fn only_who_may_fail_over_has_a_lag() {
        let lag = |url: &str| url.parse::<Url>().unwrap().failover_lag();
        assert_eq!(lag("redis://a"), Duration::ZERO);
        assert_eq!(lag("redlock://a:1,b:1,c:1"), Duration::ZERO);
        assert_eq!(lag("redis-sentinel://a:1/t"), FAILOVER_LAG);
        assert_eq!(lag("redis-cluster://a:1"), FAILOVER_LAG);
    }
}
