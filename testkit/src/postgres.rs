//! A private PostgreSQL, for tests that kill it.

mod standby;

use std::{
    env, fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};
use tokio_postgres::{Client, NoTls, connect as pg_connect};
use url::Url;

use crate::{
    STORE_LIMIT, database, holds_within, place::Place, ports::Port, process::Process, proxy::Proxy,
    user::User,
};

/// How often another port is tried where a stranger took ours between the look and the start.
const START_ATTEMPTS_MAX: usize = 5;
/// Where Debian puts the versions.
const DEBIAN: &str = "/usr/lib/postgresql";
const DATABASE: &str = "ticketengine";

/// A PostgreSQL of the test's own, durable as the engine wants it, with one migrated database.
pub struct Server {
    port: Port,
    data: TempDir,
    place: Arc<Place>,
    user: Option<User>,
    process: Mutex<Option<Process>>,
}

impl Server {
    /// Makes a cluster, starts it on a free port, and makes the migrated database `ticketengine`.
    pub async fn start() -> Self {
        Self::start_in(Arc::default()).await
    }

    /// The same in a place.
    pub async fn start_in(place: Arc<Place>) -> Self {
        let server = Self::start_cluster(place).await;
        let admin = reach(&server.url_of("postgres")).await;
        database::create_roles(&admin).await;
        database::create_migrated(&admin, DATABASE, &server.admin_url()).await;
        server
    }

    async fn start_cluster(place: Arc<Place>) -> Self {
        Self::launch(place, |server| {
            let mut init = server.command("initdb");
            init.args(["--no-sync", "--auth=trust", "--username=postgres", "--wal-segsize=1"])
                .args(["--locale=C", "--encoding=UTF8", "--pgdata"])
                .arg(server.cluster());
            init
        })
        .await
    }

    /// Starts one on a port that is free, with the cluster that a command makes.
    async fn launch(place: Arc<Place>, make: impl Fn(&Self) -> Command) -> Self {
        for _ in 0..START_ATTEMPTS_MAX {
            let server = Self {
                port: Port::take(),
                data: TempDir::new_in(place.folder()).unwrap(),
                place: place.clone(),
                user: User::needed(),
                process: Mutex::new(None),
            };
            server.make(make(&server));
            if server.try_launch().await {
                return server;
            }
        }
        panic!("PostgreSQL does not start");
    }

    /// The URL of its migrated database for the service, whose role may do only what the service needs.
    pub fn url(&self) -> String {
        database::as_role(&self.admin_url(), database::SERVICE)
    }

    /// The same for who may do everything.
    pub fn admin_url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The same through a proxy.
    pub fn url_at(&self, proxy: &Proxy) -> String {
        database::at(&self.url(), proxy)
    }

    /// Its port.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// A connection of the test's own, to look at it.
    pub async fn client(&self) -> Session {
        reach(&self.admin_url()).await
    }

    /// SIGKILL to the server and all its backends, as when the machine's memory runs out.
    pub async fn kill(&self) {
        let process = self.process().take();
        process.expect("PostgreSQL runs").kill().await;
    }

    /// Starts it again on its port with its data; stops it first where it runs.
    pub async fn restart(&self) {
        let process = self.process().take();
        if let Some(process) = process {
            // SIGINT: it ends its clients' connections, and then itself.
            process.stop(Signal::INT).await;
        }
        assert!(self.try_launch().await, "PostgreSQL does not start again; see {:?}", self.data.path());
    }

    /// Whether it has been started and has not ended.
    pub fn runs(&self) -> bool {
        self.process().as_mut().is_some_and(Process::runs)
    }

    /// SIGSTOP to the server and all its backends: connections stay, nothing answers.
    pub fn pause(&self) {
        self.process().as_ref().expect("PostgreSQL runs").pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.process().as_ref().expect("PostgreSQL runs").resume();
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).unwrap()
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.port.address())
    }

    fn cluster(&self) -> PathBuf {
        self.data.path().join("cluster")
    }

    fn make(&self, mut command: Command) {
        if let Some(user) = &self.user {
            user.owns(self.data.path());
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// False where it ends instead of answering, as it does when the port is taken.
    async fn try_launch(&self) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.data.path().join("log")).unwrap();
        let mut process = Process::spawn(
            self.command("postgres")
                .arg("-D")
                .arg(self.cluster())
                .args(["-p", &self.port.number().to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args(["-c", "unix_socket_directories=", "-c", "shared_buffers=32MB"])
                // As a standby: how soon it looks for a primary that was away.
                .args(["-c", "wal_retrieve_retry_interval=200ms"])
                .stdout(Stdio::null())
                .stderr(log),
        );
        let mut ended = false;
        let answers = holds_within(STORE_LIMIT, async || {
            ended = !process.runs();
            ended || connect(&self.url_of("postgres")).await.is_some()
        });
        if !answers.await || ended {
            return false;
        }
        *self.process() = Some(process);
        true
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binaries().join(program));
        if let Some(user) = &self.user {
            user.runs(&mut command);
        }
        // It can not enter the directory that the tests run in where that is root's.
        command.current_dir(self.data.path()).stdin(Stdio::null()).envs(self.place.environment());
        command
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap()
    }
}

/// `TE_TEST_PG_BIN`, or the newest version that Debian installed.
fn binaries() -> PathBuf {
    if let Some(path) = env::var_os("TE_TEST_PG_BIN") {
        return path.into();
    }
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let numbers = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.max().expect("PostgreSQL's server is installed, or TE_TEST_PG_BIN is set");
    Path::new(DEBIAN).join(newest.to_string()).join("bin")
}

/// A connection, and the task that drives it.
pub struct Session {
    client: Client,
    _driver: JoinSet<()>,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Connects; none where nobody answers within a second or two.
pub async fn connect(url: &str) -> Option<Session> {
    let (client, connection) = timeout(Duration::from_secs(2), pg_connect(url, NoTls)).await.ok()?.ok()?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // The client's next call reports how the connection ended.
        let _ = connection.await;
    });
    Some(Session { client, _driver: driver })
}

/// Connects to a server that runs, however busy the machine is.
pub async fn reach(url: &str) -> Session {
    let mut session = None;
    let reached = holds_within(STORE_LIMIT, async || {
        session = connect(url).await;
        session.is_some()
    });
    assert!(reached.await, "PostgreSQL does not answer; is it the one of ./dev test?");
    session.unwrap()
}

/// The host and port of a database's URL, for a proxy in front of it.
pub fn address(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    format!("{}:{}", url.host_str().expect("a URL with a host"), url.port().unwrap_or(5432))
}
