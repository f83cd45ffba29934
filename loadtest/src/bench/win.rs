//! Every Reserve takes a free seat: what the gate's writes cost.

use std::sync::Arc;

use ticketengine::v1::ReserveResponse;

use super::{
    bare::BareProcess,
    ceiling::RedisBenchmark,
    contender::{Contender, rounds_plot, slice, unwanted_figure},
    house::{House, refused},
    lab::{CONNECTIONS, Lab},
    load::Answer,
    outcome::{Bound, Figure, Outcome},
    reject::{LONG_HOLD, reserve},
    reserver::Pick,
    rounds::{Rounds, alternate},
    stock::{Stock, Told},
};
use crate::{cli::Server, error::Error};

/// The least share of the bare server's rate.
const RATIO_MIN: f64 = 0.40;
/// Of each event; the most that the service allows.
const SEATS: u32 = 100_000;
const SEATS_QUICK: u32 = 50_000;
/// Events at the beginning; another one is made whenever the next slice could run out of seats.
const EVENTS: usize = 2;
/// More than any slice can win.
const SLICE_SEATS: u64 = 180_000;
const SLICE_SEATS_QUICK: u64 = 45_000;
/// Calls of one run of redis-benchmark.
const SCRIPT_CALLS: u64 = 100_000;
const SCRIPT_CALLS_QUICK: u64 = 30_000;
const LIMIT: u32 = 10_000;

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    let house = House { seats: lab.pick(SEATS, SEATS_QUICK), limit: LIMIT, hold_ttl: LONG_HOLD };
    lab.progress.step("win: making houses");
    let mut stock = Stock::new(lab, house, EVENTS);
    stock.refill(1).await?;
    let sample = lab.create(House { seats: 100, ..house }, 1).await?.remove(0);
    // Before its first grant: redis-benchmark works on copies of a fresh event.
    let script = RedisBenchmark::prepare(&lab.nodes, &sample).await?;
    let granted = reserve(lab, &sample, 0).await.map_err(refused("Reserve"))?;
    let (rounds, mut contenders) = duel(lab, &mut stock, &granted, &script).await?;

    let ratio = rounds.ratio(1, 0);
    let mut figures = vec![
        Figure::spread("wins / bare", ratio, "").bounded(Bound::AtLeast(RATIO_MIN)),
        Figure::spread("wins / redis-benchmark of the script", rounds.ratio(1, 2), ""),
        Figure::spread("wins", rounds.of(1), "calls/s"),
        Figure::spread("bare", rounds.of(0), "calls/s"),
        Figure::spread("redis-benchmark of the script", rounds.of(2), "calls/s"),
    ];
    figures.push(unwanted_figure(contenders.iter().map(Contender::unwanted)));
    figures.extend(contenders.iter().flat_map(Contender::cpu_figures));
    let notes = contenders.iter().flat_map(Contender::notes).collect();
    let won = contenders.iter_mut().flat_map(Contender::take_won).map(Told::held);
    let audits = stock.audit(won).await?;
    lab.forget(&[sample]).await?;
    Ok(Outcome {
        scenario: "win",
        about: format!(
            "Reserve of a free seat each time, by {} customers, closed loop on {CONNECTIONS} connections; against \
             a bare tonic server that gives the same answer, and against redis-benchmark running the same script",
            lab.customers.len()
        ),
        figures,
        plots: vec![rounds_plot("Wins by round", "calls/s", &["bare", "wins", "redis-benchmark"], &rounds)],
        audits,
        notes,
    })
}

/// The bare server, the service and redis-benchmark, in turn.
async fn duel(
    lab: &Lab,
    stock: &mut Stock<'_>,
    granted: &ReserveResponse,
    script: &RedisBenchmark,
) -> Result<(Rounds, Vec<Contender>), Error> {
    let bare = BareProcess::start(&Ok(granted.clone())).await?;
    let to_bare = bare.connect(CONNECTIONS).await?;
    let redis = lab.processes_of(Server::Redis);
    // The bare server does not look at the seat.
    let event = granted.reservation.as_ref().map(|reservation| Arc::from(reservation.event_id.as_str()));
    let any = Pick::Hot { event: event.unwrap_or_default(), seats: SEATS };
    let mut contenders = vec![
        Contender::new(
            "bare",
            Answer::Granted,
            1,
            &to_bare,
            [bare.process().into(), redis.clone()],
            &lab.customers,
            &any,
        ),
        Contender::new(
            "wins",
            Answer::Granted,
            2,
            &lab.a.connections,
            [lab.a.process.into(), redis],
            &lab.customers,
            &any,
        ),
    ];
    let calls = lab.pick(SCRIPT_CALLS, SCRIPT_CALLS_QUICK);
    let rounds = alternate(3, lab.pick(4, 2), async |number, round| {
        lab.progress.step(format!(
            "win: round {}, {}",
            round + 1,
            ["bare", "ours", "redis-benchmark"][number]
        ));
        let Some(contender) = contenders.get_mut(number) else { return script.run(calls).await };
        if number == 1 {
            let seats = stock.refill(lab.pick(SLICE_SEATS, SLICE_SEATS_QUICK)).await?;
            contender.pick(&Pick::Fresh(seats));
        }
        let rate = contender.slice(slice(lab.options.quick)).await?;
        if number == 0 {
            drop(contender.take_won());
        }
        Ok(rate)
    });
    Ok((rounds.await?, contenders))
}
