//! What a refusal and a win cost in larger houses, and beside a thousand other events. The bare server runs between all
//! slices: costs are held against its rate of the same minute.

mod full;
mod reads;

use self::full::{Full, HOT_SEATS, Rejects, fill, rejects, wins};
use super::{
    bare::BareProcess,
    contender::unwanted_figure,
    house::House,
    lab::{CONNECTIONS, Lab},
    outcome::{Audited, Axis, Bound, Figure, Kind, Outcome, Plot, Series},
    reject::{LONG_HOLD, reserve},
    rounds::Spread,
};
use crate::{client::Connections, error::Error};

/// How much more a refusal may cost in the largest house beside all events than in the smallest one alone.
const COST_MAX: f64 = 1.1;
const SIZES: [u32; 3] = [HOT_SEATS, 10_000, 100_000];
const SIZES_QUICK: [u32; 3] = [HOT_SEATS, 5_000, 30_000];
const EVENTS: usize = 1_000;
const EVENTS_QUICK: usize = 200;
/// What one number of events showed.
struct Stage {
    events: usize,
    rejects: Rejects,
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
    figures.push(unwanted_figure([&alone, &few.rejects, &many.rejects].map(|rejects| rejects.unwanted)));
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
            format!(
                "All seats are held. {HOT_SEATS} of them are wanted, as in the scenario reject: the load stays the same \
                 while the house and the number of events grow; and, where it says so, any seat of the house."
            ),
            "A cost is the bare server's rate of the same round through ours; a win's is its median time with one call \
             at a time."
                .into(),
            "Times of board, snapshot and rebuild are of one caller on an otherwise idle system.".into(),
        ],
    })
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

fn figures(alone: &Rejects, few: &Stage, many: &Stage, sizes: [u32; 3]) -> Vec<Figure> {
    let least = alone.cost(0).median;
    let last = sizes.len() - 1;
    let through = |spread: Spread| Spread {
        median: spread.median / least,
        range: spread.range.map(|cost| cost / least),
    };
    let (largest, smallest) = (format!("{} seats and {} events", sizes[last], many.events), sizes[0]);
    let hot = format!("a reject at {largest} / at {smallest} seats and 1 event");
    let mut figures = vec![
        Figure::spread(hot, through(many.rejects.cost(last)), "").bounded(Bound::AtMost(COST_MAX)),
        Figure::single(
            "the same, by CPU time of service and Redis",
            many.rejects.cpu_us(last) / alone.cpu_us(0),
            "",
        ),
        Figure::spread("the same, any seat of the house", through(many.rejects.cost_anywhere(last)), ""),
        Figure::spread(format!("cost of a reject: {smallest} seats, 1 event"), alone.cost(0), "x bare"),
    ];
    for stage in [few, many] {
        for (house, seats) in sizes.into_iter().enumerate() {
            let name = format!("cost of a reject: {seats} seats, {} events", stage.events);
            figures.push(Figure::spread(name.clone(), stage.rejects.cost(house), "x bare"));
            if house > 0 {
                let anywhere = stage.rejects.cost_anywhere(house);
                figures.push(Figure::spread(format!("{name}, any seat"), anywhere, "x bare"));
            }
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
        let points = points.map(|(house, seats)| [f64::from(*seats), stage.rejects.cost(house).median]);
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
