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
    /// Redis is five servers that know nothing of each other, of which a majority has to have a hold.
    Redlock,
    /// As single, and Apache Kafka is told of bookings.
    Kafka,
}

impl Mode {
    /// As the command line has it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The faults that are dealt: with single stores all that there are, else those of the store that the mode is about, and
    /// of replicas.
    pub(crate) fn kinds(self) -> Vec<Kind> {
        let of_others = [Place::Standby, Place::Shard, Place::Masters, Place::Kafka, Place::Relay];
        let dealt = |kind: &Kind| {
            let place = kind.place();
            let of_replicas = matches!(place, Place::AnyReplica | Place::AllReplicas);
            let of_postgres = match place {
                Place::AnyLinks => kind.name().contains("postgres"),
                place => place == Place::Postgres,
            };
            match self {
                Self::Single => !of_others.contains(&place),
                Self::Standby => of_replicas || of_postgres || place == Place::Standby,
                Self::Cluster => of_replicas || place == Place::Shard,
                Self::Redlock => of_replicas || place == Place::Masters,
                Self::Kafka => of_replicas || of_postgres || matches!(place, Place::Kafka | Place::Relay),
            }
        };
        Kind::ALL.iter().copied().filter(dealt).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_dealt_in_some_mode_and_each_mode_has_its_own() {
        let mut dealt: Vec<Kind> = Mode::value_variants().iter().flat_map(|mode| mode.kinds()).collect();
        dealt.sort();
        dealt.dedup();
        assert_eq!(dealt.len(), Kind::ALL.len());
        for (mode, own) in [
            (Mode::Single, Place::Redis),
            (Mode::Standby, Place::Standby),
            (Mode::Cluster, Place::Shard),
            (Mode::Redlock, Place::Masters),
            (Mode::Kafka, Place::Kafka),
        ] {
            for other in Mode::value_variants() {
                let has = other.kinds().iter().any(|kind| kind.place() == own);
                assert_eq!(has, *other == mode, "{other:?} and faults of {own:?}");
            }
        }
    }
}
