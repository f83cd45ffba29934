//! The harness itself on trial: each guard is taken out of a test build, and has to be missed.

use rand::Rng;

use crate::{
    cli::Teeth,
    faults::Kind,
    mutant::{self, Mutant},
    run::Rounds,
};

/// A mutant that survives so many rounds is not caught.
const ROUNDS_MAX: u64 = 6;

/// True where every mutant was caught.
pub(crate) async fn run(options: &Teeth) -> bool {
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    println!("seed {seed}");
    let wanted = |mutant: &&'static Mutant| {
        options.only.is_empty() || options.only.iter().any(|only| only.name == mutant.name)
    };
    let mut rows = Vec::new();
    for mutant in mutant::ALL.iter().filter(wanted) {
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
async fn caught(options: &Teeth, seed: u64, mutant: &'static Mutant) -> Option<(String, u64)> {
    let kinds = if mutant.kinds.is_empty() { Kind::ALL } else { mutant.kinds };
    let out = options.programs.out.join(mutant.name);
    let build = options.programs.build(Some(mutant));
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
