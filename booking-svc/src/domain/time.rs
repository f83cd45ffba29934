use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time: milliseconds since 1970-01-01 UTC. Whose clock it was read from is up to the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// How long from `now` until `self`; zero once it has passed.
    pub fn after(self, now: UnixMs) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - now.0).unwrap_or(0))
    }
}

impl Add<Duration> for UnixMs {
    type Output = UnixMs;

    fn add(self, duration: Duration) -> UnixMs {
        UnixMs(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub for UnixMs {
    type Output = i64;

    fn sub(self, other: UnixMs) -> i64 {
        self.0 - other.0
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
