//! Which faults come when, from a seed: the same seed and round give the same schedule.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::kind::{Kind, Place, Target};
use crate::system::{GATEWAYS, REPLICAS};

/// How long faults are made in a round. One that began last may go on for a while.
pub(crate) const STORM: Duration = Duration::from_secs(9);
/// Faults of a round.
const FAULTS: std::ops::RangeInclusive<usize> = 4..=6;
/// The first does not come before the sale is under way.
const CALM: Duration = Duration::from_millis(600);

/// A fault to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) kind: Kind,
    /// One, or all replicas.
    pub(crate) targets: Vec<Target>,
    /// After the beginning of the round.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    /// For what else it needs: a clock's error, how many bytes are lost.
    pub(crate) dice: u64,
}

/// The faults of a round, in the order of their beginnings. Kinds are dealt like cards: none comes a second time before all
/// have come once.
pub(crate) fn of_round(seed: u64, round: u64, kinds: &[Kind]) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(mixed(seed, round));
    let count = random.random_range(FAULTS);
    let before = |round| StdRng::seed_from_u64(mixed(seed, round)).random_range(FAULTS);
    let first: usize = (0..round).map(before).sum();
    let mut planned: Vec<Planned> = (0..count)
        .map(|place| {
            let kind = dealt(seed, (first + place) as u64, kinds);
            let (least, most) = kind.lasts();
            Planned {
                kind,
                targets: targets(kind, &mut random),
                at: CALM + (STORM - CALM).mul_f64(random.random::<f64>() * 0.8),
                lasts: least + (most - least).mul_f64(random.random()),
                dice: random.random(),
            }
        })
        .collect();
    planned.sort_by_key(|fault| fault.at);
    planned
}

/// A seed of its own for each number, however near seeds and numbers are to each other.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).random()
}

/// The n-th card of an endless row of shuffled decks.
fn dealt(seed: u64, place: u64, kinds: &[Kind]) -> Kind {
    let mut deck = kinds.to_vec();
    let number = place / deck.len() as u64;
    deck.shuffle(&mut StdRng::seed_from_u64(mixed(seed, number)));
    deck[(place % deck.len() as u64) as usize]
}

fn targets(kind: Kind, random: &mut StdRng) -> Vec<Target> {
    match kind.place() {
        Place::Redis | Place::Shard | Place::Masters => vec![Target::Redis],
        Place::Postgres | Place::Standby => vec![Target::Postgres],
        Place::AnyReplica | Place::Relay => vec![Target::Replica(random.random_range(0..REPLICAS))],
        Place::AllReplicas => (0..REPLICAS).map(Target::Replica).collect(),
        Place::AnyGateway => vec![Target::Gateway(random.random_range(0..GATEWAYS))],
        Place::AnyLinks => vec![Target::Links(random.random_range(0..REPLICAS))],
        Place::Hop => vec![Target::Hop],
        Place::Kafka => vec![Target::Kafka],
    }
}

/// Shows a schedule.
pub(crate) fn describe(planned: &[Planned]) -> String {
    let line = |fault: &Planned| {
        format!(
            "{:>5} ms for {:>4} ms  {} {:?}",
            fault.at.as_millis(),
            fault.lasts.as_millis(),
            fault.kind.name(),
            fault.targets
        )
    };
    planned.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_and_every_kind_comes_up() {
        assert_eq!(of_round(7, 3, Kind::ALL), of_round(7, 3, Kind::ALL));
        assert_ne!(of_round(7, 3, Kind::ALL), of_round(8, 3, Kind::ALL));
        let mut seen: Vec<Kind> =
            (0..40).flat_map(|round| of_round(7, round, Kind::ALL)).map(|f| f.kind).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), Kind::ALL.len());
    }
}
