//! pgbouncer in transaction mode, in front of a PostgreSQL, with the settings that the manual advises.

use std::{
    env, fs,
    process::{Command, Stdio},
    sync::Mutex,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;
use url::Url;

use crate::{
    STORE_LIMIT,
    database::{PASSWORD, SERVICE},
    holds_within,
    ports::Port,
    postgres::{connect, reach},
    process::Process,
    user::User,
};

/// As it is delivered; what a test needs otherwise comes after it and counts.
const ADVISED: &str = include_str!("../../deploy/pgbouncer/pgbouncer.ini");
/// Who may look into it.
const ADMIN: &str = "admin";
/// Debian puts it where only root looks for programs.
const DEBIAN: &str = "/usr/sbin/pgbouncer";

/// A pgbouncer of the test's own.
pub struct Pgbouncer {
    port: Port,
    folder: TempDir,
    user: Option<User>,
    process: Mutex<Option<Process>>,
}

impl Pgbouncer {
    /// Starts one in front of the server of a database's URL. `more` are lines of its settings.
    pub async fn start(server: &str, more: &str) -> Self {
        let pooler = Self {
            port: Port::take(),
            folder: TempDir::new().unwrap(),
            user: User::needed(),
            process: Mutex::new(None),
        };
        let users = format!(
            "\"{SERVICE}\" \"{PASSWORD}\"\n\"{ADMIN}\" \"{PASSWORD}\"\n\"postgres\" \"{PASSWORD}\"\n"
        );
        fs::write(pooler.folder.path().join("users"), users).unwrap();
        pooler.write(server, more);
        if let Some(user) = &pooler.user {
            user.owns(pooler.folder.path());
        }
        pooler.restart().await;
        pooler
    }

    /// A database's URL through it.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_ip_host(self.port.address().ip()).unwrap();
        url.set_port(Some(self.port.number())).unwrap();
        url.into()
    }

    /// Leads to another server from the next session on; the present ones end.
    pub async fn lead_to(&self, server: &str, more: &str) {
        self.write(server, more);
        self.admin("RELOAD").await;
        self.admin("RECONNECT").await;
    }

    /// How many sessions of the server it has.
    pub async fn sessions(&self) -> usize {
        self.admin("SHOW SERVERS").await.len()
    }

    /// How many clients it has, besides those that look into it.
    pub async fn clients(&self) -> usize {
        let users = self.admin("SHOW CLIENTS").await;
        users.iter().filter(|user| *user != ADMIN).count()
    }

    /// SIGKILL.
    pub async fn kill(&self) {
        let process = self.process.lock().unwrap().take();
        process.expect("pgbouncer runs").kill().await;
    }

    /// Starts it at its address; stops it first where it runs.
    pub async fn restart(&self) {
        let process = self.process.lock().unwrap().take();
        if let Some(process) = process {
            process.stop(Signal::TERM).await;
        }
        let program = env::var("TE_TEST_PGBOUNCER").unwrap_or_else(|_| DEBIAN.to_owned());
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(user) = &self.user {
            // It steps down by itself: that user may not be able to reach the program.
            command.args(["--user", &user.name]);
        }
        command.arg(self.folder.path().join("ini"));
        *self.process.lock().unwrap() = Some(Process::spawn(&mut command));
        let answers = holds_within(STORE_LIMIT, async || connect(&self.console()).await.is_some());
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(answers.await, "pgbouncer does not answer: {}", log());
    }

    fn write(&self, server: &str, more: &str) {
        let server = Url::parse(server).unwrap();
        let (host, port) = (server.host_str().unwrap(), server.port().unwrap_or(5432));
        let users = self.folder.path().join("users");
        // A second section of a name would forget the first; in one, what comes last counts.
        let (before, rest) = ADVISED.split_once("\nticketengine = ").expect("its database");
        let (_, after) = rest.split_once('\n').unwrap();
        let ini = format!(
            "{before}\n* = host={host} port={port}\n{after}\nlisten_port = {}\nauth_file = {}\n\
             admin_users = {ADMIN}\n{more}\n",
            self.port.number(),
            users.display(),
        );
        fs::write(self.folder.path().join("ini"), ini).unwrap();
    }

    fn console(&self) -> String {
        format!("postgres://{ADMIN}:{PASSWORD}@{}/pgbouncer", self.port.address())
    }

    /// What its console answers: the second column, which names users.
    async fn admin(&self, command: &str) -> Vec<String> {
        let console = reach(&self.console()).await;
        let answer = console.simple_query(command).await.unwrap();
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(1).unwrap_or_default().to_owned()),
            _ => None,
        });
        rows.collect()
    }
}
