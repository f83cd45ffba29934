//! Customers who book, cancel, and book again: the same few seats, so that order matters.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use testkit::calls::{Caller, until_definite};
use tokio::task::JoinSet;

use crate::support::{wait_until, world::hold_ttl};

/// For what takes a JVM a while.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// Each on seats of its own.
const CUSTOMERS: u32 = 4;
const SEATS_EACH: u32 = 2;
pub(super) const EVENTS: [&str; 3] = ["jazz", "opera", "rock"];

/// Load that runs until it is stopped.
pub(super) struct Load {
    customers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    booked: Arc<AtomicU32>,
}

/// The events that it needs, with their sales open.
pub(super) async fn open_events(caller: &Caller) {
    for event in EVENTS {
        caller.open_event(event, CUSTOMERS * SEATS_EACH, hold_ttl(Duration::from_secs(60))).await;
    }
}

impl Load {
    pub(super) fn start(caller: &Caller) -> Self {
        let (stop, booked) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let mut customers = JoinSet::new();
        for event in EVENTS {
            for place in 0..CUSTOMERS {
                let (caller, stop, booked) = (caller.clone(), Arc::clone(&stop), Arc::clone(&booked));
                let seats: Vec<u32> = (place * SEATS_EACH..(place + 1) * SEATS_EACH).collect();
                customers.spawn(async move {
                    for round in 0.. {
                        let last = stop.load(Ordering::Relaxed);
                        book(&caller, event, &format!("ann-{place}-{round}"), &seats, last).await;
                        booked.fetch_add(1, Ordering::Relaxed);
                        if last {
                            return;
                        }
                    }
                });
            }
        }
        Self { customers, stop, booked }
    }

    /// Waits for so many further bookings.
    pub(super) async fn go_on(&self, bookings: u32) {
        let wanted = self.booked.load(Ordering::Relaxed) + bookings;
        wait_until("bookings go on", LIMIT, async || self.booked.load(Ordering::Relaxed) >= wanted).await;
    }

    /// Ends it: each customer keeps a last booking.
    pub(super) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.customers.join_next().await {
            ended.unwrap();
        }
    }
}

/// A booking, which is cancelled unless it is to be kept.
async fn book(caller: &Caller, event: &str, customer: &str, seats: &[u32], keep: bool) {
    let held = until_definite(|| caller.reserve(event, customer, "r", seats)).await.unwrap();
    let booking = until_definite(|| caller.confirm(&held, "pay")).await.unwrap();
    if !keep {
        until_definite(|| caller.cancel(&booking)).await.unwrap();
    }
}
