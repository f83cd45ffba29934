//! A customer: reserves seats and goes on with them in one of the ways that people have, the wrong ones included.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

use super::{
    HOLD_TTL, HOT_SEATS, Round,
    caller::{Caller, Heard, Way},
    jitter,
};
use crate::history::{Answer, Asked, State};
use tonic::transport::Channel;

/// How often an unanswered call is repeated before its outcome is left open.
const ATTEMPTS_MAX: u32 = 6;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Who hangs up on purpose does so within this.
const HANG_UP: Duration = Duration::from_millis(30);
/// Between two attempts, and between two purchases.
const PAUSE: Duration = Duration::from_millis(150);
/// RetryInfo is obeyed up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_millis(400);
/// Purchases under one name: one that keeps bookings could buy no more at some point.
const PURCHASES_PER_NAME: u32 = 6;
const SEATS_MAX: u32 = 4;
/// Of hot seats: most want the first rows.
const FRONT_SEATS: u32 = 12;

/// Buys until the round is done.
pub(crate) async fn run(round: Round, client: u32, replicas: Vec<Channel>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    for purchase in 0.. {
        if round.done.is_cancelled() {
            return;
        }
        let customer = format!("c{client}-{}", purchase / PURCHASES_PER_NAME);
        let caller = Caller { round: round.clone(), client, customer, replicas: replicas.clone() };
        let mut shopper = Shopper { caller, random: &mut random };
        shopper.buy(purchase).await;
        let pause = jitter(&mut random, PAUSE);
        round.pause(pause).await;
    }
}

struct Shopper<'a> {
    caller: Caller,
    random: &'a mut StdRng,
}

/// A hold as its owner knows it.
struct Hold {
    id: String,
    token: String,
}

impl Shopper<'_> {
    async fn buy(&mut self, purchase: u32) {
        let asked = Asked::Reserve {
            customer: self.caller.customer.clone(),
            request: format!("r{purchase}"),
            seats: self.wish(),
        };
        let heard = self.insist(&asked, "").await;
        let (Answer::Reservation(reservation), Some(token)) = (heard.answer, heard.token) else { return };
        let mut hold = Hold { id: reservation.id, token };
        if self.random.random_bool(0.1) {
            // A repeat after the answer: the same reservation.
            self.repeat(&asked).await;
        }
        match self.random.random_range(0..100) {
            0..32 => self.confirm_and_maybe_cancel(&hold).await,
            32..48 => self.release(&hold).await,
            48..64 => {
                self.think().await;
                self.extend(&mut hold).await;
                self.confirm_and_maybe_cancel(&hold).await;
            }
            64..69 => self.confirm_late(&hold).await,
            69..76 => self.regret(&hold).await,
            76..92 => self.confirm_and_vanish(&hold).await,
            _ => self.look(&hold).await, // And walks away.
        }
    }

    async fn repeat(&mut self, asked: &Asked) {
        let replica = self.random.random_range(0..self.caller.replicas.len());
        let way = Way { replica, token: "", is_repeat: true, patience: PATIENCE };
        self.caller.attempt(asked, way).await;
    }

    fn wish(&mut self) -> Vec<u32> {
        let count = self.random.random_range(1..=SEATS_MAX);
        let range = if self.random.random_bool(0.5) { FRONT_SEATS } else { HOT_SEATS };
        let first = self.random.random_range(0..range.min(HOT_SEATS - count));
        (first..first + count).collect()
    }

    async fn confirm_and_maybe_cancel(&mut self, hold: &Hold) {
        if !matches!(self.confirm(hold).await, Answer::Booking(_)) {
            return;
        }
        self.think().await;
        // Most are cancelled: the house must not sell out.
        if self.random.random_bool(0.9) {
            self.insist(&Asked::Cancel { reservation: hold.id.clone() }, "").await;
        }
        if self.random.random_bool(0.3) {
            // The seats may be somebody else's by now.
            sleep(jitter(self.random, HOLD_TTL)).await;
            match self.random.random_range(0..3) {
                0 => drop(self.confirm(hold).await),
                1 => drop(self.insist(&Asked::Cancel { reservation: hold.id.clone() }, "").await),
                _ => self.look(hold).await,
            }
        }
    }

    async fn confirm(&mut self, hold: &Hold) -> Answer {
        let asked = Asked::Confirm { reservation: hold.id.clone(), payment: format!("pay-{}", hold.id) };
        self.insist(&asked, &hold.token).await.answer
    }

    async fn release(&mut self, hold: &Hold) {
        self.insist(&Asked::Release { reservation: hold.id.clone() }, &hold.token).await;
    }

    /// Asks once, and is never heard of again.
    async fn confirm_and_vanish(&mut self, hold: &Hold) {
        let asked = Asked::Confirm { reservation: hold.id.clone(), payment: format!("pay-{}", hold.id) };
        let replica = self.random.random_range(0..self.caller.replicas.len());
        let patience = jitter(self.random, HANG_UP * 10);
        self.caller.attempt(&asked, Way { replica, token: &hold.token, is_repeat: false, patience }).await;
    }

    /// Gives the hold back and then wants it after all.
    async fn regret(&mut self, hold: &Hold) {
        self.release(hold).await;
        sleep(jitter(self.random, HOLD_TTL)).await;
        if self.random.random_bool(0.3) {
            self.look(hold).await;
        }
        self.confirm(hold).await;
    }

    async fn confirm_late(&mut self, hold: &Hold) {
        sleep(HOLD_TTL + jitter(self.random, PAUSE)).await;
        self.confirm(hold).await;
    }

    async fn extend(&mut self, hold: &mut Hold) {
        let heard = self.insist(&Asked::Extend { reservation: hold.id.clone() }, &hold.token).await;
        if let Some(token) = heard.token {
            hold.token = token;
        }
    }

    async fn look(&mut self, hold: &Hold) {
        let heard = self.insist(&Asked::Look { reservation: hold.id.clone() }, &hold.token).await;
        if matches!(&heard.answer, Answer::Reservation(found) if found.state == State::Confirming) {
            sleep(jitter(self.random, HOLD_TTL)).await;
            self.insist(&Asked::Look { reservation: hold.id.clone() }, &hold.token).await;
        }
    }

    async fn think(&mut self) {
        let long = if self.random.random_bool(0.1) { HOLD_TTL / 2 } else { PAUSE };
        sleep(jitter(self.random, long)).await;
    }

    /// Asks until there is a definite answer, at another replica each time. Some hang up, some ask twice.
    async fn insist(&mut self, asked: &Asked, token: &str) -> Heard {
        let mut attempts = 0;
        loop {
            let hangs_up = attempts == 0 && self.random.random_bool(0.06);
            let patience = if hangs_up { jitter(self.random, HANG_UP) } else { PATIENCE };
            let replica = self.random.random_range(0..self.caller.replicas.len());
            let way = Way { replica, token, is_repeat: attempts > 0, patience };
            let heard = self.caller.attempt(asked, way).await;
            attempts += 1;
            let passes =
                matches!(&heard.answer, Answer::Refused(refusal) if refusal.reason == "CONFIRM_IN_PROGRESS");
            let is_open = passes || matches!(heard.answer, Answer::Unknown(_));
            if !is_open || attempts == ATTEMPTS_MAX {
                return heard;
            }
            let pause = heard.retry_after.unwrap_or(PAUSE).min(RETRY_AFTER_MAX);
            sleep(jitter(self.random, pause) + pause / 4).await;
        }
    }
}
