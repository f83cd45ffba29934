//! How long a large house takes to be shown, and to be rebuilt.

use std::time::{Duration, Instant};

use ticketengine::v1::{GetSeatMapRequest, WatchSeatsRequest};
use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::{
    bench::{house::refused, lab::Lab, outcome::Figure, reject::reserve_at_gate, rounds::Spread},
    error::Error,
};

const SNAPSHOTS: usize = 10;
/// For Reserve to be answered again by the gate.
const REBUILD_WAIT: Duration = Duration::from_secs(30);
const TRY_EVERY: Duration = Duration::from_millis(5);

/// The times of an event with so many seats.
pub(super) async fn figures(lab: &Lab, event: &str, seats: u32) -> Result<Vec<Figure>, Error> {
    lab.progress.step(format!("growth: board, snapshots and a rebuild of {seats} seats"));
    let board = board(lab, event).await?;
    let mut snapshots = Vec::new();
    for _ in 0..SNAPSHOTS {
        snapshots.push(snapshot(lab, event).await?);
    }
    let rebuild = timeout(REBUILD_WAIT, rebuild(lab, event)).await;
    let rebuild = rebuild.map_err(|_| Error::Overdue("the rebuild of an event"))??;
    Ok(vec![
        Figure::single(format!("board of {seats} seats: first answer of WatchSeats"), board, "ms"),
        Figure::spread(format!("snapshot of {seats} seats: GetSeatMap"), Spread::of(&snapshots), "ms"),
        Figure::single(format!("rebuild of {seats} held seats: Reserve is answered again"), rebuild, "ms"),
    ])
}

fn ms_since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

/// On the replica without level 0, where there is one: nobody has watched the event there.
async fn board(lab: &Lab, event: &str) -> Result<f64, Error> {
    let mut client = lab.b.as_ref().unwrap_or(&lab.a).connections.booking(0);
    let begin = Instant::now();
    let request = WatchSeatsRequest { event_id: event.to_owned(), known: None };
    let mut stream = client.watch_seats(request).await.map_err(refused("WatchSeats"))?.into_inner();
    let first = stream.message().await.map_err(refused("WatchSeats"))?;
    first.map(|_| ms_since(begin)).ok_or(Error::Incomplete("WatchSeats", "a first message"))
}

async fn snapshot(lab: &Lab, event: &str) -> Result<f64, Error> {
    let begin = Instant::now();
    let request = GetSeatMapRequest { event_id: event.to_owned(), states_only: true };
    lab.a.connections.booking(0).get_seat_map(request).await.map_err(refused("GetSeatMap"))?;
    Ok(ms_since(begin))
}

/// As after a restart of Redis: all keys are there, and nobody knows whether the last holds are.
async fn rebuild(lab: &Lab, event: &str) -> Result<f64, Error> {
    let node = lab.nodes.of(event).await?;
    let meta = lab.nodes.key(event, "meta");
    let epoch = redis::cmd("HGET").arg(&meta).arg("epoch").to_owned();
    let before: u64 = node.ask(&epoch).await?;
    node.ask::<()>(redis::cmd("HSET").arg(&meta).arg("incarnation").arg("another")).await?;
    let begin = Instant::now();
    loop {
        match reserve_at_gate(lab, event, 0).await {
            Ok(_) => return Err(Error::HoldLost(event.to_owned())),
            Err(status) if status.code() == Code::Unavailable => sleep(TRY_EVERY).await,
            Err(_) => break,
        }
    }
    let took_ms = ms_since(begin);
    // Who answers before must have asked another gate.
    let after: u64 = node.ask(&epoch).await?;
    if after > before { Ok(took_ms) } else { Err(Error::Incomplete("the rebuild", "a new epoch")) }
}
