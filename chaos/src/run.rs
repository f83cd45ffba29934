//! Round after round until the time is over.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rand::Rng;
use tokio::task::spawn_blocking;

use crate::{
    check::{self, Verdict},
    cli::Run,
    faults::{
        Kind,
        make::not_possible,
        schedule::{self, describe},
    },
    history::History,
    report::Report,
    round::{self, Plan},
    system::{Build, Mode, System, clock::Clock},
};

/// Then stores and processes are made anew: their data shall not grow for an hour.
const ROUNDS_PER_ERA: u64 = 20;
/// Of the violations of a round that are shown.
const SHOWN_MAX: usize = 12;

/// True where every promise was kept.
pub(crate) async fn run(options: &Run) -> bool {
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    let build = options.programs.build(options.mutant);
    let kinds = if options.only.is_empty() { options.mode.kinds() } else { options.only.clone() };
    let mut report = Report::new(seed, options.mode, &kinds);
    let rounds = Rounds { seed, mode: options.mode, kinds, build, out: &options.programs.out, label: "" };
    println!("seed {seed}: the same faults come again with --seed {seed}");
    let (began, limit) = (Instant::now(), Duration::from_secs(options.minutes * 60));
    let mut era: Option<(System, Clock)> = None;
    for number in options.round.. {
        let done = number - options.round;
        if options.rounds.map_or(began.elapsed() >= limit, |rounds| done == rounds) {
            break;
        }
        if done.is_multiple_of(ROUNDS_PER_ERA) {
            drop(era.take());
            era = Some(rounds.start().await);
        }
        let (system, clock) = era.as_ref().expect("an era has begun");
        report.not_possible = not_possible(system);
        let (history, verdict) = rounds.play(system, *clock, number).await;
        report.add(number, &history, &verdict);
        if options.keep || !verdict.violations.is_empty() {
            keep(&history, &options.programs.out.join(format!("round-{number}.json")));
        }
    }
    report.print(began.elapsed());
    report.is_clean()
}

/// What all rounds of a run have in common.
pub(crate) struct Rounds<'a> {
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) build: Build,
    pub(crate) out: &'a Path,
    /// Stands before each line: of whom it is, where several run side by side.
    pub(crate) label: &'a str,
}

impl Rounds<'_> {
    /// A system for some rounds.
    pub(crate) async fn start(&self) -> (System, Clock) {
        (System::start(&self.build, self.mode, self.out).await, Clock::start())
    }

    /// One round, shown in a line, with its violations below it.
    pub(crate) async fn play(&self, system: &System, clock: Clock, number: u64) -> (History, Verdict) {
        let faults = schedule::of_round(self.seed, number, &self.kinds);
        let plan = Plan { name: format!("round-{number}"), seed: schedule::mixed(self.seed, number), faults };
        let history = round::run(system, &plan, clock).await;
        // It takes a while, in which another system's faults have to come in time.
        let judged = spawn_blocking(move || (check::check(&history), history)).await;
        let (verdict, history) = judged.expect("a check ends");
        let made: Vec<&str> = history.faults.iter().map(|fault| fault.kind.as_str()).collect();
        let calls = history.calls.len();
        println!(
            "{}round {number:>3}: {calls:>5} calls, {} violations; {}",
            self.label,
            verdict.violations.len(),
            made.join(", ")
        );
        for violation in verdict.violations.iter().take(SHOWN_MAX) {
            println!("    {} ({}): {}", violation.check, violation.promise, violation.what);
        }
        if !verdict.violations.is_empty() {
            println!("{}", describe(&plan.faults));
        }
        (history, verdict)
    }
}

fn keep(history: &History, path: &Path) {
    let text = serde_json::to_vec(history).expect("a history can be written");
    fs::write(path, text).expect("the folder of the results can be written to");
    println!("    its history: {}", path.display());
}

/// Checks a kept history once more.
pub(crate) fn check_file(path: &Path) -> bool {
    let text = fs::read(path).expect("the history can be read");
    let history: History = serde_json::from_slice(&text).expect("it is a history of this version");
    let verdict = check::check(&history);
    for violation in &verdict.violations {
        println!("{} ({}): {}", violation.check, violation.promise, violation.what);
    }
    for (check, count) in &verdict.looked_at {
        println!("{count:>8}  {check}");
    }
    verdict.violations.is_empty()
}
