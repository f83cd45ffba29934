//! The harness itself on trial: each guard is taken out of a test build, and has to be missed.

use rand::Rng;

use crate::{cli::Teeth, faults::Kind, run::Rounds};

/// A mutant that survives so many rounds is not caught.
const ROUNDS_MAX: u64 = 6;

/// A guard that is taken out, and the faults under which it matters most; none means all.
struct Mutant {
    name: &'static str,
    kinds: &'static [Kind],
}

const MUTANTS: [Mutant; 12] = [
    Mutant { name: "no-unique", kinds: &[] },
    Mutant { name: "no-row-lock", kinds: &[] },
    Mutant { name: "no-epoch-check-in-vault", kinds: &[] },
    Mutant { name: "settle-without-owner-check", kinds: &[] },
    Mutant {
        name: "sweeper-reads",
        kinds: &[Kind::ReplicaStalled, Kind::PostgresPaused, Kind::PostgresBlackHole],
    },
    Mutant {
        name: "confirming-freed-by-time",
        kinds: &[Kind::ReplicaPaused, Kind::PostgresPaused, Kind::PostgresBlackHole],
    },
    Mutant { name: "no-incarnation-check", kinds: &[Kind::RedisTruncated, Kind::RedisRestarted] },
    Mutant {
        name: "release-without-void",
        kinds: &[Kind::RedisTruncated, Kind::RedisEmpty, Kind::RedisFlushed],
    },
    Mutant { name: "log-outside-script", kinds: &[Kind::ReplicaKilled, Kind::RedisCut] },
    Mutant {
        name: "acknowledged-before-commit",
        kinds: &[Kind::ReplicaKilled, Kind::AllReplicasKilled, Kind::PostgresKilled],
    },
    Mutant { name: "replay-ignored", kinds: &[] },
    Mutant { name: "gap-ignored", kinds: &[Kind::StreamLossy] },
];

/// True where every mutant was caught.
pub(crate) async fn run(options: &Teeth) -> bool {
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    println!("seed {seed}");
    let wanted =
        |mutant: &&Mutant| options.only.is_empty() || options.only.iter().any(|name| name == mutant.name);
    let mut rows = Vec::new();
    for mutant in MUTANTS.iter().filter(wanted) {
        println!("== {}", mutant.name);
        rows.push((mutant.name, caught(options, seed, mutant).await));
    }
    println!("\n| guard taken out | caught by | in round |\n|---|---|---|");
    for (name, caught) in &rows {
        match caught {
            Some((checks, round)) => println!("| {name} | {checks} | {} |", round + 1),
            None => println!("| {name} | NOT CAUGHT in {ROUNDS_MAX} rounds | |"),
        }
    }
    let count = rows.iter().filter(|(_, caught)| caught.is_some()).count();
    println!("\ncaught {count}/{}", rows.len());
    count == rows.len()
}

/// Which checks caught it, and in which round.
async fn caught(options: &Teeth, seed: u64, mutant: &Mutant) -> Option<(String, u64)> {
    let kinds = if mutant.kinds.is_empty() { Kind::ALL } else { mutant.kinds };
    let out = options.programs.out.join(mutant.name);
    let build = options.programs.build(Some(mutant.name.to_owned()));
    let rounds = Rounds { seed, kinds: kinds.to_vec(), build, out: &out };
    let (system, clock) = rounds.start().await;
    for round in 0..ROUNDS_MAX {
        let (_, verdict) = rounds.play(&system, clock, round).await;
        if !verdict.violations.is_empty() {
            let mut checks: Vec<&str> = verdict.violations.iter().map(|violation| violation.check).collect();
            checks.sort_unstable();
            checks.dedup();
            return Some((checks.join(", "), round));
        }
    }
    None
}
