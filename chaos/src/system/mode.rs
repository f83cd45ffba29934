use clap::ValueEnum;

use crate::faults::{Kind, kind::Place};

/// What the stores are.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One Redis, one PostgreSQL.
    #[default]
    Single,
    /// PostgreSQL has a standby, which each commit waits for and which takes over.
    Standby,
    /// Redis is a cluster of three primaries, and a replica of each.
    Cluster,
}

impl Mode {
    /// The faults that are dealt: with single stores all that there are, else those of the store that the mode is about, and
    /// of replicas.
    pub(crate) fn kinds(self) -> Vec<Kind> {
        let dealt = |kind: &Kind| match self {
            Self::Single => !matches!(kind.place(), Place::Standby | Place::Shard),
            Self::Standby => match kind.place() {
                Place::Standby | Place::Postgres | Place::AnyReplica | Place::AllReplicas => true,
                Place::AnyLinks => kind.name().contains("postgres"),
                Place::Redis | Place::Shard | Place::AnyGateway | Place::Hop => false,
            },
            Self::Cluster => matches!(kind.place(), Place::Shard | Place::AnyReplica | Place::AllReplicas),
        };
        Kind::ALL.iter().copied().filter(dealt).collect()
    }
}
