//! Makes a fault, keeps it up, and undoes it.

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Kind, kafka, kind::Target, masters, network, programs, schedule::Planned, shard, stores};
use crate::{
    history::Fault,
    system::{System, clock::Clock, gate::Gate},
};

/// Who keeps two faults from one target.
pub(crate) struct Locks {
    redis: Mutex<()>,
    postgres: Mutex<()>,
    replicas: Vec<Mutex<()>>,
    gateways: Vec<Mutex<()>>,
    links: Vec<Mutex<()>>,
    hop: Mutex<()>,
    kafka: Mutex<()>,
}

impl Locks {
    pub(crate) fn of(system: &System) -> Self {
        let free = |count: usize| (0..count).map(|_| Mutex::default()).collect();
        Self {
            redis: Mutex::default(),
            postgres: Mutex::default(),
            replicas: free(system.replicas.len()),
            gateways: free(system.gateways.len()),
            links: free(system.links.len()),
            hop: Mutex::default(),
            kafka: Mutex::default(),
        }
    }

    fn lock(&self, target: Target) -> &Mutex<()> {
        match target {
            Target::Redis => &self.redis,
            Target::Postgres => &self.postgres,
            Target::Replica(index) => &self.replicas[index],
            Target::Gateway(index) => &self.gateways[index],
            Target::Links(index) => &self.links[index],
            Target::Hop => &self.hop,
            Target::Kafka => &self.kafka,
        }
    }
}

/// Waits for its time, makes the fault and undoes it. None where the machine does not permit it.
pub(crate) async fn make(
    system: &System,
    locks: &Locks,
    planned: &Planned,
    event: &str,
    clock: Clock,
    began: Instant,
) -> Option<Fault> {
    tokio::time::sleep_until(began + planned.at).await;
    let mut held = Vec::new();
    for target in &planned.targets {
        held.push(locks.lock(*target).lock().await);
    }
    let began_us = clock.us();
    if !strike(system, planned, event).await {
        return None;
    }
    let kind = planned.kind.name().to_owned();
    Some(Fault { kind, target: format!("{:?}", planned.targets), began_us, ended_us: clock.us() })
}

/// False where it can not be made here.
async fn strike(system: &System, fault: &Planned, event: &str) -> bool {
    match fault.targets[0] {
        Target::Redis => match &system.gate {
            Gate::One(redis) => return stores::strike_redis(system, redis, fault).await,
            Gate::Cluster(cluster) => shard::strike(cluster, fault, event).await,
            Gate::Masters(masters) => masters::strike(masters, fault, event).await,
        },
        Target::Postgres => return stores::strike_postgres(system, fault, event).await,
        Target::Replica(index) => return programs::strike_replica(system, fault, index).await,
        Target::Gateway(index) => programs::strike_gateway(&system.gateways[index], fault).await,
        Target::Links(index) => network::strike(&system.links[index], fault, event).await,
        Target::Hop => {
            system.hop.lose(true);
            sleep(fault.lasts).await;
            system.hop.lose(false);
        }
        Target::Kafka => match &system.kafka {
            Some(broker) => kafka::strike(broker, fault).await,
            None => return false,
        },
    }
    true
}

/// Whether the machine permits file systems and clocks of one's own: what can not be made here.
pub(crate) fn not_possible(system: &System) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    if !system.redis_disk.is_small() {
        lacking.extend([Kind::RedisDiskFull.name(), Kind::PostgresDiskFull.name()]);
    }
    if !system.skew.is_there() {
        lacking.extend([Kind::ReplicaClock.name(), Kind::PostgresClock.name()]);
    }
    lacking
}
