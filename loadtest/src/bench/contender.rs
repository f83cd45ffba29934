//! Who is measured by Reserve in a closed loop: the service, or the bare server, by the same callers.

use std::{
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    load::{Answer, Counts, Slice, Worker, closed, per_second},
    outcome::{Axis, Bound, Figure, Kind, Plot, Series},
    reserver::{Customer, Pick, Reserver, Sample, Won},
    rounds::{Rounds, Spread},
};
use crate::{
    client::Connections,
    error::Error,
    process::{Process, Processes},
};

/// Calls in flight on each connection: many enough that nobody waits for work, and far below what is shed.
pub(crate) const IN_FLIGHT_EACH: usize = 64;
/// Between the names of the callers of two crews.
pub(crate) const NAMES_EACH: u64 = 1 << 16;

/// See the file. The callers are kept over slices.
pub(crate) struct Contender<W = Reserver> {
    /// In the table.
    pub(crate) name: &'static str,
    crew: Vec<W>,
    /// What it is measured by: only these answers count.
    wanted: Answer,
    processes: Vec<(&'static str, Processes)>,
    /// All answers of all slices.
    pub(crate) counts: Counts,
    /// CPU time a call in microseconds, slice by slice, of each of the processes.
    cpu_us: Vec<Vec<f64>>,
}

impl<W: Worker> Contender<W> {
    /// `processes` are watched, those of them that run on this machine.
    pub(crate) fn of(
        name: &'static str,
        wanted: Answer,
        crew: Vec<W>,
        processes: impl IntoIterator<Item = (&'static str, Processes)>,
    ) -> Self {
        let known = processes.into_iter().filter(|(_, processes)| !processes.is_empty());
        let client = Processes::from(Some(Process::numbered(process::id())));
        let processes: Vec<_> = known.chain([("the client", client)]).collect();
        let cpu_us = vec![Vec::new(); processes.len()];
        Self { name, crew, wanted, processes, counts: Counts::default(), cpu_us }
    }

    /// Calls for a slice of time: calls a second that were answered as wanted.
    ///
    /// # Errors
    /// A call is never answered, or there was nothing left to ask for.
    pub(crate) async fn slice(&mut self, slice: Slice) -> Result<f64, Error> {
        let crew = std::mem::take(&mut self.crew);
        let (run, cpu) = tokio::join!(closed(crew, slice), watch(&self.processes, slice));
        let (counts, crew) = run?;
        self.crew = crew;
        let answered = counts.of(self.wanted);
        for (all, used) in self.cpu_us.iter_mut().zip(cpu) {
            all.extend(used.map(|cpu| cpu.as_secs_f64() * 1e6 / answered.max(1) as f64));
        }
        self.counts.add(&counts);
        if counts.idle > 0 {
            return Err(Error::OutOfSeats(self.name));
        }
        Ok(per_second(answered, slice.length))
    }

    /// Its callers.
    pub(crate) fn crew(&mut self) -> &mut [W] {
        &mut self.crew
    }

    /// CPU time a call, of each process.
    pub(crate) fn cpu_figures(&self) -> Vec<Figure> {
        let measured = self.processes.iter().zip(&self.cpu_us).filter(|(_, each)| !each.is_empty());
        let figure = |whose: &str, each: &[f64]| {
            Figure::spread(format!("{}: CPU of {whose}", self.name), Spread::of(each), "µs/call")
        };
        measured.map(|((whose, _), each)| figure(whose, each)).collect()
    }

    /// CPU time a call of all but the client, in microseconds.
    pub(crate) fn system_cpu_us(&self) -> f64 {
        let system = self.cpu_us.iter().take(self.cpu_us.len() - 1); // The client is the last.
        system.map(|each| Spread::of(each)).filter(|all| all.median.is_finite()).map(|all| all.median).sum()
    }

    /// How many of its calls were answered otherwise.
    pub(crate) fn unwanted(&self) -> u64 {
        self.counts.answered() - self.counts.of(self.wanted)
    }

    /// What has to be said of its failures.
    pub(crate) fn failures(&self) -> Option<String> {
        self.counts.complaint().map(|complaint| format!("{}: calls failed: {complaint}.", self.name))
    }
}

/// CPU time that each process uses in the counted part of a slice. On a busy machine the looks come late: what was
/// used between them is taken for the slice's length.
async fn watch(processes: &[(&'static str, Processes)], slice: Slice) -> Vec<Option<Duration>> {
    let look = || processes.iter().map(|(_, process)| (Instant::now(), process.cpu())).collect::<Vec<_>>();
    sleep(slice.warm_up).await;
    let before = look();
    sleep(slice.length).await;
    let used =
        |((began, before), (ended, after)): ((Instant, Option<Duration>), (Instant, Option<Duration>))| {
            let share = slice.length.as_secs_f64() / ended.duration_since(began).as_secs_f64();
            Some(after?.saturating_sub(before?).mul_f64(share))
        };
    before.into_iter().zip(look()).map(used).collect()
}

impl Contender {
    /// Callers of Reserve on all connections. `number` tells contenders apart.
    pub(crate) fn new(
        name: &'static str,
        wanted: Answer,
        number: u64,
        connections: &Connections,
        [server, redis]: [Processes; 2],
        customers: &Arc<[Customer]>,
        pick: &Pick,
    ) -> Self {
        let crew = Reserver::crew(connections, IN_FLIGHT_EACH, customers, pick, number * NAMES_EACH);
        Self::of(name, wanted, crew, [("the server", server), ("Redis", redis)])
    }

    /// From now on asks for these seats.
    pub(crate) fn pick(&mut self, pick: &Pick) {
        for caller in &mut self.crew {
            caller.pick(pick);
        }
    }

    /// What it was granted since it was asked last.
    pub(crate) fn take_won(&mut self) -> Vec<Won> {
        self.crew.iter_mut().flat_map(|caller| std::mem::take(&mut caller.won)).collect()
    }

    /// What was read of its refusals.
    pub(crate) fn sample(&self) -> Sample {
        let mut all = Sample::default();
        for caller in &self.crew {
            all.add(&caller.sample);
        }
        all
    }

    /// What has to be said of its answers.
    pub(crate) fn notes(&self) -> Vec<String> {
        let other = self
            .sample()
            .other
            .map(|other| format!("{}: refused for another reason than a taken seat: {other}.", self.name));
        self.failures().into_iter().chain(other).collect()
    }
}

impl Figure {
    /// A median of rounds.
    pub(crate) fn spread(name: impl Into<String>, spread: Spread, unit: &'static str) -> Self {
        Self { name: name.into(), value: spread.median, unit, spread: Some(spread.range), bound: None }
    }

    /// A single value.
    pub(crate) fn single(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, spread: None, bound: None }
    }

    /// With what it has to be.
    pub(crate) fn bounded(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }
}

/// How many calls were answered otherwise than wanted: cheap answers must not pass for dear ones.
pub(crate) fn unwanted_figure(unwanted: impl IntoIterator<Item = u64>) -> Figure {
    let all: u64 = unwanted.into_iter().sum();
    Figure::single("calls answered otherwise", all as f64, "calls").bounded(Bound::AtMost(0.0))
}

/// The rates of all contenders over the rounds.
pub(crate) fn rounds_plot(title: &str, unit: &str, names: &[&str], rounds: &Rounds) -> Plot {
    let series = names.iter().enumerate().map(|(contender, name)| {
        let points = (1..).zip(rounds.each(contender)).map(|(round, value)| [f64::from(round), *value]);
        Series { name: (*name).to_owned(), points: points.collect() }
    });
    let axis = |label: &str| Axis { label: label.to_owned(), log: false };
    Plot {
        title: title.to_owned(),
        x: axis("round"),
        y: axis(unit),
        kind: Kind::Bars,
        series: series.collect(),
    }
}

/// How long a slice of a scenario is, in full or in a hurry.
pub(crate) fn slice(quick: bool) -> Slice {
    if quick { Slice::of_ms(200, 700) } else { Slice::of_ms(500, 3_000) }
}
