//! Every fault that the harness can make.

use std::time::Duration;

/// What a fault needs for itself: while one is made there, no other is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Redis,
    Postgres,
    Replica(usize),
    Gateway(usize),
    /// The networks of a replica.
    Links(usize),
    Hop,
    Kafka,
}

/// Where a kind of fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Redis,
    /// Redis where it is a cluster: the shard that has the event.
    Shard,
    /// Redis where it is several that vote.
    Masters,
    Postgres,
    /// PostgreSQL where it has a standby.
    Standby,
    AnyReplica,
    AllReplicas,
    AnyGateway,
    AnyLinks,
    Hop,
    /// Where bookings are told to it.
    Kafka,
    /// A replica that may tell Kafka.
    Relay,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal at $place:ident for $least:literal to $most:literal ms;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// As schedules, summaries and the command line name it.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            pub(crate) fn place(self) -> Place {
                match self { $(Self::$kind => Place::$place,)* }
            }

            /// How long it lasts, at least and at most.
            pub(crate) fn lasts(self) -> (Duration, Duration) {
                match self {
                    $(Self::$kind => (Duration::from_millis($least), Duration::from_millis($most)),)*
                }
            }
        }
    };
}

kinds! {
    /// SIGKILL, and a new process later.
    ReplicaKilled "replica killed" at AnyReplica for 200 to 2000 ms;
    /// SIGSTOP for longer than the hold time and the confirm window.
    ReplicaPaused "replica paused" at AnyReplica for 2500 to 4500 ms;
    /// SIGSTOP just longer than the confirm window.
    ReplicaStalled "replica stalled" at AnyReplica for 1100 to 1900 ms;
    /// SIGTERM and a new process, one after the other.
    RollingRestart "rolling restart" at AllReplicas for 0 to 1 ms;
    /// A new process whose clock is some seconds wrong.
    ReplicaClock "replica's clock wrong" at AnyReplica for 0 to 1 ms;
    AllReplicasKilled "all replicas killed" at AllReplicas for 200 to 1500 ms;
    GatewayKilled "gateway killed" at AnyGateway for 200 to 2000 ms;
    GatewayPaused "gateway paused" at AnyGateway for 1500 to 4000 ms;
    GatewayRestart "gateway restarted" at AnyGateway for 0 to 1 ms;
    /// SIGKILL, and started again with what its AOF has.
    RedisRestarted "redis restarted with its AOF" at Redis for 100 to 800 ms;
    /// SIGKILL, and the newest of its AOF is lost: it goes back in time.
    RedisTruncated "redis restarted with its AOF truncated" at Redis for 100 to 800 ms;
    RedisEmpty "redis restarted empty" at Redis for 0 to 1 ms;
    RedisFlushed "FLUSHALL" at Redis for 0 to 1 ms;
    RedisScriptsFlushed "SCRIPT FLUSH" at Redis for 0 to 1 ms;
    RedisPaused "redis paused" at Redis for 800 to 3500 ms;
    RedisClientsKilled "redis' clients killed" at Redis for 0 to 1 ms;
    RedisDiskFull "redis' disk full" at Redis for 1500 to 3000 ms;
    /// SIGKILL of the primary, and its replica takes over.
    ShardFailedOver "redis' primary killed and replaced" at Shard for 100 to 1500 ms;
    /// SIGKILL of the primary, and back before it is missed.
    ShardRestarted "redis' primary restarted" at Shard for 0 to 300 ms;
    /// SIGSTOP of the primary, its replica takes over, and the primary of before wakes.
    ShardOldPrimary "redis' old primary wakes after a failover" at Shard for 100 to 2000 ms;
    /// From the other nodes, and not from the service: two answer for the same events.
    ShardCutOff "redis' primary cut off from the other nodes" at Shard for 100 to 2000 ms;
    ShardReplicaKilled "redis' replica killed" at Shard for 500 to 2500 ms;
    /// To another shard, key by key.
    ShardMoved "event moved to another shard" at Shard for 0 to 1 ms;
    /// SIGKILL of the node that carries the event; another takes over, and it is back with its AOF.
    CarrierKilled "redlock's carrier killed and replaced" at Masters for 2500 to 4500 ms;
    /// SIGKILL, back before it is missed, and the newest of its AOF is lost: it has to be replaced for that.
    CarrierRestarted "redlock's carrier restarted with its AOF truncated" at Masters for 0 to 800 ms;
    CarrierEmpty "redlock's carrier restarted empty" at Masters for 0 to 1 ms;
    /// SIGSTOP, another takes over, and the carrier of before wakes.
    CarrierPaused "redlock's old carrier wakes after a takeover" at Masters for 2500 to 4500 ms;
    /// SIGSTOP for less than it takes to be missed.
    CarrierStalled "redlock's carrier stalled" at Masters for 300 to 1300 ms;
    /// Set some seconds ahead or back while it runs, and set right again.
    CarrierClock "redlock's carrier has its clock set" at Masters for 500 to 2500 ms;
    NodeKilled "redlock's node killed" at Masters for 500 to 3000 ms;
    NodePaused "redlock's node paused" at Masters for 500 to 3500 ms;
    NodeEmpty "redlock's node restarted empty" at Masters for 0 to 1 ms;
    NodeFlushed "FLUSHALL on one of redlock's nodes" at Masters for 0 to 1 ms;
    NodeClock "redlock's node has its clock set" at Masters for 500 to 2500 ms;
    /// The carrier may be among them; the service goes on.
    TwoNodesKilled "two of redlock's nodes killed" at Masters for 1000 to 3000 ms;
    /// Nothing is acknowledged meanwhile.
    ThreeNodesKilled "three of redlock's nodes killed" at Masters for 500 to 2000 ms;
    ThreeNodesPaused "three of redlock's nodes paused" at Masters for 500 to 2500 ms;
    /// Commits are made to wait, and then all of PostgreSQL gets SIGKILL.
    PostgresKilledAtCommit "postgres killed at commit" at Postgres for 100 to 800 ms;
    PostgresKilled "postgres killed" at Postgres for 100 to 1500 ms;
    PostgresPaused "postgres paused" at Postgres for 1200 to 3500 ms;
    PostgresRestarted "postgres restarted" at Postgres for 0 to 1 ms;
    /// Started again with a clock that is some seconds wrong.
    PostgresClock "postgres' clock wrong" at Postgres for 0 to 1 ms;
    /// By hand, as after a backup was put back: again and again, under a gate that is warm.
    EpochsRaised "epochs raised by hand" at Postgres for 800 to 2000 ms;
    PostgresDiskFull "postgres' disk full" at Postgres for 1000 to 2500 ms;
    /// SIGKILL of the primary, and the standby takes over.
    PostgresFailedOver "postgres failed over" at Standby for 100 to 1500 ms;
    /// SIGSTOP of the primary, the standby takes over, and the primary of before wakes and lives on for a while.
    PostgresOldPrimary "postgres' old primary wakes after a failover" at Standby for 300 to 2000 ms;
    StandbyKilled "postgres' standby killed" at Standby for 500 to 2500 ms;
    StandbyPaused "postgres' standby paused" at Standby for 500 to 2500 ms;
    RedisCut "network to redis cut" at AnyLinks for 0 to 1500 ms;
    RedisDelayed "network to redis slow" at AnyLinks for 1000 to 4000 ms;
    RedisBlackHole "network to redis a black hole" at AnyLinks for 500 to 3500 ms;
    /// The request gets there, and the connection is cut before the reply.
    RedisReplyCut "redis' replies cut off" at AnyLinks for 1000 to 4000 ms;
    PostgresCut "network to postgres cut" at AnyLinks for 0 to 1500 ms;
    PostgresDelayed "network to postgres slow" at AnyLinks for 1000 to 4000 ms;
    PostgresBlackHole "network to postgres a black hole" at AnyLinks for 500 to 3500 ms;
    PostgresReplyCut "postgres' replies cut off" at AnyLinks for 1000 to 4000 ms;
    ClientsCut "network of clients cut" at AnyLinks for 0 to 1500 ms;
    ClientsBlackHole "network of clients a black hole" at AnyLinks for 500 to 3000 ms;
    ClientsReplyCut "clients' replies cut off" at AnyLinks for 1000 to 4000 ms;
    GatewaysCut "network of gateways cut" at AnyLinks for 0 to 2000 ms;
    GatewaysBlackHole "network of gateways a black hole" at AnyLinks for 1000 to 4000 ms;
    /// Messages of WatchSeats get lost or come twice.
    StreamLossy "messages of streams lost" at Hop for 3000 to 6000 ms;
    /// SIGKILL; a JVM takes some seconds more to be back.
    KafkaKilled "kafka killed" at Kafka for 200 to 3000 ms;
    KafkaPaused "kafka paused" at Kafka for 1000 to 6000 ms;
    /// SIGSTOP for longer than a relay's turn. Where it was within one, another takes it, and what it still had comes late.
    RelayAsleep "replica asleep for longer than a relay's turn" at Relay for 15500 to 16500 ms;
}

impl Kind {
    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
