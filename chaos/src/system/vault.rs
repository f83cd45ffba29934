//! PostgreSQL: one server, or two of which one follows the other and takes its place.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use testkit::{
    STORE_LIMIT,
    place::Place,
    postgres::{Server, address, connect},
    proxy::Proxy,
    wait_until,
};

use super::Mode;

/// As a primary names its standby.
const STANDBY: &str = "standby";

/// The vault's servers. With two, a commit waits for the standby.
pub(crate) struct Vault {
    servers: Vec<Server>,
    /// The place of the one that takes writes, as the harness would have it.
    primary: AtomicUsize,
    place: Arc<Place>,
}

impl Vault {
    /// The first server is in this folder, which may be a small disk.
    pub(crate) async fn start(mode: Mode, folder: &Path) -> Self {
        let place = Arc::new(Place::new(folder));
        let mut servers = vec![Server::start_in(Arc::clone(&place)).await];
        if mode == Mode::Standby {
            let standby = servers[0].standby_in(Arc::default()).await;
            servers.push(standby);
        }
        Self { servers, primary: AtomicUsize::new(0), place }
    }

    pub(crate) fn primary(&self) -> &Server {
        &self.servers[self.primary.load(Ordering::SeqCst)]
    }

    pub(crate) fn standby(&self) -> Option<&Server> {
        let primary = self.primary.load(Ordering::SeqCst);
        self.servers.iter().enumerate().find_map(|(at, server)| (at != primary).then_some(server))
    }

    /// The primary's URL for who may do everything.
    pub(crate) fn admin_url(&self) -> String {
        self.primary().admin_url()
    }

    /// A network to each server.
    pub(crate) async fn networks(&self) -> Vec<Proxy> {
        let mut networks = Vec::new();
        for server in &self.servers {
            networks.push(Proxy::start(server.port().address()).await);
        }
        networks
    }

    /// The service's URL through these networks: it names them all.
    pub(crate) fn url_at(&self, networks: &[Proxy]) -> String {
        let url = self.servers[0].url_at(&networks[0]);
        let hosts: Vec<String> = networks.iter().map(|network| network.address().to_string()).collect();
        url.replacen(&address(&url), &hosts.join(","), 1)
    }

    /// What the first server finds in its environment, from its next start on.
    pub(crate) fn set_environment(&self, environment: Vec<(String, String)>) {
        self.place.set_environment(environment);
    }

    /// The standby takes over. The primary of before has ended, or is to end before it rejoins.
    pub(crate) async fn fail_over(&self) {
        let Some(standby) = self.standby() else { return };
        standby.promote().await;
        self.primary.store(self.servers.len() - 1 - self.primary.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The primary of before follows the new one.
    pub(crate) async fn rejoin(&self) {
        if let Some(standby) = self.standby() {
            standby.follow(self.primary()).await;
        }
    }

    /// All run, and commits wait for the standby, if there is one, and for nobody else.
    pub(crate) async fn heal(&self) {
        if !self.primary().runs() {
            self.primary().restart().await;
        }
        self.commits_wait_as_usual().await;
        let Some(standby) = self.standby() else { return };
        if !standby.runs() {
            standby.restart().await;
        }
        self.primary().wait_for_standby().await;
    }

    /// Ends [`Self::commits_wait_for`]. The primary runs.
    pub(crate) async fn commits_wait_as_usual(&self) {
        let usual = if self.servers.len() > 1 { STANDBY } else { "" };
        wait_until("commits wait as usual", STORE_LIMIT, async || {
            self.commits_wait_for(usual).await;
            let Some(session) = connect(&self.admin_url()).await else { return false };
            let shown = session.query_one("SHOW synchronous_standby_names", &[]).await;
            shown.is_ok_and(|row| row.get::<_, String>(0) == usual)
        })
        .await;
    }

    /// Commits wait for a standby of this name; for none where it is empty. Those that wait are on the disk already: who is
    /// killed meanwhile has committed and has told nobody.
    pub(crate) async fn commits_wait_for(&self, standby: &str) {
        let Some(session) = connect(&self.admin_url()).await else { return };
        for statement in [
            format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
            "SELECT pg_reload_conf()".into(),
        ] {
            // A statement alone: ALTER SYSTEM can not run in a transaction block.
            let _ = session.batch_execute(&statement).await;
        }
    }
}
