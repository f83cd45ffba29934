//! A second server that has all that the first has, and takes its place.

use std::sync::Arc;

use super::{Server, reach};
use crate::{STORE_LIMIT, wait_until};

/// As a primary names its standby.
const NAME: &str = "standby";

impl Server {
    /// Makes a standby of this server. From then on a commit is acknowledged only once the standby has it, too.
    pub async fn standby(&self) -> Self {
        let place = Arc::clone(&self.place);
        let standby = Self::launch(place, |standby| {
            let primary =
                format!("host=127.0.0.1 port={} user=postgres application_name={NAME}", self.port.number());
            let mut copy = standby.command("pg_basebackup");
            copy.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"])
                .args(["--dbname", &primary, "--pgdata"])
                .arg(standby.cluster());
            copy
        })
        .await;
        let admin = reach(&self.url_of("postgres")).await;
        admin.batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")).await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        wait_until("the standby has all", STORE_LIMIT, async || {
            let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
            admin.query_one(sql, &[]).await.is_ok_and(|row| row.get::<_, i64>(0) == 1)
        })
        .await;
        standby
    }

    /// Makes a standby take writes.
    pub async fn promote(&self) {
        let admin = reach(&self.url_of("postgres")).await;
        admin.batch_execute("SELECT pg_promote(true, 30)").await.unwrap();
    }
}
