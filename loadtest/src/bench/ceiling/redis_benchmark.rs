//! How fast Redis alone runs our script of Reserve: redis-benchmark, on a copy of an event that no service knows.

use std::time::Duration;

use redis::ConnectionAddr;

use super::output;
use crate::{
    error::Error,
    nodes::{Node, Nodes},
};

const NAME: &str = "redis-benchmark";
/// redis-benchmark writes numbers with leading zeros, and a seat has none. This line is all that is added to the script.
const PLAIN_NUMBER: &str = "ARGV[7] = string.format('%.0f', tonumber(ARGV[7]))\n";
/// The very script that the service runs.
const GRANT: &str = concat!(
    include_str!("../../../../booking-svc/src/gate/lua/prelude.lua"),
    include_str!("../../../../booking-svc/src/gate/lua/refuse.lua"),
    include_str!("../../../../booking-svc/src/gate/lua/writes.lua"),
    include_str!("../../../../booking-svc/src/gate/lua/reservations.lua"),
    include_str!("../../../../booking-svc/src/gate/lua/grant.lua")
);
/// Seats are drawn from so many: few are drawn twice in one slice.
const SEATS: &str = "1000000";
/// Connections, and calls in flight on each: the rate at which Redis is busy all the time.
const CONNECTIONS: &str = "16";
const PIPELINE: &str = "16";
/// As the service has it.
const TOMBSTONE_MS: &str = "600000";
const LOG_LENGTH: &str = "10000";
const NAME_HOLDERS: &str = "1";
/// The share of calls that must have been granted: more drew a taken seat, or the script answered something else.
const GRANTED_MIN: f64 = 0.9;
const KEYS: [&str; 7] = ["seats", "map", "reservations", "requests", "expiry", "customers", "log"];
const RUN_WAIT: Duration = Duration::from_secs(60);

/// See the file.
pub(crate) struct RedisBenchmark {
    node: Node,
    place: Vec<String>,
    sha: String,
    /// `meta` first, then those of the epoch: of the event, and of its copy.
    originals: Vec<String>,
    copies: Vec<String>,
    epoch: String,
    incarnation: String,
}

impl RedisBenchmark {
    /// Loads the script and learns what it needs of a fresh event.
    pub(crate) async fn prepare(nodes: &Nodes, event: &str) -> Result<Self, Error> {
        let node = nodes.of(event).await?;
        let info = node.info();
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(tool("Redis is not at a TCP address"));
        };
        let mut place = vec!["-h".to_owned(), host.clone(), "-p".into(), port.to_string()];
        place.extend(["--dbnum".into(), info.redis_settings().db().to_string()]);
        if let Some(user) = info.redis_settings().username() {
            place.extend(["--user".into(), user.to_owned()]);
        }
        // Seen by who lists processes while it runs: redis-benchmark takes it in no other way.
        if let Some(password) = info.redis_settings().password() {
            place.extend(["-a".into(), password.to_owned()]);
        }
        let meta = nodes.key(event, "meta");
        let (epoch, incarnation): (u64, String) =
            node.ask(redis::cmd("HMGET").arg(&meta).arg("epoch").arg("incarnation")).await?;
        let script = format!("{PLAIN_NUMBER}{GRANT}");
        let sha = node.ask(redis::cmd("SCRIPT").arg("LOAD").arg(script)).await?;
        let of_epoch = |name| nodes.key_of_epoch(event, epoch, name);
        let originals: Vec<_> = [meta].into_iter().chain(KEYS.map(of_epoch)).collect();
        let copies = originals.iter().map(|key| format!("ceiling:{key}")).collect();
        Ok(Self { node, place, sha, originals, copies, epoch: epoch.to_string(), incarnation })
    }

    /// Grants so many seats of a fresh copy: grants a second.
    pub(crate) async fn run(&self, calls: u64) -> Result<f64, Error> {
        let granted = self.run_on_copy(calls).await;
        self.node.ask::<()>(redis::cmd("UNLINK").arg(&self.copies)).await?;
        let (rate, granted) = granted?;
        let share = granted as f64 / calls as f64;
        if share < GRANTED_MIN {
            return Err(tool(&format!("only {granted} of {calls} calls of the script were granted")));
        }
        Ok(rate * share)
    }

    async fn run_on_copy(&self, calls: u64) -> Result<(f64, u64), Error> {
        for (key, copy) in self.originals.iter().zip(&self.copies) {
            self.node.ask::<()>(redis::cmd("COPY").arg(key).arg(copy)).await?;
        }
        let before = self.version().await?;
        let numbers = ["-n".to_owned(), calls.to_string(), "-c".into(), CONNECTIONS.into()];
        let options = ["-P", PIPELINE, "-r", SEATS, "--csv", "EVALSHA", &self.sha, "8"].map(str::to_owned);
        let keys = self.copies.iter().cloned();
        let head = [&*self.epoch, &*self.incarnation, TOMBSTONE_MS, LOG_LENGTH].map(str::to_owned);
        let call =
            ["r-__rand_int__", "customer-__rand_int__", "__rand_int__", NAME_HOLDERS].map(str::to_owned);
        let place = self.place.iter().cloned();
        let arguments: Vec<_> =
            place.chain(numbers).chain(options).chain(keys).chain(head).chain(call).collect();
        let out = output(NAME, NAME, &arguments, &[], RUN_WAIT).await?;
        let rate = parse(&out).ok_or_else(|| tool("its output makes no sense"))?;
        Ok((rate, self.version().await? - before))
    }

    /// Each grant raises it by one.
    async fn version(&self) -> Result<u64, Error> {
        self.node.ask(redis::cmd("HGET").arg(&self.copies[1]).arg("v")).await
    }
}

fn tool(why: &str) -> Error {
    Error::Tool { name: NAME, why: why.to_owned() }
}

/// The rate of the last line of `--csv`: a quoted name, which may hold commas, and then quoted numbers.
fn parse(csv: &str) -> Option<f64> {
    let line = csv.lines().rfind(|line| line.starts_with('"'))?;
    let fields: Vec<_> = line.split("\",\"").collect();
    fields.get(1)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_stands_behind_the_name() {
        let out = "\"test\",\"rps\",\"avg_latency_ms\"\n\"EVALSHA abc 8 a,b\",\"52631.58\",\"4.2\"\n";
        assert_eq!(parse(out), Some(52_631.58));
        assert_eq!(parse("\"test\",\"rps\",\"avg_latency_ms\"\n"), None);
        assert_eq!(parse("Could not connect\n"), None);
    }

    #[test]
    fn the_script_is_the_service_s_own() {
        for part in [
            "local function check_gate(",
            "local function refusal(",
            "local function append_log(",
            "'GRANTED'",
        ] {
            assert!(GRANT.contains(part), "{part} is missing: the script has other parts now");
        }
    }
}
