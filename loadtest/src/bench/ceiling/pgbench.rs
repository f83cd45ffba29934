//! What a booking costs where each one is a transaction of five statements: pgbench, on the same PostgreSQL.

use std::{path::PathBuf, time::Duration};

use tokio_postgres::{Config, NoTls, config::Host};

use super::output;
use crate::error::Error;

const NAME: &str = "pgbench";
/// Clients of pgbench that are tried; the best of them is the ceiling.
pub(crate) const CLIENTS: [u32; 3] = [8, 16, 32];
/// pgbench's own threads: as many as there are cores to share.
const THREADS: u32 = 2;
const SEATS: u32 = 100_000;
/// Beyond the time that it was told.
const EXTRA_WAIT: Duration = Duration::from_secs(20);
/// Where Debian has the program, with its version between.
const DEBIAN: &str = "/usr/lib/postgresql";

const TABLES: &str = "
    CREATE SCHEMA IF NOT EXISTS bench_ceiling;
    SET search_path = bench_ceiling;
    DROP TABLE IF EXISTS seats, bookings;
    CREATE TABLE seats (seat_id int PRIMARY KEY, state text NOT NULL);
    CREATE TABLE bookings (booking_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        seat_id int NOT NULL, customer_id text NOT NULL, decided_at timestamptz NOT NULL);";
/// Five statements, as the simplest correct service would send them.
const SCRIPT: &str = "\\set seat random(0, 99999)
BEGIN;
SELECT state FROM bench_ceiling.seats WHERE seat_id = :seat FOR UPDATE;
UPDATE bench_ceiling.seats SET state = 'sold' WHERE seat_id = :seat;
INSERT INTO bench_ceiling.bookings (seat_id, customer_id, decided_at) VALUES (:seat, 'customer', now());
COMMIT;
";

/// See the file.
pub(crate) struct PgBench {
    program: PathBuf,
    database: Config,
    script: PathBuf,
}

impl PgBench {
    /// Makes its tables, in a schema of their own. `script` is a file that it may write.
    pub(crate) async fn prepare(url: &str, script: PathBuf) -> Result<Self, Error> {
        let database: Config = url.parse()?;
        std::fs::write(&script, SCRIPT)?;
        let pgbench = Self { program: find(), database, script };
        let fill =
            format!("INSERT INTO seats SELECT seat, 'free' FROM generate_series(0, {}) AS seat", SEATS - 1);
        pgbench.execute(&format!("{TABLES} {fill}; ANALYZE seats;")).await?;
        Ok(pgbench)
    }

    /// Bookings a second with so many clients.
    pub(crate) async fn run(&self, clients: u32, length: Duration) -> Result<f64, Error> {
        let seconds = length.as_secs().max(1).to_string();
        let (clients, threads) = (clients.to_string(), THREADS.to_string());
        let script = self.script.to_string_lossy();
        let options = ["-n", "-M", "prepared", "-c", &clients, "-j", &threads, "-T", &seconds, "-f", &script];
        let arguments: Vec<_> = options.map(str::to_owned).into();
        let out = output(&self.program, NAME, &arguments, &self.environment()?, length + EXTRA_WAIT).await?;
        parse(&out).ok_or_else(|| Error::Tool { name: NAME, why: "its output makes no sense".into() })
    }

    /// Takes its tables and its script away.
    pub(crate) async fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(&self.script)?;
        self.execute("SET client_min_messages = warning; DROP SCHEMA bench_ceiling CASCADE").await
    }

    async fn execute(&self, sql: &str) -> Result<(), Error> {
        let (client, connection) = self.database.connect(NoTls).await?;
        let work = async {
            let done = client.batch_execute(sql).await;
            drop(client);
            done
        };
        let (done, connection) = tokio::join!(work, connection);
        done?;
        Ok(connection?)
    }

    /// Where the database is: no secret on the command line.
    fn environment(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let missing =
            |what: &str| Error::Tool { name: NAME, why: format!("the database's address has no {what}") };
        let Some(Host::Tcp(host)) = self.database.get_hosts().first() else { return Err(missing("host")) };
        let port = self.database.get_ports().first().copied().unwrap_or(5432);
        let password = String::from_utf8_lossy(self.database.get_password().unwrap_or_default()).into_owned();
        Ok(vec![
            ("PGHOST", host.clone()),
            ("PGPORT", port.to_string()),
            ("PGUSER", self.database.get_user().ok_or_else(|| missing("user"))?.to_owned()),
            ("PGDATABASE", self.database.get_dbname().ok_or_else(|| missing("database"))?.to_owned()),
            ("PGPASSWORD", password),
        ])
    }
}

/// The newest of Debian's, else whichever the shell would find.
fn find() -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let program = entry.path().join("bin").join(NAME);
        program.is_file().then_some((version, program))
    });
    numbered.max().map_or_else(|| PathBuf::from(NAME), |(_, program)| program)
}

/// The rate without the time that connecting took, and nothing where a transaction failed.
fn parse(out: &str) -> Option<f64> {
    let failed = out.lines().find_map(|line| line.strip_prefix("number of failed transactions: "));
    if failed.is_some_and(|line| !line.starts_with("0 ")) {
        return None;
    }
    let rate = out.lines().find_map(|line| line.strip_prefix("tps = "))?;
    rate.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "pgbench (15.3)
transaction type: bench.sql
number of transactions actually processed: 20110
number of failed transactions: 0 (0.000%)
latency average = 3.981 ms
tps = 8038.230871 (without initial connection time)
";

    #[test]
    fn the_rate_is_read() {
        assert_eq!(parse(OUT), Some(8_038.230_871));
        assert_eq!(parse(&OUT.replace("transactions: 0 (", "transactions: 3 (")), None);
        assert_eq!(parse("pgbench: error"), None);
    }

    #[test]
    fn a_booking_is_five_statements() {
        assert_eq!(SCRIPT.lines().filter(|line| line.ends_with(';')).count(), 5);
    }
}
