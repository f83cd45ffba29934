//! The system under test: stores, replicas, gateways, and the networks between them.

pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod gate;
mod mode;
pub(crate) mod rest;
pub(crate) mod topic;
pub(crate) mod vault;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use testkit::{
    kafka::Broker,
    place::Place,
    program::Program,
    proxy::Proxy,
    token::{JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET, TOKEN_SECRET},
    witness::Witness,
};

use crate::{
    clients::field,
    hop::Hop,
    mutant::{Mutant, Stands},
};
use clock::Skew;
use disk::Disk;
use gate::Gate;
pub(crate) use mode::Mode;
use topic::TOPIC;
use vault::Vault;

pub(crate) const REPLICAS: usize = 3;
pub(crate) const GATEWAYS: usize = 2;
/// How long a begun Confirm may stay undecided: pauses of processes are longer.
pub(crate) const CONFIRM_WINDOW: Duration = Duration::from_secs(1);
/// Enough for the stores of an era, and quickly filled.
const POSTGRES_BYTES: u64 = 320 * 1024 * 1024;
const REDIS_BYTES: u64 = 96 * 1024 * 1024;
/// The gate's clocks are as far ahead for the whole run: where they stand is not trusted, and the steps of one alone are.
pub(crate) const GATE_AHEAD_MS: i64 = 2_500;

/// The programs, and what is taken out of them.
#[derive(Clone)]
pub(crate) struct Build {
    pub(crate) booking_svc: PathBuf,
    pub(crate) ws_gateway: PathBuf,
    /// A guard to take out; the programs then are test builds.
    pub(crate) mutant: Option<&'static Mutant>,
}

impl Build {
    /// What tells a process of this kind to do without its guard.
    fn without(&self, stands: Stands) -> Option<(&'static str, String)> {
        let mutant = self.mutant.filter(|mutant| mutant.stands == stands)?;
        Some(("TE_MUTANT", mutant.name.to_owned()))
    }
}

/// The networks of one replica.
pub(crate) struct Links {
    /// To the only server.
    pub(crate) redis: Vec<Proxy>,
    /// To each server.
    pub(crate) postgres: Vec<Proxy>,
    /// Between clients and the replica.
    pub(crate) clients: Proxy,
    /// Between gateways and the replica.
    pub(crate) gateways: Proxy,
}

/// A whole system. Fields are dropped in their order: who uses a store goes before it.
pub(crate) struct System {
    pub(crate) gateways: Vec<Program>,
    pub(crate) replicas: Vec<Program>,
    pub(crate) links: Vec<Links>,
    /// Stands before the second gateway alone, and can lose messages of streams.
    pub(crate) hop: Hop,
    pub(crate) gate: Gate,
    pub(crate) vault: Arc<Vault>,
    /// Where bookings are told to it.
    pub(crate) kafka: Option<Broker>,
    pub(crate) redis_disk: Disk,
    pub(crate) postgres_disk: Disk,
    pub(crate) skew: Skew,
    _place: TempDir,
}

impl System {
    /// Starts everything in this folder, and waits until it serves.
    pub(crate) async fn start(build: &Build, mode: Mode, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        // PostgreSQL runs as another user.
        let everybody = Permissions::from_mode(0o755);
        let place = tempfile::Builder::new().permissions(everybody).tempdir().unwrap();
        let skew = Skew::compile(place.path());
        let redis_disk = Disk::make(place.path().join("redis"), REDIS_BYTES);
        let postgres_disk = Disk::make(place.path().join("postgres"), POSTGRES_BYTES);
        let redis_place = Arc::new(Place::new(redis_disk.folder()));
        redis_place.set_environment(skew.environment(GATE_AHEAD_MS));
        let (gate, vault, kafka) = tokio::join!(
            Gate::start(mode, redis_place),
            Vault::start(mode, postgres_disk.folder()),
            start_kafka(mode),
        );
        let mut links = Vec::new();
        let mut replicas = Vec::new();
        for index in 0..REPLICAS {
            let (to_redis, to_postgres) = tokio::join!(gate.networks(), vault.networks());
            let mut stores = gate.settings(&to_redis);
            stores.push(("TE_DATABASE_URL", vault.url_at(&to_postgres)));
            stores.extend(kafka.iter().flat_map(told));
            let replica = replica(build, folder, index, stores);
            links.push(Links {
                clients: Proxy::start(replica.address()).await,
                gateways: Proxy::start(replica.address()).await,
                redis: to_redis,
                postgres: to_postgres,
            });
            replicas.push(replica);
        }
        let hop = Hop::start(links[0].gateways.address()).await;
        let all: Vec<_> = links.iter().map(|links| format!("http://{}", links.gateways.address())).collect();
        let targets = [all.join(","), format!("http://{}", hop.address())];
        let gateways: Vec<_> =
            (0..GATEWAYS).map(|index| gateway(build, folder, index, &targets[index])).collect();
        apply_mutant(build, &vault).await;
        field::make_database(&vault).await;
        if kafka.is_some() {
            switch_outbox_on(&vault).await;
        }
        replicas.iter().chain(&gateways).for_each(Program::start);
        Self {
            gateways,
            replicas,
            links,
            hop,
            gate,
            vault: Arc::new(vault),
            kafka,
            redis_disk,
            postgres_disk,
            skew,
            _place: place,
        }
    }

    /// Looks for an event into both stores, where it is now.
    pub(crate) async fn witness(&self, event: &str) -> Witness {
        let redis_url = self.gate.admin_url_of(event).await;
        Witness { redis_url, database_url: self.vault.admin_url() }
    }

    /// Makes sure that every fault is undone: networks pass, disks have room, all run. Names the replicas and gateways that had
    /// crashed by themselves. Clocks stay wrong until their processes are made anew.
    pub(crate) async fn heal(&self) -> Vec<String> {
        self.redis_disk.relieve();
        self.postgres_disk.relieve();
        self.hop.lose(false);
        for links in &self.links {
            let stores = links.redis.iter().chain(&links.postgres);
            for proxy in [&links.clients, &links.gateways].into_iter().chain(stores) {
                proxy.pass().await;
            }
        }
        // PostgreSQL ends by itself where its disk is full.
        self.vault.heal().await;
        self.gate.heal().await;
        let named = |kind: &'static str, index| format!("{kind} {index}");
        let replicas = (0..).map(|index| named("replica", index)).zip(&self.replicas);
        let gateways = (0..).map(|index| named("gateway", index)).zip(&self.gateways);
        let ended: Vec<_> = replicas.chain(gateways).filter(|(_, program)| !program.runs()).collect();
        let crashed = ended.iter().filter(|(_, program)| program.crashed());
        let crashed = crashed.map(|(name, _)| name.clone()).collect();
        // Who finds no store at its start ends, and is started again, as an orchestrator would.
        ended.iter().for_each(|(_, program)| program.start());
        crashed
    }
}

/// Takes a guard out of the database, where that is where it stands.
async fn apply_mutant(build: &Build, vault: &Vault) {
    if let Some(mutant) = build.mutant.filter(|mutant| mutant.stands == Stands::Vault) {
        let sql = fs::read_to_string(mutant.sql_file()).unwrap();
        vault.primary().client().await.batch_execute(&sql).await.unwrap();
    }
}

async fn start_kafka(mode: Mode) -> Option<Broker> {
    if mode == Mode::Kafka { Some(Broker::start().await) } else { None }
}

/// As `booking-svc migrate --outbox on` does it. No copy of the vault has it: nobody would read it there.
async fn switch_outbox_on(vault: &Vault) {
    vault.primary().client().await.execute("SELECT vault_outbox(true)", &[]).await.unwrap();
}

/// The settings of a replica that tells Kafka.
fn told(broker: &Broker) -> [(&'static str, String); 2] {
    [("TE_KAFKA_BROKERS", broker.address()), ("TE_KAFKA_TOPIC", TOPIC.into())]
}

fn replica(build: &Build, folder: &Path, index: usize, stores: Vec<(&'static str, String)>) -> Program {
    let mut settings = stores;
    settings.extend([
        ("TE_DATABASE_CONNECTIONS", "6".into()),
        ("TE_TOKEN_SECRET", TOKEN_SECRET.into()),
        ("TE_JWT_SECRET", JWT_SECRET.into()),
        ("TE_JWT_ISSUER", JWT_ISSUER.into()),
        ("TE_JWT_AUDIENCE", JWT_AUDIENCE.into()),
        ("TE_CONFIRM_WINDOW", format!("{}ms", CONFIRM_WINDOW.as_millis())),
        // Quick enough for a round: heals what a fault left between the stores.
        ("TE_RECONCILE_EVERY", "1s".into()),
        ("TE_GRACE", "2s".into()),
        ("TE_LOG", "info".into()),
    ]);
    settings.extend(build.without(Stands::Service));
    let log = folder.join(format!("booking-svc-{index}.log"));
    Program::new(&build.booking_svc, &["serve"], "TE_LISTEN", settings, log)
}

fn gateway(build: &Build, folder: &Path, index: usize, targets: &str) -> Program {
    let mut settings = vec![
        ("TE_TARGETS", targets.to_owned()),
        ("TE_CONNECTIONS_PER_ADDRESS_MAX", "1000".into()),
        ("TE_HEARTBEAT", "1s".into()),
        ("TE_DRAIN", "1s".into()),
        ("TE_LOG", "info".into()),
    ];
    settings.extend(build.without(Stands::Gateway));
    let log = folder.join(format!("ws-gateway-{index}.log"));
    Program::new(&build.ws_gateway, &[], "TE_GATEWAY_LISTEN", settings, log)
}
