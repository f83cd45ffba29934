//! What booking-svc needs in memory with ten arenas on sale, watched and under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ticketengine::v1::WatchSeatsRequest;
use tokio::{task::JoinSet, time::sleep};

use super::{
    contender::{IN_FLIGHT_EACH, NAMES_EACH},
    house::{House, refused},
    lab::Lab,
    load::{Slice, closed},
    outcome::{Axis, Bound, Figure, Kind, Outcome, Plot, Series},
    reject::LONG_HOLD,
    reserver::{Dispenser, Pick, Reserver, Won},
    stock::{Stock, Told},
};
use crate::{error::Error, process::Process};

const MIB_MAX: f64 = 150.0;
const EVENTS: usize = 10;
const SEATS: u32 = 18_000;
/// Streams of WatchSeats on each event, as gateways would have.
const WATCHERS_EACH: usize = 4;
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MIB: f64 = 1_048_576.0;

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    let process = lab.a.process.ok_or(Error::NoProcess)?;
    lab.progress.step("memory: making ten arenas");
    let house = House { seats: SEATS, limit: 10_000, hold_ttl: LONG_HOLD };
    let mut stock = Stock::new(lab, house, EVENTS);
    let free = stock.refill(1).await?;
    let before = resident(process)?;
    let watchers = watch(lab, stock.events()).await?;

    lab.progress.step("memory: under load");
    let stop = Arc::new(AtomicBool::new(false));
    let looking = look(process, Arc::clone(&stop));
    let load = async {
        let won = sell(lab, &stock, &free).await;
        stop.store(true, Ordering::Relaxed);
        won
    };
    let (won, seen) = tokio::join!(load, looking);
    let (won, seen) = (won?, seen?);
    drop(watchers);
    let most = seen.iter().map(|point| point[1]).fold(0.0, f64::max);
    let granted = won.len();
    let audits = stock.audit(won.into_iter().map(Told::held)).await?;
    let axis = |label: &str| Axis { label: label.into(), log: false };
    Ok(Outcome {
        scenario: "memory",
        about: format!(
            "resident memory of booking-svc with {EVENTS} events of {SEATS} seats, {WATCHERS_EACH} watchers on each, \
             while seats are won and refused as fast as it goes"
        ),
        figures: vec![
            Figure::single("booking-svc under load, at most", most, "MiB").bounded(Bound::AtMost(MIB_MAX)),
            Figure::single("before the load", before, "MiB"),
            Figure::single("seats won meanwhile", granted as f64, "seats"),
        ],
        plots: vec![Plot {
            title: "Resident memory of booking-svc".into(),
            x: axis("time (s)"),
            y: axis("MiB"),
            kind: Kind::Lines,
            series: vec![Series { name: "booking-svc".into(), points: seen }],
        }],
        audits,
        notes: vec![
            "Measured before the other scenarios: a service that has served larger houses keeps them in its caches."
                .into(),
        ],
    })
}

/// Half of the callers win seats of all events, the other half are refused.
async fn sell(lab: &Lab, stock: &Stock<'_>, free: &Arc<Dispenser>) -> Result<Vec<Won>, Error> {
    let fresh = Pick::Fresh(Arc::clone(free));
    let mut crew = Reserver::crew(&lab.a.connections, IN_FLIGHT_EACH / 2, &lab.customers, &fresh, NAMES_EACH);
    for (number, event) in stock.events().iter().enumerate() {
        let hot = Pick::Hot { event: Arc::from(event.as_str()), seats: SEATS / 100 };
        let first = (number as u64 + 2) * NAMES_EACH;
        crew.extend(Reserver::crew(&lab.a.connections, 1, &lab.customers, &hot, first));
    }
    let length = lab.pick(Slice::of_ms(0, 10_000), Slice::of_ms(0, 3_000));
    let (_, crew) = closed(crew, length).await?;
    Ok(crew.into_iter().flat_map(|caller| caller.won).collect())
}

/// Streams that are read until they are dropped.
async fn watch(lab: &Lab, events: &[String]) -> Result<JoinSet<()>, Error> {
    let mut watchers = JoinSet::new();
    for (number, event) in events.iter().cycle().take(events.len() * WATCHERS_EACH).enumerate() {
        let request = WatchSeatsRequest { event_id: event.clone(), known: None };
        let mut client = lab.a.connections.booking(number);
        let mut stream = client.watch_seats(request).await.map_err(refused("WatchSeats"))?.into_inner();
        watchers.spawn(async move { while let Ok(Some(_)) = stream.message().await {} });
    }
    Ok(watchers)
}

/// Seconds and MiB, until it is told to stop.
async fn look(process: Process, stop: Arc<AtomicBool>) -> Result<Vec<[f64; 2]>, Error> {
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        seen.push([seen.len() as f64 * LOOK_EVERY.as_secs_f64(), resident(process)?]);
        sleep(LOOK_EVERY).await;
    }
    Ok(seen)
}

fn resident(process: Process) -> Result<f64, Error> {
    Ok(process.resident().ok_or(Error::NoProcess)? as f64 / MIB)
}
