//! Calls of Reserve, prepared as cheaply as can be: the client shares the machine with what it measures. The same code
//! calls the service and the bare server.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use fastrand::Rng;
use ticketengine::v1::{ReserveRequest, ReserveResponse, booking_service_client::BookingServiceClient};
use tonic::{Code, Status, transport::Channel};

use super::load::{Answer, Worker};
use crate::{
    client::{Connections, Level, Refusal, Token},
    ledger::{Call, Grant},
};

/// Of so many refusals, one is read in full: which level refused, and whether for the reason that is expected.
const SAMPLE_EVERY: u64 = 64;

/// Someone who buys.
pub(crate) struct Customer {
    /// Their name.
    pub(crate) name: String,
    /// Who they prove to be.
    pub(crate) token: Token,
}

/// Which seat is asked for next.
#[derive(Clone)]
pub(crate) enum Pick {
    /// Any of the first so many seats of an event.
    Hot {
        /// Which event.
        event: Arc<str>,
        /// How many seats.
        seats: u32,
    },
    /// Each seat once.
    Fresh(Arc<Dispenser>),
}

impl Pick {
    fn next(&self, rng: &mut Rng) -> Option<(Arc<str>, u32)> {
        match self {
            Self::Hot { event, seats } => Some((Arc::clone(event), rng.u32(0..*seats))),
            Self::Fresh(dispenser) => dispenser.next(),
        }
    }
}

/// Hands out the seats of some events, each once.
pub(crate) struct Dispenser {
    events: Vec<Arc<str>>,
    seats: std::ops::Range<u32>,
    next: AtomicU64,
}

impl Dispenser {
    /// These seats of each event, event by event.
    pub(crate) fn new(events: &[String], seats: std::ops::Range<u32>) -> Arc<Self> {
        let events = events.iter().map(|event| Arc::from(event.as_str())).collect();
        Arc::new(Self { events, seats, next: AtomicU64::new(0) })
    }

    /// The next seat and its event; none when all are handed out.
    pub(crate) fn next(&self) -> Option<(Arc<str>, u32)> {
        let each = self.seats.len() as u64;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let event = self.events.get(usize::try_from(number.checked_div(each)?).ok()?)?;
        let seat = self.seats.start + u32::try_from(number % each).ok()?;
        Some((Arc::clone(event), seat))
    }

    /// How many seats are left.
    pub(crate) fn left(&self) -> u64 {
        let all = self.events.len() as u64 * self.seats.len() as u64;
        all.saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

/// A seat that was granted, in few bytes: there are hundreds of thousands.
pub(crate) struct Won {
    /// Which customer, by its number.
    pub(crate) customer: usize,
    /// The answer.
    pub(crate) answer: ReserveResponse,
}

impl Won {
    /// As the auditor wants it: the reservation's id and the grant.
    pub(crate) fn into_grant(self, customers: &[Customer], hold_ttl_ms: i64) -> (String, Grant) {
        let reservation = self.answer.reservation.unwrap_or_default();
        let end = reservation.expire_time.unwrap_or_default();
        let deadline_ms = end.seconds * 1_000 + i64::from(end.nanos) / 1_000_000;
        let grant = Grant {
            customer: customers[self.customer].name.clone(),
            seats: reservation.seat_ids,
            granted_ms: deadline_ms - hold_ttl_ms,
            deadline_ms,
            payment_reference: None,
            confirm: Call::NotMade,
            confirmed_ms: None,
            release: Call::NotMade,
            cancel: Call::NotMade,
        };
        (reservation.reservation_id, grant)
    }
}

/// Refusals that were read in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// By the replica's board.
    pub(crate) board: u64,
    /// By the gate.
    pub(crate) gate: u64,
    /// For another reason than that a seat is taken: the last one's.
    pub(crate) other: Option<String>,
}

impl Sample {
    /// Reads a refusal.
    pub(crate) fn read(&mut self, status: Status) {
        let refusal = Refusal::from(status);
        match refusal.level {
            _ if refusal.reason != "SEAT_UNAVAILABLE" => self.other = Some(refusal.name()),
            Level::Board => self.board += 1,
            Level::Gate | Level::Vault => self.gate += 1,
        }
    }

    /// Adds what another one read.
    pub(crate) fn add(&mut self, other: &Self) {
        self.board += other.board;
        self.gate += other.gate;
        if other.other.is_some() {
            self.other.clone_from(&other.other);
        }
    }

    /// The share of the board, of all that was read.
    pub(crate) fn board_share(&self) -> f64 {
        self.board as f64 / (self.board + self.gate).max(1) as f64
    }
}

/// What a status means for a run.
pub(crate) fn answer_of(status: &Status) -> Answer {
    match status.code() {
        Code::FailedPrecondition => Answer::Refused,
        code => Answer::Failed(code),
    }
}

/// A caller of Reserve in a closed loop, on one connection.
pub(crate) struct Reserver {
    client: BookingServiceClient<Channel>,
    customers: Arc<[Customer]>,
    pick: Pick,
    /// Begins the names of its requests; unique in the run.
    name: u64,
    calls: u64,
    rng: Rng,
    /// What it was granted.
    pub(crate) won: Vec<Won>,
    /// What it was refused.
    pub(crate) sample: Sample,
}

impl Reserver {
    /// So many callers on each of the connections. `first` begins their names.
    pub(crate) fn crew(
        connections: &Connections,
        each: usize,
        customers: &Arc<[Customer]>,
        pick: &Pick,
        first: u64,
    ) -> Vec<Self> {
        let caller = |number: usize| Self {
            client: connections.booking(number),
            customers: Arc::clone(customers),
            pick: pick.clone(),
            name: first + number as u64,
            calls: 0,
            rng: Rng::with_seed(first + number as u64),
            won: Vec::new(),
            sample: Sample::default(),
        };
        (0..connections.count() * each).map(caller).collect()
    }

    /// From now on asks for these seats.
    pub(crate) fn pick(&mut self, pick: &Pick) {
        self.pick = pick.clone();
    }

    /// Reserves a seat. The last of what it won is the answer, where it is granted.
    pub(crate) async fn reserve(&mut self) -> Answer {
        let Some((event, seat)) = self.pick.next(&mut self.rng) else { return Answer::Nothing };
        self.calls += 1;
        let message = ReserveRequest {
            event_id: (*event).into(),
            seat_ids: vec![seat],
            request_id: format!("{}-{}", self.name, self.calls),
            customer_id: String::new(),
        };
        let customer = self.rng.usize(0..self.customers.len());
        let request = self.customers[customer].token.request_without_deadline(message);
        match self.client.reserve(request).await {
            Ok(answer) => {
                self.won.push(Won { customer, answer: answer.into_inner() });
                Answer::Granted
            }
            Err(status) => {
                let answer = answer_of(&status);
                if self.calls % SAMPLE_EVERY == 1 && answer == Answer::Refused {
                    self.sample.read(status);
                }
                answer
            }
        }
    }
}

impl Worker for Reserver {
    async fn call(&mut self) -> Answer {
        self.reserve().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seat_is_handed_out_once() {
        let dispenser = Dispenser::new(&["a".into(), "b".into()], 5..7);
        let seats: Vec<_> = std::iter::from_fn(|| dispenser.next()).collect();
        let expected = [("a", 5), ("a", 6), ("b", 5), ("b", 6)].map(|(event, seat)| (event.into(), seat));
        assert_eq!(seats, expected);
        assert_eq!((dispenser.left(), dispenser.next()), (0, None));
        assert_eq!(Dispenser::new(&[], 0..0).next(), None);
    }

    #[test]
    fn refusals_are_told_apart_by_level() {
        use tonic_types::{ErrorDetails, StatusExt};
        let refusal = |reason: &str, level: &str| {
            let metadata = [("level".to_owned(), level.to_owned())];
            let details = ErrorDetails::with_error_info(reason, "ticketengine", metadata);
            Status::with_error_details(Code::FailedPrecondition, "no", details)
        };
        let mut sample = Sample::default();
        for level in ["board", "board", "board", "gate"] {
            sample.read(refusal("SEAT_UNAVAILABLE", level));
        }
        assert_eq!((sample.board_share(), &sample.other), (0.75, &None));
        let mut all = Sample::default();
        sample.read(refusal("SALE_NOT_OPEN", "gate"));
        all.add(&sample);
        assert_eq!((all.board, all.gate, all.other.as_deref()), (3, 1, Some("SALE_NOT_OPEN")));
    }
}
