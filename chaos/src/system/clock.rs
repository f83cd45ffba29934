//! The run's clock, the gate's clock beside it, and clocks that are wrong.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use crate::history::GateClock;

/// How often the gate's clock is read for one comparison.
const READS: u32 = 5;
/// How long one reading may take.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// Microseconds since the run began.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn us(self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }

    /// How far the gate's clock is ahead of this one. None where Redis does not answer.
    pub(crate) async fn compare(self, redis: &mut MultiplexedConnection) -> Option<GateClock> {
        let mut narrowest: Option<GateClock> = None;
        for _ in 0..READS {
            let before = self.us() as i64;
            let ask = redis::cmd("TIME");
            let read = timeout(READ_LIMIT, ask.query_async::<(i64, i64)>(redis)).await;
            let Ok(Ok((seconds, micros))) = read else { continue };
            let after = self.us() as i64;
            let gate = seconds * 1_000_000 + micros;
            let clock = GateClock { ahead_us_min: gate - after, ahead_us_max: gate - before };
            let width = |clock: GateClock| clock.ahead_us_max - clock.ahead_us_min;
            if narrowest.is_none_or(|best| width(clock) < width(best)) {
                narrowest = Some(clock);
            }
        }
        narrowest
    }
}

/// Two comparisons as one.
pub(crate) fn widest(first: GateClock, last: GateClock) -> GateClock {
    GateClock {
        ahead_us_min: first.ahead_us_min.min(last.ahead_us_min),
        ahead_us_max: first.ahead_us_max.max(last.ahead_us_max),
    }
}

/// Of clocks that were set, in all by so much: a hold's end is off by no more than that, on whichever clock it was told,
/// however often it was carried over to another.
pub(crate) fn shaken(clock: GateClock, jumps_us: i64) -> GateClock {
    GateClock { ahead_us_min: clock.ahead_us_min - jumps_us, ahead_us_max: clock.ahead_us_max + jumps_us }
}

/// Shifts the clocks of processes: a small library that is loaded before all others.
pub(crate) struct Skew(Option<PathBuf>);

impl Skew {
    /// Compiles the library; without a C compiler all clocks are right.
    pub(crate) fn compile(folder: &Path) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/skew/skew.c");
        let library = folder.join("skew.so");
        let compiled =
            Command::new("cc").args(["-O2", "-shared", "-fPIC", source, "-o"]).arg(&library).status();
        Self(compiled.is_ok_and(|status| status.success()).then_some(library))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// What a process whose clock is so far ahead finds in its environment.
    pub(crate) fn environment(&self, ahead_ms: i64) -> Vec<(String, String)> {
        let Some(library) = &self.0 else { return Vec::new() };
        vec![
            ("LD_PRELOAD".into(), library.display().to_string()),
            ("TE_SKEW_MS".into(), ahead_ms.to_string()),
        ]
    }
}
