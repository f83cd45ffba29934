//! The service's user in a cluster may do what the service does there, and nothing else.

use std::time::Duration;

use booking_svc::gate::Wait;
use testkit::redis::{commands_allowed, commands_allowed_with_replicas};

use super::sale::one_event_a_shard;
use crate::{
    privileges::whole_life_of,
    support::{
        database::Database,
        redis::{Cluster, PATIENT},
        world::{Replica, Settings},
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_in_a_cluster_needs_each_command_that_is_allowed_and_no_other() {
    let (cluster, database) = tokio::join!(Cluster::start(PATIENT), Database::create());
    let event = one_event_a_shard(&cluster).await.remove(1);
    let node = &cluster.nodes[cluster.primary_of(&event).await];
    node.ask::<()>(&["CONFIG", "RESETSTAT"]).await.unwrap();
    let mut settings = Settings::new(&cluster.url(), &database.url());
    settings.engine.tombstone_ttl = Duration::from_millis(500);
    settings.redis_wait = Wait { replicas: 1, timeout: Duration::from_millis(400) };
    let a = Replica::start(settings).await;
    whole_life_of(&event, &a, &mut node.redis.client().await).await;

    for node in &cluster.nodes {
        let log: Vec<redis::Value> = node.ask(&["ACL", "LOG"]).await.unwrap();
        assert_eq!(log, [], "the service was refused something");
    }
    let stats: String = node.ask(&["INFO", "commandstats"]).await.unwrap();
    let used = |command: &&str| stats.contains(&format!("cmdstat_{command}:calls="));
    let superfluous: Vec<_> =
        commands_allowed_with_replicas().into_iter().filter(|command| !used(command)).collect();
    assert_eq!(superfluous, ["select"], "only behind Sentinel may there be another database");
    let more = commands_allowed_with_replicas().split_off(commands_allowed().len());
    assert_eq!(more, ["wait", "cluster|info", "cluster|slots"]);
}
