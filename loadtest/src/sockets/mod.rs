//! Many WebSockets that mostly wait, and what each of them costs the gateway in memory.

mod crowd;
mod delays;
pub(crate) mod files;
mod frame;
mod reader;
mod sight;
mod writer;

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep};

pub(crate) use self::{
    crowd::{Crowd, Gateway},
    delays::{Change, no_delays},
    frame::Position,
    writer::position,
};
use self::{sight::Counts, writer::Writer};
use crate::{cli::Sockets, error::Error, process::Process, report};

/// A gateway that has more than this at the start had sockets before, and keeps their memory for the next.
pub(crate) const FRESH_BYTES_MAX: u64 = 48 << 20;
/// The 99th percentile of the delay from the call of Reserve to the frame, and up to how many sockets that is promised.
const DELAY_MAX: Duration = Duration::from_millis(150);
const DELAY_SOCKETS_MAX: usize = 1_000;
/// What an idle socket may cost.
const BYTES_PER_SOCKET_MAX: u64 = 8 * 1024;
/// One socket is open while the memory is measured for the first time: what all of them share is there then.
const FIRST_SETTLE: Duration = Duration::from_secs(3);
/// After all sockets were opened, for snapshots to be sent.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(60);
/// How long two heartbeats may take; the gateway says one each 15 s unless it is told otherwise.
const HEARTBEATS_WAIT: Duration = Duration::from_secs(90);
const CHANGES_WAIT: Duration = Duration::from_secs(30);

/// Opens the sockets, measures, and looks whether they are still served. True where all is within its bound.
pub(crate) async fn run(options: &Sockets) -> Result<bool, Error> {
    let gateway = Gateway::find(&options.gateway, &options.event, options.binary).await?;
    let process =
        options.pid.map(Process::numbered).or_else(|| Process::listening_on(gateway.address().port()));
    let memory = || process.and_then(Process::resident).ok_or(Error::Process);
    let writer = Writer::connect(options).await?;
    let allowed = files::allow(options.sockets);
    let wanted = options.sockets as usize;
    if allowed < wanted {
        report::print(format_args!(
            "only {allowed} sockets: this process may not open more files (ulimit -Hn)"
        ))?;
    }
    let wanted = wanted.min(allowed);

    let mut crowd = Crowd::new(gateway, 1)?;
    crowd.open(1).await?;
    crowd.wait(SNAPSHOT_WAIT, |crowd| crowd.counts().snapshots == 1).await;
    sleep(FIRST_SETTLE).await;
    let before = memory()?;

    let begin = Instant::now();
    crowd.open(wanted).await?;
    crowd.wait(SNAPSHOT_WAIT, |crowd| crowd.counts().snapshots == wanted).await;
    report::print(format_args!("{} sockets in {:.1} s", crowd.len(), begin.elapsed().as_secs_f64()))?;
    sleep(Duration::from_secs(options.idle.into())).await;
    crowd.wait(HEARTBEATS_WAIT, |crowd| crowd.counts().two_heartbeats == wanted).await;
    let idle = memory()?;
    crowd.record();
    let changes = writer.change().await?;
    let version = writer.position().await?;
    crowd.wait(CHANGES_WAIT, |crowd| crowd.counts().at(version) == wanted).await;
    let active = memory()?;

    let served = show_served(wanted, &crowd.counts(), version)?;
    let delays = crowd.record().unwrap_or_default().delays(&changes)?;
    let quick = show_delay(wanted, &delays, (changes.len() * wanted) as u64)?;
    let lean = show_memory(wanted, [before, idle, active])?;
    Ok(served && quick && lean)
}

/// How many sockets are served as they should be.
fn show_served(wanted: usize, counts: &Counts, version: (u64, u64)) -> Result<bool, Error> {
    let numbers = [
        ("are open", counts.open),
        ("got hello and a snapshot, and no gap since", counts.snapshots),
        ("got two heartbeats", counts.two_heartbeats),
        ("got the last change", counts.at(version)),
    ];
    let verdict = |count| if count == wanted { "OK" } else { "MISSING" };
    let rows: Vec<_> =
        numbers.map(|(name, count)| row(name, count.to_string(), wanted.to_string(), verdict(count))).into();
    report::print(report::table(&["sockets that ...", "measured", "wanted", "verdict"], &rows))?;
    Ok(numbers.iter().all(|(_, count)| *count == wanted))
}

/// How long changes took: so many times one was to reach a socket.
fn show_delay(sockets: usize, delays: &Histogram<u64>, wanted: u64) -> Result<bool, Error> {
    let at = |part: f64| (!delays.is_empty()).then(|| Duration::from_micros(delays.value_at_quantile(part)));
    let ms = |delay: Duration| format!("{:.1} ms", delay.as_secs_f64() * 1_000.0);
    let told = |part| at(part).map_or_else(|| "none".to_owned(), ms);
    let promised = sockets <= DELAY_SOCKETS_MAX;
    let (good, verdict) = judge_delay(promised, delays.len() == wanted, at(0.99));
    let rows = [
        row("times that a socket saw a change", delays.len().to_string(), wanted.to_string(), ""),
        row("half of all", told(0.5), String::new(), ""),
        row("99 of 100", told(0.99), if promised { ms(DELAY_MAX) } else { String::new() }, verdict),
        row("all", told(1.0), String::new(), ""),
    ];
    report::print(report::table(
        &["delay from the call of Reserve", "measured", "wanted", "verdict"],
        &rows,
    ))?;
    Ok(good)
}

/// Nothing is quick that never came.
fn judge_delay(promised: bool, all_came: bool, p99: Option<Duration>) -> (bool, &'static str) {
    match p99 {
        Some(p99) if all_came && promised && p99 > DELAY_MAX => (false, "OVER"),
        Some(_) if all_came => (true, if promised { "OK" } else { "" }),
        _ => (false, "MISSING"),
    }
}

/// What the sockets cost: with one of them, with all of them idle, and after changes.
fn show_memory(sockets: usize, [before, idle, active]: [u64; 3]) -> Result<bool, Error> {
    let fresh = before <= FRESH_BYTES_MAX;
    let each = |bytes: u64| bytes.saturating_sub(before) / (sockets as u64 - 1).max(1);
    let kib = |bytes: u64| format!("{:.1} KiB", bytes as f64 / 1024.0);
    let verdict = |bytes| match (fresh, bytes <= BYTES_PER_SOCKET_MAX) {
        (false, _) => "NOT FRESH",
        (true, true) => "OK",
        (true, false) => "OVER",
    };
    let bound = || kib(BYTES_PER_SOCKET_MAX);
    let rows = [
        row("all of it, with one socket", kib(before), String::new(), ""),
        row("with all, idle", kib(idle), String::new(), ""),
        row("with all, after changes", kib(active), String::new(), ""),
        row("an idle socket", kib(each(idle)), bound(), verdict(each(idle))),
        row("a socket after changes", kib(each(active)), bound(), verdict(each(active))),
    ];
    report::print(report::table(&["the gateway's memory", "measured", "wanted", "verdict"], &rows))?;
    if !fresh {
        report::print("The gateway had sockets before and keeps their memory for the next: start it anew.")?;
    }
    Ok(fresh && [idle, active].into_iter().all(|bytes| each(bytes) <= BYTES_PER_SOCKET_MAX))
}

fn row(name: &str, measured: String, wanted: String, verdict: &str) -> Vec<String> {
    vec![name.to_owned(), measured, wanted, verdict.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_good_only_where_each_socket_saw_each_change() {
        let (quick, slow) = (Some(DELAY_MAX), Some(DELAY_MAX * 2));
        assert_eq!(judge_delay(true, true, quick), (true, "OK"));
        assert_eq!(judge_delay(true, true, slow), (false, "OVER"));
        assert_eq!(judge_delay(false, true, slow), (true, ""));
        for promised in [true, false] {
            assert_eq!(judge_delay(promised, false, quick), (false, "MISSING"));
            assert_eq!(judge_delay(promised, true, None), (false, "MISSING"));
        }
    }
}
