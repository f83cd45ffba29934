//! The service behind a real pgbouncer in transaction mode, whose sessions are fewer than our connections.

mod deaths;
mod sessions;
mod start;

use booking_svc::vault::Pooler;

use crate::support::{
    pgbouncer::Pgbouncer,
    postgres::Server,
    witness::Witness,
    world::{Replica, Settings, World},
};

const EVENT: &str = "rock";
/// Sessions at the server: each replica has 8 connections.
const SESSIONS: usize = 3;

/// The stores, and a pgbouncer before PostgreSQL.
struct Stage {
    world: World,
    server: Server,
    pooler: Pgbouncer,
}

impl Stage {
    async fn new() -> Self {
        Self::with(&few_sessions()).await
    }

    /// With more lines in the pooler's settings.
    async fn with(more: &str) -> Self {
        let (world, server) = tokio::join!(World::new(), Server::start());
        let pooler = Pgbouncer::start(&server.url(), more).await;
        Self { world, server, pooler }
    }

    fn settings(&self) -> Settings {
        let mut settings = self.world.settings();
        settings.database_url = self.pooler.url(&self.server.url());
        settings.database_pooler = Pooler::Transaction;
        settings
    }

    async fn replica(&self) -> Replica {
        Replica::start(self.settings()).await
    }

    fn witness(&self) -> Witness {
        Witness { database_url: self.server.admin_url(), ..self.world.witness() }
    }
}

fn few_sessions() -> String {
    format!("default_pool_size = {SESSIONS}")
}
