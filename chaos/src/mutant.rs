//! The guards that can be taken out, to see that they are missed.

use std::path::{Path, PathBuf};

use crate::faults::Kind;

/// Where a guard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    Service,
    Gateway,
    /// In the database: `mutants/NAME.sql` takes it out.
    Vault,
}

/// A guard to take out, and the faults under which it matters most; none means all.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) stands: Stands,
    pub(crate) kinds: &'static [Kind],
}

const fn mutant(name: &'static str, stands: Stands, kinds: &'static [Kind]) -> Mutant {
    Mutant { name, stands, kinds }
}

pub(crate) const ALL: &[Mutant] = &[
    mutant("no-unique", Stands::Vault, &[]),
    mutant("no-row-lock", Stands::Vault, &[]),
    mutant("no-epoch-check-in-vault", Stands::Vault, &[]),
    mutant("settle-without-owner-check", Stands::Service, &[]),
    mutant(
        "sweeper-reads",
        Stands::Service,
        &[Kind::ReplicaStalled, Kind::PostgresBlackHole, Kind::PostgresDelayed],
    ),
    mutant(
        "confirming-freed-by-time",
        Stands::Service,
        &[Kind::ReplicaPaused, Kind::PostgresPaused, Kind::PostgresBlackHole],
    ),
    mutant("no-incarnation-check", Stands::Service, &[Kind::RedisTruncated, Kind::RedisRestarted]),
    mutant(
        "release-without-void",
        Stands::Service,
        &[Kind::RedisTruncated, Kind::RedisEmpty, Kind::RedisFlushed],
    ),
    mutant("log-outside-script", Stands::Service, &[Kind::ReplicaKilled, Kind::RedisCut, Kind::RedisDelayed]),
    mutant(
        "acknowledged-before-commit",
        Stands::Service,
        &[Kind::ReplicaKilled, Kind::AllReplicasKilled, Kind::PostgresKilled],
    ),
    mutant("replay-ignored", Stands::Service, &[]),
    mutant("no-freeze", Stands::Service, &[Kind::EpochsRaised]),
    mutant("gap-ignored", Stands::Gateway, &[Kind::StreamLossy]),
];

impl Mutant {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|mutant| mutant.name == name)
    }

    /// What takes it out of a database.
    pub(crate) fn sql_file(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("mutants/{}.sql", self.name))
    }
}
