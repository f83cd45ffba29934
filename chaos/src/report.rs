//! What a run has shown, in numbers.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use crate::{
    check::Verdict,
    faults::Kind,
    history::{Answer, History},
    system::Mode,
};

/// The sum of all rounds.
pub(crate) struct Report {
    seed: u64,
    mode: Mode,
    rounds: u64,
    broken: Vec<u64>,
    calls: BTreeMap<&'static str, u64>,
    acts: u64,
    sights: u64,
    faults: BTreeMap<String, u64>,
    looked_at: BTreeMap<&'static str, u64>,
    violations: BTreeMap<&'static str, u64>,
    /// In ms after the heal: replicas, gateways; and seats after the end of the sale.
    served: BTreeMap<&'static str, Histogram<u64>>,
    pub(crate) not_possible: Vec<&'static str>,
}

impl Report {
    /// Of a run with these kinds of faults.
    pub(crate) fn new(seed: u64, mode: Mode, kinds: &[Kind]) -> Self {
        Self {
            seed,
            mode,
            rounds: 0,
            broken: Vec::new(),
            calls: BTreeMap::new(),
            acts: 0,
            sights: 0,
            faults: kinds.iter().map(|kind| (kind.name().to_owned(), 0)).collect(),
            looked_at: BTreeMap::new(),
            violations: BTreeMap::new(),
            served: BTreeMap::new(),
            not_possible: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, number: u64, history: &History, verdict: &Verdict) {
        self.rounds += 1;
        for call in &history.calls {
            let kind = match &call.answer {
                Answer::Reservation(_) | Answer::Booking(_) => "ok",
                Answer::Refused(_) => "fail",
                Answer::Unknown(_) => "unknown",
            };
            *self.calls.entry(kind).or_default() += 1;
        }
        self.acts += history.siege.acts.len() as u64;
        self.sights += history.watchers.iter().map(|watcher| watcher.seen.len() as u64).sum::<u64>();
        for fault in &history.faults {
            *self.faults.entry(fault.kind.clone()).or_default() += 1;
        }
        for (check, count) in &verdict.looked_at {
            *self.looked_at.entry(check).or_default() += count;
        }
        for violation in &verdict.violations {
            *self.violations.entry(violation.check).or_default() += 1;
        }
        if !verdict.violations.is_empty() {
            self.broken.push(number);
        }
        let recovery = &history.recovery;
        for (part, at) in &recovery.served {
            let part = if part.starts_with("replica") { "replicas" } else { "gateways" };
            self.took(part, *at, recovery.healed_us);
        }
        for (_, at) in &recovery.reclaimed {
            self.took("seats", *at, recovery.load_ended_us);
        }
    }

    fn took(&mut self, part: &'static str, at_us: Option<u64>, since_us: u64) {
        let Some(at_us) = at_us else { return };
        let times =
            self.served.entry(part).or_insert_with(|| Histogram::new(3).expect("3 digits are allowed"));
        times.saturating_record(at_us.saturating_sub(since_us) / 1_000);
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// The summary, as Markdown.
    pub(crate) fn print(&self, took: Duration) {
        println!("\nseed {}, {} rounds in {} s\n", self.seed, self.rounds, took.as_secs());
        println!("| what | count |\n|---|---|");
        for (kind, count) in &self.calls {
            println!("| calls, {kind} | {count} |");
        }
        println!("| statements of the siege | {} |", self.acts);
        println!("| messages of watchers | {} |", self.sights);
        println!("| faults | {} |", self.faults.values().sum::<u64>());
        println!("| violations | {} |", self.violations.values().sum::<u64>());
        println!("\n| fault | times |\n|---|---|");
        for (kind, count) in
            self.faults.iter().filter(|(kind, _)| !self.not_possible.contains(&kind.as_str()))
        {
            println!("| {kind} | {count} |");
        }
        for kind in &self.not_possible {
            println!("| {kind} | not possible on this machine |");
        }
        println!("\n| recovery, ms | count | p50 | p99 | max |\n|---|---|---|---|---|");
        for (part, times) in &self.served {
            let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
            println!("| {} | {} | {p50} | {p99} | {} |", meaning(part), times.len(), times.max());
        }
        println!("\n| check | looked at | violations |\n|---|---|---|");
        for (check, count) in &self.looked_at {
            println!("| {check} | {count} | {} |", self.violations.get(check).unwrap_or(&0));
        }
        if !self.broken.is_empty() {
            println!(
                "\nBROKEN in rounds {:?}; one again: --mode {} --seed {} --round N --rounds 1",
                self.broken,
                self.mode.name(),
                self.seed
            );
        }
    }
}

fn meaning(part: &str) -> &'static str {
    match part {
        "replicas" => "a replica serves a whole life of a reservation, after the heal",
        "gateways" => "a gateway shows fresh seats to a new socket, after the heal",
        _ => "a seat is granted to a newcomer, after the sale",
    }
}
