//! What a refusal and a win cost in larger houses, and beside a thousand other events. The bare server runs between all
//! slices: costs are held against its rate of the same minute.

mod reads;

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use super::{
    bare::BareProcess,
    contender::Contender,
    house::House,
    lab::{CONNECTIONS, Lab},
    load::Slice,
    outcome::{Audited, Axis, Bound, Figure, Kind, Outcome, Plot, Series},
    reject::{LONG_HOLD, reserve, reserve_many},
    reserver::{Pick, Won},
    rounds::{Rounds, Spread, alternate},
};
use crate::{client::Connections, error::Error, ledger::Record};

/// How much more a refusal may cost in the largest house beside all events than in the smallest one alone.
const COST_MAX: f64 = 1.1;
const SIZES: [u32; 3] = [100, 10_000, 100_000];
const SIZES_QUICK: [u32; 3] = [100, 5_000, 30_000];
const EVENTS: usize = 1_000;
const EVENTS_QUICK: usize = 200;
/// Seats taken in one call, when a house is filled: the most of one reservation.
const FILL_SEATS: u32 = 50;
const FILLS_AT_ONCE: usize = 32;
/// Wins of one house, one after the other.
const WINS: u32 = 100;

/// An event that is full, and what its customers were told.
struct Full {
    seats: u32,
    event: String,
    record: Record,
}

/// What one number of events showed.
struct Stage {
    events: usize,
    /// The bare server first, then the houses.
    rejects: Rounds,
    /// Microseconds of a win, one at a time, by house.
    wins_us: Vec<Spread>,
}

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    let (sizes, events) = (lab.pick(SIZES, SIZES_QUICK), lab.pick(EVENTS, EVENTS_QUICK));
    let mut audits = Vec::new();
    lab.progress.step("growth: one event");
    let mut houses = vec![fill(lab, sizes[0]).await?];
    let bare = BareProcess::start(&reserve(lab, &houses[0].event, 0).await).await?;
    let to_bare = bare.connect(CONNECTIONS).await?;
    // Nothing but this one event exists now.
    let alone = rejects(lab, &bare, &to_bare, &houses).await?;

    for seats in &sizes[1..] {
        lab.progress.step(format!("growth: filling {seats} seats"));
        houses.push(fill(lab, *seats).await?);
    }
    let few = stage(lab, &bare, &to_bare, &houses, &mut audits).await?;
    lab.progress.step(format!("growth: making {events} events"));
    let others = House { seats: sizes[0], limit: 8, hold_ttl: LONG_HOLD };
    let others = lab.create(others, events.saturating_sub(houses.len())).await?;
    let many = stage(lab, &bare, &to_bare, &houses, &mut audits).await?;
    let many = Stage { events, ..many };

    lab.forget(&others).await?;
    let largest = houses.last().ok_or(Error::LoadStuck)?;
    let mut figures = figures(&alone, &few, &many, sizes);
    figures.extend(reads::figures(lab, &largest.event, largest.seats).await?);
    lab.progress.step("growth: audits");
    for house in &houses {
        audits.push(lab.audit(&house.event, Some(&house.record)).await?);
    }
    let ids: Vec<_> = houses.into_iter().map(|house| house.event).collect();
    lab.forget(&ids).await?;
    Ok(Outcome {
        scenario: "growth",
        about: format!(
            "Reserve in full houses of {} to {} seats, and of free seats there, alone and beside {events} events",
            sizes[0], sizes[2]
        ),
        figures,
        plots: vec![plot(&few, &many, sizes)],
        audits,
        notes: vec![
            "A cost is the bare server's rate of the same round through ours; a win's is its median time with one call \
             at a time."
                .into(),
            "Times of board, snapshot and rebuild are of one caller on an otherwise idle system.".into(),
        ],
    })
}

/// An event of which every seat is held.
async fn fill(lab: &Lab, seats: u32) -> Result<Full, Error> {
    let house = House { seats, limit: 10_000, hold_ttl: LONG_HOLD };
    let event = lab.create(house, 1).await?.remove(0);
    let mut record = lab.record(&event);
    let (mut fills, mut next) = (JoinSet::new(), 0);
    let ttl_ms = i64::try_from(LONG_HOLD.as_millis()).unwrap_or(i64::MAX);
    loop {
        while next < seats && fills.len() < FILLS_AT_ONCE {
            let these: Vec<_> = (next..seats.min(next + FILL_SEATS)).collect();
            let customer = (next / FILL_SEATS) as usize % lab.customers.len();
            fills.spawn(reserve_many(lab, &event, these, customer));
            next += FILL_SEATS;
        }
        let Some(done) = fills.join_next().await else { break };
        let (customer, answer) = done.map_err(|_| Error::LoadStuck)??;
        let (id, grant) = Won { customer, answer }.into_grant(&lab.customers, ttl_ms);
        record.grants.insert(id, grant);
    }
    Ok(Full { seats, event, record })
}

/// Refusals in each house, in turn with the bare server.
async fn rejects(
    lab: &Lab,
    bare: &BareProcess,
    to_bare: &Connections,
    houses: &[Full],
) -> Result<Rounds, Error> {
    let [redis, _] = lab.store_processes();
    let hot = |house: &Full| Pick::Hot { event: Arc::from(house.event.as_str()), seats: house.seats };
    let first = hot(houses.first().ok_or(Error::LoadStuck)?);
    let mut contenders =
        vec![Contender::new("bare", 1, to_bare, [bare.process(), redis], &lab.customers, &first)];
    for (number, house) in (2..).zip(houses) {
        let processes = [lab.a.process, redis];
        let contender =
            Contender::new("ours", number, &lab.a.connections, processes, &lab.customers, &hot(house));
        contenders.push(contender);
    }
    let slice = lab.pick(Slice::of_ms(300, 1_500), Slice::of_ms(100, 400));
    let rounds = alternate(contenders.len(), lab.pick(4, 2), async |number, round| {
        lab.progress.step(format!("growth: refusals, {} houses, round {}", houses.len(), round + 1));
        contenders[number].slice(slice).await
    });
    rounds.await
}

/// Refusals and wins in houses of all sizes, with the events that there are.
async fn stage(
    lab: &Lab,
    bare: &BareProcess,
    to_bare: &Connections,
    houses: &[Full],
    audits: &mut Vec<Audited>,
) -> Result<Stage, Error> {
    let rejects = rejects(lab, bare, to_bare, houses).await?;
    let mut wins_us = Vec::new();
    let mut free = Vec::new();
    for house in houses {
        lab.progress.step(format!("growth: wins in {} seats", house.seats));
        let empty = House { seats: house.seats, limit: 10_000, hold_ttl: LONG_HOLD };
        let event = lab.create(empty, 1).await?.remove(0);
        wins_us.push(wins(lab, &event, audits).await?);
        free.push(event);
    }
    lab.forget(&free).await?;
    Ok(Stage { events: houses.len(), rejects, wins_us })
}

/// Wins one seat after the other: microseconds each.
async fn wins(lab: &Lab, event: &str, audits: &mut Vec<Audited>) -> Result<Spread, Error> {
    let ttl_ms = i64::try_from(LONG_HOLD.as_millis()).unwrap_or(i64::MAX);
    let (mut record, mut took_us) = (lab.record(event), Vec::new());
    for seat in 0..WINS {
        let begin = Instant::now();
        let answer = reserve(lab, event, seat).await.map_err(super::house::refused("Reserve"))?;
        took_us.push(begin.elapsed().as_secs_f64() * 1e6);
        let (id, grant) = Won { customer: 0, answer }.into_grant(&lab.customers, ttl_ms);
        record.grants.insert(id, grant);
    }
    audits.push(lab.audit(event, Some(&record)).await?);
    let all = Spread::of(&took_us);
    // The worst of a hundred says more of the machine than of the house.
    took_us.sort_by(f64::total_cmp);
    let range = [took_us[took_us.len() / 10], took_us[took_us.len() * 9 / 10]];
    Ok(Spread { range, ..all })
}

/// The bare server's rate through that of a house: what a call costs, in calls of the bare server.
fn cost(rounds: &Rounds, house: usize) -> Spread {
    rounds.ratio(0, house + 1)
}

fn figures(alone: &Rounds, few: &Stage, many: &Stage, sizes: [u32; 3]) -> Vec<Figure> {
    let least = cost(alone, 0).median;
    let last = sizes.len() - 1;
    let grown = cost(&many.rejects, last);
    let grown = Spread { median: grown.median / least, range: grown.range.map(|cost| cost / least) };
    let name = format!(
        "a reject at {} seats and {} events / at {} seats and 1 event",
        sizes[last], many.events, sizes[0]
    );
    let mut figures = vec![
        Figure::spread(name, grown, "").bounded(Bound::AtMost(COST_MAX)),
        Figure::spread(format!("cost of a reject: {} seats, 1 event", sizes[0]), cost(alone, 0), "x bare"),
    ];
    for stage in [few, many] {
        for (house, seats) in sizes.into_iter().enumerate() {
            let name = format!("cost of a reject: {seats} seats, {} events", stage.events);
            figures.push(Figure::spread(name, cost(&stage.rejects, house), "x bare"));
        }
    }
    for stage in [few, many] {
        for (seats, us) in sizes.into_iter().zip(&stage.wins_us) {
            let name = format!("a win, one at a time: {seats} seats, {} events", stage.events);
            figures.push(Figure::spread(name, *us, "µs"));
        }
    }
    figures
}

fn plot(few: &Stage, many: &Stage, sizes: [u32; 3]) -> Plot {
    let series = |stage: &Stage| {
        let points = sizes.iter().enumerate();
        let points = points.map(|(house, seats)| [f64::from(*seats), cost(&stage.rejects, house).median]);
        Series { name: format!("{} events", stage.events), points: points.collect() }
    };
    Plot {
        title: "Cost of a reject".into(),
        x: Axis { label: "seats".into(), log: true },
        y: Axis { label: "times the bare server's".into(), log: false },
        kind: Kind::Lines,
        series: vec![series(few), series(many)],
    }
}
