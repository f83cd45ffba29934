//! The same sale on other stores: what each way to run them costs, against one Redis and one PostgreSQL in the same run.

use std::sync::Arc;

use super::{
    book::{self, Booker},
    contender::{Contender, rounds_plot, slice, unwanted_figure},
    house::House,
    lab::Lab,
    load::Answer,
    outcome::{Audited, Figure, Outcome},
    reject::LONG_HOLD,
    reserver::Pick,
    rounds::{Rounds, alternate},
    stock::{Stock, Told},
};
use crate::{
    cli::{Bench, Mode, Server},
    error::Error,
};

const SEATS: u32 = 100_000;
const SEATS_QUICK: u32 = 50_000;
const LIMIT: u32 = 10_000;
/// More than any slice can win or book.
const SLICE_SEATS: u64 = 180_000;
const SLICE_SEATS_QUICK: u64 = 45_000;
/// Events at the beginning.
const EVENTS: usize = 2;
/// Bookings in flight on each connection.
const IN_FLIGHT_EACH: usize = 64;

/// See the file. Without a mode there is nothing to compare.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    let mut others = Vec::new();
    for mode in &lab.options.modes {
        lab.progress.step(format!("modes: connecting to {}", mode.name));
        others
            .push((mode.name.as_str(), Lab::open(&on(&lab.options, mode), Arc::clone(&lab.progress)).await?));
    }
    let labs = std::iter::once(("single", lab)).chain(others.iter().map(|(name, lab)| (*name, lab)));
    let mut sides = Vec::new();
    for (name, lab) in labs {
        sides.push(Side::new(name, lab).await?);
    }
    let count = lab.pick(4, 2);
    let wins = alternate(sides.len(), count, async |number, round| {
        lab.progress.step(format!("modes: wins, round {}, {}", round + 1, sides[number].name));
        sides[number].win().await
    });
    let wins = wins.await?;
    let bookings = alternate(sides.len(), count, async |number, round| {
        lab.progress.step(format!("modes: bookings, round {}, {}", round + 1, sides[number].name));
        sides[number].book().await
    });
    let bookings = bookings.await?;

    let mut figures = ratios(&sides, &wins, &bookings);
    figures.push(unwanted_figure(sides.iter().map(Side::unwanted)));
    let names: Vec<_> = sides.iter().map(|side| side.name).collect();
    let plots = vec![
        rounds_plot("Wins by round", "calls/s", &names, &wins),
        rounds_plot("Bookings by round", "bookings/s", &names, &bookings),
    ];
    let notes = sides.iter().flat_map(Side::failures).collect();
    let mut audits = Vec::new();
    for side in sides {
        audits.extend(side.audit().await?);
    }
    Ok(Outcome {
        scenario: "modes",
        about: "Reserve of a free seat; and Reserve, then Confirm: closed loops on each kind of stores in turn, each with \
                one replica and with its servers on this machine"
            .into(),
        figures,
        plots,
        audits,
        notes,
    })
}

/// The same options, for a system on other stores.
fn on(options: &Bench, mode: &Mode) -> Bench {
    let (stores, servers) = (mode.stores.clone(), mode.servers.clone());
    Bench { target: mode.target.clone(), target_b: None, stores, servers, ..options.clone() }
}

/// Of each mode against the first, then the rates and the CPU of all.
fn ratios(sides: &[Side<'_>], wins: &Rounds, bookings: &Rounds) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (number, side) in sides.iter().enumerate().skip(1) {
        let name = side.name;
        figures.push(Figure::spread(format!("{name}: wins / single"), wins.ratio(number, 0), ""));
        figures.push(Figure::spread(format!("{name}: bookings / single"), bookings.ratio(number, 0), ""));
    }
    for (number, side) in sides.iter().enumerate() {
        let name = side.name;
        figures.push(Figure::spread(format!("{name}: wins"), wins.of(number), "calls/s"));
        figures.push(Figure::spread(format!("{name}: bookings"), bookings.of(number), "bookings/s"));
        figures.extend(side.cpu_figures());
    }
    figures
}

/// One kind of stores.
struct Side<'a> {
    name: &'a str,
    lab: &'a Lab,
    stock: Stock<'a>,
    winners: Contender,
    bookers: Contender<Booker>,
}

impl<'a> Side<'a> {
    async fn new(name: &'a str, lab: &'a Lab) -> Result<Self, Error> {
        let house = House { seats: lab.pick(SEATS, SEATS_QUICK), limit: LIMIT, hold_ttl: LONG_HOLD };
        let mut stock = Stock::new(lab, house, EVENTS);
        let seats = stock.refill(1).await?;
        let (to, pick) = (&lab.a, Pick::Fresh(seats.clone()));
        let processes = [to.process.into(), lab.processes_of(Server::Redis)];
        let winners =
            Contender::new("wins", Answer::Granted, 1, &to.connections, processes, &lab.customers, &pick);
        Ok(Self { name, lab, stock, winners, bookers: book::new_crew(lab, 1, IN_FLIGHT_EACH, &seats) })
    }

    async fn win(&mut self) -> Result<f64, Error> {
        let seats = self.stock.refill(self.lab.pick(SLICE_SEATS, SLICE_SEATS_QUICK)).await?;
        self.winners.pick(&Pick::Fresh(seats));
        self.winners.slice(slice(self.lab.options.quick)).await
    }

    async fn book(&mut self) -> Result<f64, Error> {
        let seats = self.stock.refill(self.lab.pick(SLICE_SEATS, SLICE_SEATS_QUICK)).await?;
        for booker in self.bookers.crew() {
            booker.pick(&Pick::Fresh(seats.clone()));
        }
        self.bookers.slice(slice(self.lab.options.quick)).await
    }

    fn unwanted(&self) -> u64 {
        self.winners.unwanted() + self.bookers.unwanted()
    }

    fn cpu_figures(&self) -> impl Iterator<Item = Figure> {
        let figures = self.winners.cpu_figures().into_iter().chain(self.bookers.cpu_figures());
        figures.map(|figure| Figure { name: format!("{}: {}", self.name, figure.name), ..figure })
    }

    fn failures(&self) -> Vec<String> {
        let failures = self.winners.failures().into_iter().chain(self.bookers.failures());
        failures.map(|failure| format!("{}: {failure}", self.name)).collect()
    }

    async fn audit(mut self) -> Result<Vec<Audited>, Error> {
        let won = self.winners.take_won().into_iter().map(Told::held);
        let booked = self.bookers.crew().iter_mut().flat_map(Booker::take_told);
        self.stock.audit(won.chain(booked).collect::<Vec<_>>()).await
    }
}
