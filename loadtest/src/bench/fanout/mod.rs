//! A flash sale before many sockets: what a delivery costs the gateway, against write(2) of frames of the same lengths to as
//! many; how late changes come; and what an idle socket costs in memory.

mod ceiling;
mod figures;
mod sale;

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep};

pub(crate) use self::ceiling::serve as serve_writes;
use self::{
    ceiling::Ceiling,
    figures::{Measured, Slice},
    sale::Sold,
};
use super::{
    house::House,
    lab::Lab,
    outcome::Outcome,
    stock::{Stock, Told},
};
use crate::{
    error::Error,
    process::Process,
    sockets::{Crowd, FRESH_BYTES_MAX, Gateway, files, no_delays},
};

/// How many sockets there are; and for a quick look.
const SOCKETS: [u32; 2] = [10_000, 2_000];
/// The delays are those of one socket in so many, which are read at once. The others are read now and then: a client that reads
/// all of them at once takes as much of the shared cores as the gateway, and browsers are elsewhere.
const PROMPT_EVERY: usize = 8;
/// How often the gateway and write(2) are measured, one after the other.
const PAIRS: [u32; 2] = [4, 2];
/// How long a sale takes.
const SALE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(2)];
/// How long the sockets are idle before their memory is measured.
const IDLE: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(2)];
/// The seats of an arena.
const SEATS: u32 = 18_000;
/// Of a customer: each buys several.
const LIMIT: u32 = 100;
const HOLD_TTL: Duration = Duration::from_secs(60);
/// One socket is open while the memory is measured for the first time: what all of them share is there then.
const SETTLE: Duration = Duration::from_secs(3);
const SNAPSHOT_WAIT: Duration = Duration::from_secs(60);
/// After the last change.
const LAST_WAIT: Duration = Duration::from_secs(30);
/// The beginning of each sale, thrown away: caches and buffers are warm then.
const WARM: Duration = Duration::from_millis(500);

/// Both sides, ready.
struct Scene<'a> {
    lab: &'a Lab,
    event: String,
    sockets: usize,
    crowd: Crowd,
    process: Process,
    ceiling: Ceiling,
    plain: Crowd,
}

/// A sale before all sockets.
struct Sale {
    slice: Slice,
    /// Of the frames of changes.
    lengths: Vec<usize>,
    /// Of Reserve and Confirm.
    delays: [Histogram<u64>; 2],
    told: Vec<Told>,
    failed: usize,
}

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    let house = House { seats: SEATS, limit: LIMIT, hold_ttl: HOLD_TTL };
    let mut stock = Stock::new(lab, house, 1);
    stock.refill(1).await?;
    let event = stock.events()[0].clone();
    let (mut told, mut notes) = (Vec::new(), Vec::new());
    let (sockets, measured) = measure(lab, event, &mut told, &mut notes).await?;
    Ok(Outcome {
        scenario: "fanout",
        about: format!(
            "a sale before {sockets} sockets, each frame to all of them; against a process that only writes \
             frames of the same lengths to as many"
        ),
        figures: figures::figures(&measured),
        plots: figures::plots(&measured),
        audits: stock.audit(told).await?,
        notes,
    })
}

async fn measure(
    lab: &Lab,
    event: String,
    told: &mut Vec<Told>,
    notes: &mut Vec<String>,
) -> Result<(usize, Measured), Error> {
    let wanted = lab.pick(SOCKETS[0], SOCKETS[1]);
    let [sockets, written] = share(files::allow(wanted * 2), wanted as usize);
    if written < wanted as usize {
        notes.push(format!(
            "{sockets} sockets of the gateway and {written} of write(2): this process may not open more files \
             (ulimit -Hn)."
        ));
    }
    let gateway =
        Gateway::find(lab.options.gateway.as_deref().ok_or(Error::NoGateway)?, &event, false).await?;
    let process = Process::listening_on(gateway.address().port()).ok_or(Error::Process)?;
    let mut crowd = Crowd::new(gateway, PROMPT_EVERY)?;
    let idle = open(lab, &mut crowd, process, sockets, notes).await?;
    let ceiling = Ceiling::start(written).await?;
    let mut plain = Crowd::new(Gateway::plain(ceiling.address), PROMPT_EVERY)?;
    plain.open(written).await?;

    let mut scene = Scene { lab, event, sockets, crowd, process, ceiling, plain };
    let mut measured = Measured { idle, pairs: Vec::new(), delays: [no_delays()?, no_delays()?] };
    let (pairs, mut failed) = (lab.pick(PAIRS[0], PAIRS[1]), 0);
    for number in 0..pairs {
        lab.progress.step(format!("fanout: round {} of {pairs}", number + 1));
        let sale = scene.sell(number).await?;
        let written = scene.write(&sale.lengths, sale.slice.wall).await?;
        measured.pairs.push([sale.slice, written]);
        for (all, one) in measured.delays.iter_mut().zip(&sale.delays) {
            all.add(one)?;
        }
        told.extend(sale.told);
        failed += sale.failed;
    }
    if failed > 0 {
        notes.push(format!("{failed} bookings failed, and each wanted a free seat."));
    }
    Ok((sockets, measured))
}

/// How many sockets each side gets of those that may be opened. Where they are short by little, write(2) has to do with less.
fn share(allowed: usize, wanted: usize) -> [usize; 2] {
    let sockets = wanted.min(allowed * 51 / 100);
    [sockets, wanted.min(allowed - sockets)]
}

/// Opens all sockets. What an idle one costs in memory, in bytes.
async fn open(
    lab: &Lab,
    crowd: &mut Crowd,
    process: Process,
    sockets: usize,
    notes: &mut Vec<String>,
) -> Result<f64, Error> {
    lab.progress.step(format!("fanout: opening {sockets} sockets"));
    let memory = || process.resident().ok_or(Error::Process);
    let served = |crowd: &Crowd| crowd.counts().snapshots;
    crowd.open(1).await?;
    crowd.wait(SNAPSHOT_WAIT, |crowd| served(crowd) == 1).await;
    sleep(SETTLE).await;
    let before = memory()?;
    if before > FRESH_BYTES_MAX {
        notes.push(
            "The gateway had sockets before and keeps their memory for the next: start it anew.".into(),
        );
    }
    crowd.open(sockets).await?;
    if !crowd.wait(SNAPSHOT_WAIT, |crowd| served(crowd) == sockets).await {
        return Err(Error::Unserved { wanted: sockets, served: served(crowd) });
    }
    lab.progress.step("fanout: all sockets are idle");
    sleep(lab.pick(IDLE[0], IDLE[1])).await;
    Ok(memory()?.saturating_sub(before) as f64 / (sockets - 1).max(1) as f64)
}

impl Scene<'_> {
    async fn sell(&self, number: u32) -> Result<Sale, Error> {
        let time = self.lab.pick(SALE[0], SALE[1]);
        let begin = number * sale::seats(WARM + time);
        let [middle, end] = [WARM, WARM + time].map(|time| begin + sale::seats(time));
        let warm = sale::run(self.lab, &self.event, begin..middle).await?;
        self.all_have(&warm).await?;

        self.crowd.record();
        let (begun, cpu, deliveries) = (Instant::now(), self.cpu(self.process)?, self.crowd.deliveries());
        let mut sold = sale::run(self.lab, &self.event, middle..end).await?;
        let wall = begun.elapsed();
        self.all_have(&sold).await?;
        let slice = Slice {
            deliveries: self.crowd.deliveries() - deliveries,
            cpu: self.cpu(self.process)? - cpu,
            wall,
        };
        let recording = self.crowd.record().unwrap_or_default();
        let delays = [recording.delays(&sold.holds)?, recording.delays(&sold.bookings(&recording.sold))?];
        let mut told = warm.told;
        told.append(&mut sold.told);
        Ok(Sale { slice, lengths: recording.frame_bytes, delays, told, failed: warm.failed + sold.failed })
    }

    /// Waits until every socket has what was sold.
    async fn all_have(&self, sold: &Sold) -> Result<(), Error> {
        let (last, wanted) = (sold.last(), self.sockets);
        let served = |crowd: &Crowd| crowd.counts().at(last);
        if self.crowd.wait(LAST_WAIT, |crowd| served(crowd) == wanted).await {
            return Ok(());
        }
        Err(Error::Unserved { wanted, served: served(&self.crowd) })
    }

    /// Frames of these lengths by write(2), evenly over a time.
    async fn write(&mut self, lengths: &[usize], time: Duration) -> Result<Slice, Error> {
        let pause = time / u32::try_from(lengths.len().max(1)).unwrap_or(u32::MAX);
        let process = self.ceiling.process;
        let (begun, cpu, deliveries) = (Instant::now(), self.cpu(process)?, self.plain.deliveries());
        self.ceiling.write(pause, lengths).await?;
        let wall = begun.elapsed();
        let wanted = deliveries + (lengths.len() * self.plain.len()) as u64;
        self.plain.wait(LAST_WAIT, |plain| plain.deliveries() == wanted).await;
        let deliveries = self.plain.deliveries() - deliveries;
        Ok(Slice { deliveries, cpu: self.cpu(process)? - cpu, wall })
    }

    fn cpu(&self, process: Process) -> Result<Duration, Error> {
        process.cpu().ok_or(Error::Process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_about_as_many_sockets() {
        assert_eq!(share(1 << 20, 10_000), [10_000, 10_000]);
        assert_eq!(share(19_900, 10_000), [10_000, 9_900]);
        assert_eq!(share(4_000, 10_000), [2_040, 1_960]);
    }
}
