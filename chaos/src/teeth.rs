//! The harness itself on trial: each guard is taken out of a test build, and has to be missed.

use futures_util::{StreamExt, stream};
use rand::Rng;

use crate::{
    cli::Teeth,
    mutant::{self, Mutant},
    run::Rounds,
    system::Mode,
};

/// A mutant that survives so many rounds is not caught.
const ROUNDS_MAX: u64 = 12;
/// Rounds of the same build with all guards in: they have to be clean.
const CONTROL_ROUNDS: u64 = 2;
/// These say that the machine was slow, too: alone they are no proof.
const OF_TIME: [&str; 2] = ["recovers", "free_again"];

/// True where every mutant was caught.
pub(crate) async fn run(options: &Teeth) -> bool {
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    println!("seed {seed}");
    let wanted = |mutant: &&'static Mutant| {
        options.only.is_empty() || options.only.iter().any(|only| only.name == mutant.name)
    };
    println!("== all guards in");
    if let Some((checks, _)) = accused(options, seed, None, CONTROL_ROUNDS).await {
        println!("\nwith all guards in: {checks}: what the others are caught by proves nothing");
        return false;
    }
    println!("== one guard out, {} systems at a time", options.jobs);
    let tried = mutant::ALL.iter().filter(wanted).enumerate().map(|(place, mutant)| async move {
        (place, mutant.name, accused(options, seed, Some(mutant), ROUNDS_MAX).await)
    });
    let mut rows: Vec<_> = stream::iter(tried).buffer_unordered(options.jobs.into()).collect().await;
    rows.sort_by_key(|(place, ..)| *place);
    println!("\n| guard taken out | caught by | in round |\n|---|---|---|");
    for (_, name, caught) in &rows {
        match caught {
            Some((checks, round)) => println!("| {name} | {checks} | {} |", round + 1),
            None => println!("| {name} | NOT CAUGHT in {ROUNDS_MAX} rounds | |"),
        }
    }
    let count = rows.iter().filter(|(.., caught)| caught.is_some()).count();
    println!("\ncaught {count}/{}", rows.len());
    count == rows.len()
}

/// Which checks accuse it, and in which round.
async fn accused(
    options: &Teeth,
    seed: u64,
    mutant: Option<&'static Mutant>,
    rounds_max: u64,
) -> Option<(String, u64)> {
    let mode = Mode::default();
    let only = mutant.map(|mutant| mutant.kinds).filter(|kinds| !kinds.is_empty());
    let kinds = only.map_or_else(|| mode.kinds(), <[_]>::to_vec);
    let out = options.programs.out.join(mutant.map_or("all-guards-in", |mutant| mutant.name));
    let build = options.programs.build(mutant);
    let label = mutant.map_or_else(String::new, |mutant| format!("{}: ", mutant.name));
    let rounds = Rounds { seed, mode, kinds, build, out: &out, label: &label };
    let (system, clock) = rounds.start().await;
    for round in 0..rounds_max {
        let (_, verdict) = rounds.play(&system, clock, round).await;
        if !verdict.violations.is_empty() {
            let mut checks: Vec<&str> = verdict.violations.iter().map(|violation| violation.check).collect();
            checks.retain(|check| !OF_TIME.contains(check));
            if checks.is_empty() {
                continue;
            }
            checks.sort_unstable();
            checks.dedup();
            return Some((checks.join(", "), round));
        }
    }
    None
}
