//! Reserve, then Confirm: a booking that is durable when it is acknowledged.

use std::sync::Arc;

use ticketengine::v1::{ConfirmRequest, booking_service_client::BookingServiceClient};
use tonic::transport::Channel;

use super::{
    ceiling::{CLIENTS, PgBench},
    contender::{Contender, NAMES_EACH, rounds_plot, unwanted_figure},
    house::House,
    lab::{CONNECTIONS, Lab},
    load::{Answer, Slice, Worker},
    outcome::{Bound, Figure, Outcome},
    reject::LONG_HOLD,
    reserver::{Customer, Dispenser, Pick, Reserver, answer_of},
    rounds::{Rounds, alternate},
    stock::{Stock, Told},
};
use crate::{cli::Server, client::Refusal, error::Error, ledger::Call};

/// The least multiple of pgbench's bookings.
const RATIO_MIN: f64 = 1.5;
const SEATS: u32 = 100_000;
const LIMIT: u32 = 10_000;
/// More than any slice can book.
const SLICE_SEATS: u64 = 95_000;
/// Bookings in flight on each connection; the best of them is measured.
const IN_FLIGHT_EACH: [usize; 3] = [32, 64, 128];

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    lab.progress.step("book: making houses");
    let mut stock = Stock::new(lab, House { seats: SEATS, limit: LIMIT, hold_ttl: LONG_HOLD }, 1);
    let script = std::env::temp_dir().join(format!("ticketengine-bench-{}.sql", std::process::id()));
    let pgbench = PgBench::prepare(&lab.stores().database_url, script).await?;
    let done = measure(lab, &mut stock, &pgbench).await;
    pgbench.remove().await?;
    let Measured { rounds, mut crews, best, clients, tried } = done?;

    let mut figures = vec![
        Figure::spread("bookings / pgbench", rounds.ratio(1, 0), "").bounded(Bound::AtLeast(RATIO_MIN)),
        Figure::spread("bookings", rounds.of(1), "bookings/s"),
        Figure::spread("pgbench, five statements each", rounds.of(0), "bookings/s"),
    ];
    figures.push(unwanted_figure(crews.iter().map(Contender::unwanted)));
    figures.extend(crews[best].cpu_figures());
    figures.extend(tried);
    let mut notes: Vec<_> = crews.iter().filter_map(Contender::failures).collect();
    let width = IN_FLIGHT_EACH[best] * usize::from(CONNECTIONS);
    notes
        .push(format!("Best of what was tried: {width} bookings in flight; pgbench with {clients} clients."));
    let booked = crews.iter_mut().flat_map(|crew| crew.crew().iter_mut().flat_map(Booker::take_told));
    let audits = stock.audit(booked.collect::<Vec<_>>()).await?;
    Ok(Outcome {
        scenario: "book",
        about:
            "Reserve of a free seat, then Confirm, closed loop; against pgbench with a transaction of five \
                statements a booking on the same PostgreSQL"
                .into(),
        figures,
        plots: vec![rounds_plot("Bookings by round", "bookings/s", &["pgbench", "ours"], &rounds)],
        audits,
        notes,
    })
}

struct Measured {
    /// pgbench, then we.
    rounds: Rounds,
    crews: Vec<Contender<Booker>>,
    /// Of the crews.
    best: usize,
    /// pgbench's best.
    clients: u32,
    /// What the others reached.
    tried: Vec<Figure>,
}

async fn measure(lab: &Lab, stock: &mut Stock<'_>, pgbench: &PgBench) -> Result<Measured, Error> {
    let slice = lab.pick(Slice::of_ms(500, 4_000), Slice::of_ms(200, 1_000));
    let look = lab.pick(Slice::of_ms(500, 2_000), Slice::of_ms(200, 800));
    let (mut crews, mut tried) = (Vec::new(), Vec::new());
    let (mut best, mut best_rate) = (0, 0.0);
    for (number, each) in IN_FLIGHT_EACH.into_iter().enumerate() {
        lab.progress.step(format!("book: looking for the best width: {each} on each connection"));
        let seats = stock.refill(SLICE_SEATS).await?;
        let mut crew = new_crew(lab, number, each, &seats);
        let rate = crew.slice(look).await?;
        crews.push(crew);
        tried.push(Figure::single(
            format!("tried: {} in flight", each * usize::from(CONNECTIONS)),
            rate,
            "bookings/s",
        ));
        if rate > best_rate {
            (best, best_rate) = (number, rate);
        }
    }
    let (mut clients, mut best_rate) = (CLIENTS[0], 0.0);
    for count in CLIENTS {
        lab.progress.step(format!("book: looking for the best pgbench: {count} clients"));
        let rate = pgbench.run(count, look.length).await?;
        tried.push(Figure::single(format!("tried: pgbench, {count} clients"), rate, "bookings/s"));
        if rate > best_rate {
            (clients, best_rate) = (count, rate);
        }
    }
    let rounds = alternate(2, lab.pick(4, 2), async |number, round| {
        lab.progress.step(format!("book: round {}, {}", round + 1, ["pgbench", "ours"][number]));
        if number == 0 {
            return pgbench.run(clients, slice.length).await;
        }
        let seats = stock.refill(SLICE_SEATS).await?;
        for booker in crews[best].crew() {
            booker.pick(&Pick::Fresh(Arc::clone(&seats)));
        }
        crews[best].slice(slice).await
    });
    let rounds = rounds.await?;
    Ok(Measured { rounds, crews, best, clients, tried })
}

/// Callers who reserve and confirm, so many on each connection. `number` tells crews apart.
pub(super) fn new_crew(lab: &Lab, number: usize, each: usize, seats: &Arc<Dispenser>) -> Contender<Booker> {
    let first = (number as u64 + 1) * NAMES_EACH;
    let pick = Pick::Fresh(Arc::clone(seats));
    let callers = Reserver::crew(&lab.a.connections, each, &lab.customers, &pick, first);
    let booker = |(number, reserver)| Booker {
        reserver,
        client: lab.a.connections.booking(number),
        customers: Arc::clone(&lab.customers),
        told: Vec::new(),
    };
    let stores = Server::ALL.map(|server| (server.name(), lab.processes_of(server)));
    let processes = [("the server", lab.a.process.into())].into_iter().chain(stores);
    Contender::of("ours", Answer::Granted, callers.into_iter().enumerate().map(booker).collect(), processes)
}

/// Reserves and confirms, one booking after the other.
pub(super) struct Booker {
    reserver: Reserver,
    client: BookingServiceClient<Channel>,
    customers: Arc<[Customer]>,
    told: Vec<Told>,
}

impl Booker {
    /// From now on asks for these seats.
    pub(super) fn pick(&mut self, pick: &Pick) {
        self.reserver.pick(pick);
    }

    /// What it was told since it was asked last.
    pub(super) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }
}

impl Worker for Booker {
    async fn call(&mut self) -> Answer {
        let answer = self.reserver.reserve().await;
        let Some(won) = self.reserver.won.pop() else { return answer };
        let id = won.answer.reservation.as_ref().map(|reservation| reservation.reservation_id.clone());
        let id = id.unwrap_or_default();
        let payment = format!("pay-{id}");
        let message = ConfirmRequest {
            reservation_id: id,
            payment_reference: payment.clone(),
            reservation_token: won.answer.reservation_token.clone(),
            customer_id: String::new(),
        };
        let request = self.customers[won.customer].token.request_without_deadline(message);
        let (answer, call) = match self.client.confirm(request).await {
            Ok(_) => (Answer::Granted, Call::Acked),
            Err(status) => {
                let answer = answer_of(&status);
                (answer, if Refusal::from(status).is_open() { Call::Unknown } else { Call::Refused })
            }
        };
        self.told.push(Told { won, confirm: Some((payment, call)) });
        answer
    }
}
