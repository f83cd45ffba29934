//! How long changes take from the call that makes them to each socket.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::frame::{Frame, Position};
use crate::error::Error;

/// The longest delay that is told from longer ones, in microseconds.
const DELAY_US_MAX: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// An empty histogram of delays, in microseconds.
pub(crate) fn no_delays() -> Result<Histogram<u64>, Error> {
    Ok(Histogram::new_with_max(DELAY_US_MAX, DIGITS)?)
}

/// A change that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// Just before it was asked for.
    pub(crate) called: Instant,
    /// Where it is.
    pub(crate) at: Position,
}

/// What came to the sockets since the recording began.
pub(crate) struct Recording {
    begun: Instant,
    arrivals: Vec<Arrival>,
    newest: Position,
    /// Bytes of each frame of changes, once each, in the order in which they came first.
    pub(crate) frame_bytes: Vec<usize>,
    /// Where each seat was sold: the first position of which a frame says so.
    pub(crate) sold: HashMap<u32, Position>,
}

/// A frame led a socket to a new position. Millions are kept.
struct Arrival {
    from: Position,
    to: Position,
    us: u32,
}

/// From now on.
impl Default for Recording {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            arrivals: Vec::new(),
            newest: Position::default(),
            frame_bytes: Vec::new(),
            sold: HashMap::new(),
        }
    }
}

impl Recording {
    /// A frame that no socket had before.
    pub(super) fn first(&mut self, frame: &Frame, bytes: usize) {
        let Frame::Changes { at, sold, .. } = frame else { return };
        // A socket that is far behind may bring one back that was forgotten.
        if *at > self.newest {
            self.newest = *at;
            self.frame_bytes.push(bytes);
        }
        for seat in sold {
            let first = self.sold.entry(*seat).or_insert(*at);
            *first = (*first).min(*at);
        }
    }

    /// A socket got on.
    pub(super) fn arrived(&mut self, from: Position, to: Position, when: Instant) {
        let us = when.saturating_duration_since(self.begun).as_micros();
        self.arrivals.push(Arrival { from, to, us: u32::try_from(us).unwrap_or(u32::MAX) });
    }

    /// How long each change took to each socket that it reached, in microseconds.
    pub(crate) fn delays(&self, changes: &[Change]) -> Result<Histogram<u64>, Error> {
        let mut delays = no_delays()?;
        let mut changes = changes.to_vec();
        changes.sort_unstable_by_key(|change| change.at);
        for Arrival { from, to, us } in &self.arrivals {
            let first = changes.partition_point(|change| change.at <= *from);
            let when = self.begun + Duration::from_micros((*us).into());
            for change in changes[first..].iter().take_while(|change| change.at <= *to) {
                let delay = when.saturating_duration_since(change.called).as_micros();
                delays.saturating_record(u64::try_from(delay).unwrap_or(u64::MAX));
            }
        }
        Ok(delays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_arrives_once_at_a_socket_with_the_first_frame_that_has_it() {
        let mut recording = Recording::default();
        let ms = |ms| recording.begun + Duration::from_millis(ms);
        let changes = [Change { called: ms(10), at: (1, 7) }, Change { called: ms(0), at: (1, 6) }];
        let times = [ms(20), ms(30), ms(40)];
        recording.arrived((1, 5), (1, 6), times[0]);
        recording.arrived((1, 6), (1, 9), times[1]);
        // Another socket got both at once, by a snapshot.
        recording.arrived((0, 0), (1, 9), times[2]);
        let delays = recording.delays(&changes).unwrap();
        let ms: Vec<_> = delays.iter_recorded().map(|step| step.value_iterated_to() / 990).collect();
        assert_eq!((delays.len(), ms), (4, vec![20, 30, 40]));
    }

    #[test]
    fn a_seat_is_sold_where_a_frame_says_so_first() {
        let mut recording = Recording::default();
        let changes = |after, at| Frame::Changes { after: (1, after), at: (1, at), sold: vec![3] };
        recording.first(&changes(4, 9), 100);
        recording.first(&changes(4, 7), 50);
        recording.first(&changes(9, 10), 30);
        assert_eq!((recording.sold[&3], &*recording.frame_bytes), ((1, 7), &[100, 30][..]));
    }
}
