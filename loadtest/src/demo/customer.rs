//! One customer: comes, looks for seats, and does what it planned to do with them.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use fastrand::Rng;
use ticketengine::v1::{
    Booking, CancelRequest, ConfirmRequest, ExtendRequest, ReleaseRequest, Reservation, ReserveRequest,
};
use tokio::time::{Instant, sleep};

use super::{
    caller::Caller,
    plan::{Ending, Plan, TRIES_MAX, insists, think_time},
    sale::Sale,
};
use crate::{
    client::Refusal,
    error::Error,
    ledger::{Call, Grant},
};

/// Keeps the draws of neighbouring customers apart.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A customer in the sale.
pub(super) struct Customer {
    sale: Arc<Sale>,
    name: String,
    plan: Plan,
    rng: Rng,
    caller: Caller,
}

/// Seats that a customer holds.
struct Hold {
    id: String,
    seats: Vec<u32>,
    token: String,
    deadline_ms: i64,
}

/// Comes to the sale, and leaves it one way or another.
pub(super) async fn visit(sale: Arc<Sale>, number: u32) -> Result<(), Error> {
    let mut rng = Rng::with_seed(sale.seed ^ u64::from(number).wrapping_mul(SEED_STEP));
    let plan = Plan::draw(&mut rng, sale.length, sale.hold_ttl, sale.seats_per_customer);
    sleep(plan.arrives_after).await;

    let name = format!("{}{number}", sale.customer_prefix);
    let token = sale.minter.mint(&name)?;
    let caller = Caller::new(Arc::clone(&sale), token, rng.fork(), number as usize);
    let mut customer = Customer { sale: Arc::clone(&sale), name, plan, rng, caller };
    match customer.find_seats().await {
        Some(hold) => customer.decide(hold).await,
        None => sale.tally.count(|counts| counts.went_home += 1),
    }
    sale.tally.count(|counts| counts.done += 1);
    Ok(())
}

impl Customer {
    async fn find_seats(&mut self) -> Option<Hold> {
        let mut among_the_best = self.plan.among_the_best;
        for attempt in 0..TRIES_MAX {
            if Instant::now() >= self.sale.ends_at {
                break;
            }
            let view = Arc::clone(&self.sale.view.borrow());
            if let Some(seats) = view.pick(self.plan.party, among_the_best, &mut self.rng) {
                match self.reserve(seats, attempt).await {
                    Ok(hold) => return Some(hold),
                    Err(refusal) if refusal.reason == "CUSTOMER_LIMIT" => break,
                    Err(_) => {}
                }
            }
            among_the_best = among_the_best && insists(&mut self.rng);
            sleep(think_time(&mut self.rng)).await;
        }
        None
    }

    async fn reserve(&mut self, seats: Vec<u32>, attempt: u32) -> Result<Hold, Refusal> {
        self.sale.tally.count(|counts| counts.attempts += 1);
        let message = ReserveRequest {
            event_id: self.sale.event.clone(),
            seat_ids: seats.clone(),
            request_id: format!("{}-{attempt}", self.name),
            customer_id: String::new(),
        };
        let (reservation, token) = self.send_reserve(&message, false).await?;
        self.sale.tally.count(|counts| counts.wins += 1);
        let deadline_ms = deadline_ms(&reservation);
        let hold = Hold { id: reservation.reservation_id.clone(), seats, token, deadline_ms };
        if reservation.seat_ids != hold.seats || reservation.customer_id != self.name {
            self.broke(&hold, &format!("Reserve answered {reservation:?}"));
        }
        let hold_ttl_ms = i64::try_from(self.sale.hold_ttl.as_millis()).unwrap_or(i64::MAX);
        let grant = Grant {
            customer: self.name.clone(),
            seats: hold.seats.clone(),
            granted_ms: hold.deadline_ms - hold_ttl_ms,
            deadline_ms: hold.deadline_ms,
            payment_reference: None,
            confirm: Call::NotMade,
            confirmed_ms: None,
            release: Call::NotMade,
            cancel: Call::NotMade,
        };
        self.sale.ledger.granted(&hold.id, grant);

        if self.plan.repeats {
            self.caller.change_line();
            match self.send_reserve(&message, true).await {
                Ok((again, _)) if again.reservation_id == hold.id && again.seat_ids == hold.seats => {
                    self.sale.tally.count(|counts| counts.same_again += 1);
                }
                Ok((again, _)) => self.broke(&hold, &format!("a repeated Reserve answered {again:?}")),
                // A repeat that was held up until after the deadline hears that the hold has ended.
                Err(refusal) if refusal.is_open() || refusal.reason == "HOLD_EXPIRED" => {}
                Err(refusal) => {
                    self.broke(&hold, &format!("a repeated Reserve was refused: {}", refusal.name()));
                }
            }
        }
        Ok(hold)
    }

    async fn send_reserve(
        &mut self,
        message: &ReserveRequest,
        repeated: bool,
    ) -> Result<(Reservation, String), Refusal> {
        let answer = self.caller.reserve(message, repeated).await?;
        Ok((answer.reservation.unwrap_or_default(), answer.reservation_token))
    }

    async fn decide(&mut self, mut hold: Hold) {
        sleep(self.plan.decides_after).await;
        match self.plan.ending {
            Ending::Confirm { extends, cancels } => {
                if extends {
                    self.extend(&mut hold).await;
                }
                let booked = self.confirm(&hold).await;
                if booked && cancels {
                    sleep(think_time(&mut self.rng)).await;
                    self.cancel(&hold).await;
                }
            }
            Ending::TooLate => {
                self.confirm(&hold).await;
            }
            Ending::Leave => self.release(&hold).await,
            Ending::RunOut => self.sale.tally.count(|counts| counts.ran_out += 1),
        }
    }

    async fn extend(&mut self, hold: &mut Hold) {
        let message = ExtendRequest {
            reservation_id: hold.id.clone(),
            reservation_token: hold.token.clone(),
            customer_id: String::new(),
        };
        let Ok(answer) = self.caller.extend(&message).await else { return };
        self.sale.tally.count(|counts| counts.extends += 1);
        let deadline_ms = deadline_ms(&answer.reservation.unwrap_or_default());
        if deadline_ms < hold.deadline_ms {
            self.broke(
                hold,
                &format!("Extend moved the deadline from {} to {deadline_ms}", hold.deadline_ms),
            );
        }
        (hold.token, hold.deadline_ms) = (answer.reservation_token, deadline_ms);
        self.sale.ledger.note(&hold.id, |grant| grant.deadline_ms = deadline_ms);
    }

    /// True when it is acknowledged.
    async fn confirm(&mut self, hold: &Hold) -> bool {
        let message = ConfirmRequest {
            reservation_id: hold.id.clone(),
            payment_reference: format!("pay-{}", self.name),
            reservation_token: hold.token.clone(),
            customer_id: String::new(),
        };
        self.sale.ledger.note(&hold.id, |grant| {
            grant.confirm = Call::Unknown;
            grant.payment_reference = Some(message.payment_reference.clone());
        });
        let booking = match self.send_confirm(&message).await {
            Ok(booking) => booking,
            Err(refusal) => {
                let became = outcome(&refusal);
                self.sale.ledger.note(&hold.id, |grant| grant.confirm = became);
                return false;
            }
        };
        self.sale.tally.count(|counts| counts.confirms += 1);
        self.sale.ledger.note(&hold.id, |grant| {
            grant.confirm = Call::Acked;
            grant.confirmed_ms = Some(now_ms());
        });
        let is_ours = booking.booking_id == hold.id
            && booking.customer_id == self.name
            && booking.seat_ids == hold.seats
            && booking.payment_reference == message.payment_reference;
        if !is_ours {
            self.broke(hold, &format!("Confirm answered {booking:?}"));
        }
        if self.plan.repeats {
            self.caller.change_line();
            match self.send_confirm(&message).await {
                Ok(again) if again == booking => self.sale.tally.count(|counts| counts.same_again += 1),
                Ok(again) => {
                    self.broke(hold, &format!("a repeated Confirm answered {again:?}, not {booking:?}"));
                }
                Err(refusal) if refusal.is_open() => {}
                Err(refusal) => {
                    self.broke(hold, &format!("a repeated Confirm was refused: {}", refusal.name()));
                }
            }
        }
        true
    }

    async fn send_confirm(&mut self, message: &ConfirmRequest) -> Result<Booking, Refusal> {
        Ok(self.caller.confirm(message).await?.booking.unwrap_or_default())
    }

    async fn release(&mut self, hold: &Hold) {
        let message = ReleaseRequest {
            reservation_id: hold.id.clone(),
            reservation_token: hold.token.clone(),
            customer_id: String::new(),
        };
        self.sale.ledger.note(&hold.id, |grant| grant.release = Call::Unknown);
        let answer = self.caller.release(&message).await;
        let became = answer.as_ref().map_or_else(outcome, |_| Call::Acked);
        self.sale.ledger.note(&hold.id, |grant| grant.release = became);
        if became == Call::Acked {
            self.sale.tally.count(|counts| counts.releases += 1);
        }
    }

    async fn cancel(&mut self, hold: &Hold) {
        let message = CancelRequest { booking_id: hold.id.clone(), customer_id: String::new() };
        self.sale.ledger.note(&hold.id, |grant| grant.cancel = Call::Unknown);
        let answer = self.caller.cancel(&message).await;
        let became = answer.as_ref().map_or_else(outcome, |_| Call::Acked);
        self.sale.ledger.note(&hold.id, |grant| grant.cancel = became);
        if became == Call::Acked {
            self.sale.tally.count(|counts| counts.cancels += 1);
        }
    }

    fn broke(&self, hold: &Hold, what: &str) {
        self.sale.ledger.broke(format!("{} of {}: {what}", hold.id, self.name));
    }
}

/// What became of a call that was not acknowledged.
fn outcome(refusal: &Refusal) -> Call {
    if refusal.is_open() { Call::Unknown } else { Call::Refused }
}

fn deadline_ms(reservation: &Reservation) -> i64 {
    let time = reservation.expire_time.unwrap_or_default();
    time.seconds * 1000 + i64::from(time.nanos) / 1_000_000
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
