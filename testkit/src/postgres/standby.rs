//! A second server that has all that the first has, and takes its place.

use std::{fs, process::Command, sync::Arc};

use super::{Server, reach};
use crate::{STORE_LIMIT, place::Place, wait_until};

/// As a primary names its standby.
const NAME: &str = "standby";

impl Server {
    /// Makes a standby of this server. From then on a commit is acknowledged only once the standby has it, too.
    pub async fn standby(&self) -> Self {
        self.standby_in(Arc::clone(&self.place)).await
    }

    /// The same in a place.
    pub async fn standby_in(&self, place: Arc<Place>) -> Self {
        let standby = Self::launch(place, |standby| standby.copy_of(self)).await;
        self.wait_for_standby().await;
        standby
    }

    /// Forgets all that this server has, and makes it the standby of another one. It does not run.
    pub async fn follow(&self, primary: &Self) {
        fs::remove_dir_all(self.cluster()).unwrap();
        self.make(self.copy_of(primary));
        assert!(self.try_launch().await, "a standby does not start; see {:?}", self.data.path());
        primary.wait_for_standby().await;
    }

    /// Has commits wait for the standby, which runs.
    pub async fn wait_for_standby(&self) {
        let admin = reach(&self.url_of("postgres")).await;
        for statement in [
            &*format!("ALTER SYSTEM SET synchronous_standby_names = '{NAME}'"),
            // One that was away for a while finds what it lacks.
            "ALTER SYSTEM SET wal_keep_size = '64MB'",
            "SELECT pg_reload_conf()",
        ] {
            // A statement alone: ALTER SYSTEM can not run in a transaction block.
            admin.batch_execute(statement).await.unwrap();
        }
        wait_until("the standby has all", STORE_LIMIT, async || {
            let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
            admin.query_one(sql, &[]).await.is_ok_and(|row| row.get::<_, i64>(0) == 1)
        })
        .await;
    }

    /// Makes a standby take writes, which wait for nobody.
    pub async fn promote(&self) {
        let admin = reach(&self.url_of("postgres")).await;
        admin.batch_execute("SELECT pg_promote(true, 30)").await.unwrap();
    }

    fn copy_of(&self, primary: &Self) -> Command {
        let port = primary.port.number();
        let mut copy = self.command("pg_basebackup");
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"])
            .args(["--dbname", &format!("host=127.0.0.1 port={port} user=postgres application_name={NAME}")])
            .arg("--pgdata")
            .arg(self.cluster());
        copy
    }
}
