//! What happened in the sale, in numbers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::client::{Level, Refusal};

/// Latencies above this are counted as this.
const LATENCY_US_MAX: u64 = 60_000_000;

/// The calls of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rpc {
    /// Take seats.
    Reserve,
    /// Hold them longer.
    Extend,
    /// Give a hold back.
    Release,
    /// Buy.
    Confirm,
    /// Give a booking back.
    Cancel,
}

/// The numbers of a run that is under way; shared by its customers.
pub(super) struct Tally {
    counts: Mutex<Counts>,
}

/// The numbers so far.
#[derive(Clone)]
pub(super) struct Counts {
    /// Reserves of new seats; repeats of the same call are not counted.
    pub(super) attempts: u64,
    /// Attempts that got their seats.
    pub(super) wins: u64,
    /// Holds made longer.
    pub(super) extends: u64,
    /// Holds turned into bookings.
    pub(super) confirms: u64,
    /// Holds given back.
    pub(super) releases: u64,
    /// Holds left to run out.
    pub(super) ran_out: u64,
    /// Bookings given back.
    pub(super) cancels: u64,
    /// Customers who went home without seats.
    pub(super) went_home: u64,
    /// Customers who are done.
    pub(super) done: u64,
    /// Calls whose outcome stayed open after all repeats.
    pub(super) left_open: u64,
    /// Calls sent again on purpose, answered the same.
    pub(super) same_again: u64,
    /// Refusals that a sale brings with it, by call, level and reason.
    pub(super) refusals: BTreeMap<(Rpc, Level, String), u64>,
    /// All other errors, by call and name.
    pub(super) errors: BTreeMap<(Rpc, String), u64>,
    /// Microseconds of Reserves that got their seats.
    pub(super) reserve_won: Histogram<u64>,
    /// Microseconds of Reserves that were refused.
    pub(super) reserve_refused: Histogram<u64>,
    /// Microseconds of Confirms that were acknowledged.
    pub(super) confirm: Histogram<u64>,
    /// The last answer to a Reserve.
    pub(super) last_reserve: Option<Instant>,
}

impl Tally {
    /// All zero.
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .unwrap_or_else(|_| unreachable!("the bounds and three digits are allowed"));
        let counts = Counts {
            attempts: 0,
            wins: 0,
            extends: 0,
            confirms: 0,
            releases: 0,
            ran_out: 0,
            cancels: 0,
            went_home: 0,
            done: 0,
            left_open: 0,
            same_again: 0,
            refusals: BTreeMap::new(),
            errors: BTreeMap::new(),
            reserve_won: histogram.clone(),
            reserve_refused: histogram.clone(),
            confirm: histogram,
            last_reserve: None,
        };
        Self { counts: Mutex::new(counts) }
    }

    /// Counts something.
    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.lock());
    }

    /// Counts an answer and how long it took.
    pub(super) fn answered(&self, rpc: Rpc, took: Duration, refusal: Option<&Refusal>) {
        let mut counts = self.lock();
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX);
        if rpc == Rpc::Reserve {
            counts.last_reserve = Some(Instant::now());
        }
        match (rpc, refusal) {
            (Rpc::Reserve, None) => counts.reserve_won.saturating_record(us),
            (Rpc::Confirm, None) => counts.confirm.saturating_record(us),
            (Rpc::Reserve, Some(refusal)) if refusal.is_business() => {
                counts.reserve_refused.saturating_record(us);
            }
            _ => {}
        }
        let Some(refusal) = refusal else { return };
        if refusal.is_business() {
            *counts.refusals.entry((rpc, refusal.level, refusal.name())).or_default() += 1;
        } else {
            *counts.errors.entry((rpc, format!("{:?} {}", refusal.code, refusal.name()))).or_default() += 1;
        }
    }

    /// The numbers so far.
    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    // A panic of one customer must not hide the numbers of the others.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Refusals of one call.
    pub(super) fn refused(&self, rpc: Rpc) -> u64 {
        self.refusals.iter().filter(|((call, ..), _)| *call == rpc).map(|(_, count)| count).sum()
    }

    /// Errors of all calls.
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn refusal(code: Code, reason: &str, level: Level) -> Refusal {
        Refusal { code, reason: reason.into(), level, retry_after: None, message: String::new() }
    }

    #[test]
    fn refusals_are_kept_apart_from_errors() {
        let tally = Tally::new();
        let took = Duration::from_millis(2);
        tally.answered(Rpc::Reserve, took, None);
        let taken = refusal(Code::FailedPrecondition, "SEAT_UNAVAILABLE", Level::Gate);
        tally.answered(Rpc::Reserve, took, Some(&taken));
        tally.answered(Rpc::Confirm, took, Some(&refusal(Code::Aborted, "SEAT_LOST", Level::Vault)));
        tally.answered(Rpc::Confirm, took, Some(&refusal(Code::Unavailable, "OVERLOADED", Level::Gate)));

        let counts = tally.counts();
        assert_eq!((counts.refused(Rpc::Reserve), counts.refused(Rpc::Confirm), counts.failed()), (1, 1, 1));
        assert_eq!(counts.refusals[&(Rpc::Confirm, Level::Vault, "SEAT_LOST".into())], 1);
        assert_eq!(counts.errors[&(Rpc::Confirm, "Unavailable OVERLOADED".into())], 1);
        let measured = [&counts.reserve_won, &counts.reserve_refused, &counts.confirm].map(Histogram::len);
        assert_eq!(measured, [1, 1, 0], "an error is no latency");
        assert!((1990..2010).contains(&counts.reserve_won.max()));
    }
}
