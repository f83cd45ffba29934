//! A fresh, migrated database for each test, on the server that all tests share.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use refinery::Runner;
use tokio::{runtime, sync::OnceCell, time::timeout};
use url::Url;

use crate::{
    postgres::{Session, connect, reach},
    proxy::Proxy,
};

/// Names the advisory lock under which test processes make the template.
const TEMPLATE_LOCK: i64 = 0x7465_7465_7374;
/// A test that blocks its runtime by this drop may wait for its own half-open connection; the server is thrown away.
const DROP_LIMIT: Duration = Duration::from_secs(3);
/// Owns the database and its tables.
pub const OWNER: &str = "ticketengine";
/// Whom the service logs in as: it owns nothing.
pub const SERVICE: &str = "ticketengine_service";
/// Of both roles.
pub(crate) const PASSWORD: &str = "test";

/// A database of the test's own. Dropped with it, whoever is still connected.
pub struct Database {
    name: String,
    server: Url,
}

impl Database {
    /// Copies the migrated template.
    pub async fn create() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let server = server();
        let template = TEMPLATE.get_or_init(|| template(&server)).await;
        let name = format!("te_test_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let database = Self { name, server };
        // A process that had this number before may have left it.
        database
            .admin()
            .await
            .batch_execute(&format!("DROP DATABASE IF EXISTS {}", database.name))
            .await
            .unwrap();
        let create = format!("CREATE DATABASE {} OWNER {OWNER} TEMPLATE {template}", database.name);
        database.admin().await.batch_execute(&create).await.unwrap();
        database
    }

    /// Its URL for the service, whose role may do only what the service needs.
    pub fn url(&self) -> String {
        as_role(&self.admin_url(), SERVICE)
    }

    /// Its URL for who may do everything.
    pub fn admin_url(&self) -> String {
        named(&self.server, &self.name)
    }

    /// The same through a proxy.
    pub fn url_at(&self, proxy: &Proxy) -> String {
        at(&self.url(), proxy)
    }

    /// A connection of the test's own, to look at it.
    pub async fn client(&self) -> Session {
        reach(&self.admin_url()).await
    }

    async fn admin(&self) -> Session {
        admin(&self.server).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (name, server) = (self.name.clone(), self.server.clone());
        // A thread with a runtime of its own: the test's may be gone, and must not be blocked by us.
        let dropping = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                if let Some(admin) = connect(server.as_str()).await {
                    let _ = timeout(DROP_LIMIT, admin.batch_execute(&statement)).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

/// The shared server's URL.
fn server() -> Url {
    let url = env::var("TE_TEST_DATABASE_URL").expect("TE_TEST_DATABASE_URL is not set: run ./dev test");
    Url::parse(&url).expect("TE_TEST_DATABASE_URL is a URL: postgres://user:password@host:port/database")
}

async fn admin(server: &Url) -> Session {
    reach(server.as_str()).await
}

/// Makes the template of the present migrations, unless another process has.
async fn template(server: &Url) -> String {
    let name = format!("te_template_{:016x}", migrations_hash());
    let admin = admin(server).await;
    // Held until the session ends.
    admin.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
    let finished = "SELECT 1 FROM pg_database WHERE datname = $1 AND NOT datallowconn";
    if admin.query_opt(finished, &[&name]).await.unwrap().is_none() {
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        create_roles(&admin).await;
        create_migrated(&admin, &name, &named(server, &name)).await;
        // Copying a template fails while somebody, autovacuum included, is connected to it.
        admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
    }
    name
}

/// Makes the roles that own and use databases, unless they are there.
pub async fn create_roles(admin: &tokio_postgres::Client) {
    for role in [OWNER, SERVICE] {
        // Another test may be making them too.
        let create = format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';
             EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"
        );
        admin.batch_execute(&create).await.unwrap();
    }
}

/// Makes a database as an operator would: its owner migrates it and grants the service's role what that needs.
pub(crate) async fn create_migrated(admin: &Session, name: &str, url: &str) {
    admin.batch_execute(&format!("CREATE DATABASE {name} OWNER {OWNER}")).await.unwrap();
    let mut session = reach(&as_role(url, OWNER)).await;
    let migrations = refinery::load_sql_migrations(migrations_folder()).expect("the migrations are readable");
    Runner::new(&migrations).run_async(&mut *session).await.expect("the migrations apply");
    session.execute("SELECT vault_grant($1)", &[&SERVICE]).await.expect("the service's role gets its rights");
}

/// A database's URL for one of the two roles.
pub fn as_role(url: &str, role: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_username(role).unwrap();
    url.set_password(Some(PASSWORD)).unwrap();
    url.into()
}

fn migrations_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations")
}

fn migrations_hash() -> u64 {
    let files = fs::read_dir(migrations_folder()).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| (file.file_name(), fs::read(file.path()).ok())).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

fn named(server: &Url, database: &str) -> String {
    let mut url = server.clone();
    url.set_path(database);
    url.into()
}

/// A database's URL through a proxy in front of its server.
pub fn at(url: &str, proxy: &Proxy) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_ip_host(proxy.address().ip()).unwrap();
    url.set_port(Some(proxy.address().port())).unwrap();
    url.into()
}
