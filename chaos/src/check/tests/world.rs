//! A small world in which all is well, for tests to break.

use std::collections::BTreeMap;

use seat_board::{PackedStates, SeatState};

use crate::history::{
    Act, Answer, Asked, Booking, Call, Decision, GateClock, Heard, History, Recovery, Refusal, Reservation,
    Rest, Rules, Seen, Siege, Sight, State, Told, Watcher, What,
};

pub(super) const TTL_MS: i64 = 10_000;
pub(super) const SEATS: u32 = 12;
/// The gate's clock is ahead by so much.
const AHEAD_MS: i64 = 5_000;

/// Who asked, for which seats, and what became of it.
#[derive(Clone)]
pub(super) struct Wish {
    id: String,
    customer: String,
    seats: Vec<u32>,
    deadline_ms: i64,
}

impl Wish {
    pub(super) fn reservation(&self, state: State) -> Answer {
        Answer::Reservation(Reservation {
            id: self.id.clone(),
            customer: self.customer.clone(),
            seats: self.seats.clone(),
            state,
            deadline_ms: self.deadline_ms,
            limit_ms: self.deadline_ms + 3 * TTL_MS,
        })
    }

    pub(super) fn booking(&self, cancelled: bool) -> Answer {
        let Self { id, customer, seats, .. } = self.clone();
        Answer::Booking(Booking { id, customer, seats, payment: "pay".into(), cancelled })
    }

    pub(super) fn confirm(&self) -> Asked {
        Asked::Confirm { reservation: self.id.clone(), payment: "pay".into() }
    }

    pub(super) fn release(&self) -> Asked {
        Asked::Release { reservation: self.id.clone() }
    }

    pub(super) fn cancel(&self) -> Asked {
        Asked::Cancel { reservation: self.id.clone() }
    }

    pub(super) fn extend(&self) -> Asked {
        Asked::Extend { reservation: self.id.clone() }
    }

    pub(super) fn look(&self) -> Asked {
        Asked::Look { reservation: self.id.clone() }
    }

    pub(super) fn reserve(&self) -> Asked {
        let Self { id, customer, seats, .. } = self.clone();
        Asked::Reserve { customer, request: format!("of {id}"), seats }
    }

    pub(super) fn decision(&self, void_reason: Option<&str>) -> Decision {
        Decision {
            id: self.id.clone(),
            customer: self.customer.clone(),
            request: format!("of {}", self.id),
            seats: self.seats.clone(),
            epoch: 1,
            booked: void_reason.is_none(),
            void_reason: void_reason.map(Into::into),
            payment: void_reason.is_none().then(|| "pay".into()),
            cancelled: false,
        }
    }
}

pub(super) fn refused(reason: &str) -> Answer {
    Answer::Refused(Refusal { reason: reason.into(), ..Refusal::default() })
}

pub(super) fn taken(level: &str, seat: u32, state: u8) -> Answer {
    let (reason, level) = ("SEAT_UNAVAILABLE".into(), level.into());
    Answer::Refused(Refusal { reason, level, seats: vec![(seat, state)] })
}

pub(super) fn unknown() -> Answer {
    Answer::Unknown("UNAVAILABLE".into())
}

impl History {
    /// Adds a call, in ms.
    pub(super) fn call(&mut self, (began, ended): (u64, u64), asked: Asked, answer: Answer) {
        let (began_us, ended_us) = (began * 1_000, ended * 1_000);
        self.calls.push(Call { client: 0, replica: 0, asked, began_us, ended_us, answer });
        self.calls.sort_by_key(|call| call.ended_us);
    }

    /// A Reserve that was granted; its hold ends one hold time after the call ended.
    pub(super) fn held(
        &mut self,
        id: &str,
        customer: &str,
        seats: &[u32],
        (began, ended): (u64, u64),
    ) -> Wish {
        let deadline_ms = ended as i64 + AHEAD_MS + TTL_MS;
        let wish =
            Wish { id: format!("e.{id}"), customer: customer.into(), seats: seats.into(), deadline_ms };
        self.call((began, ended), wish.reserve(), wish.reservation(State::Held));
        wish
    }

    /// A Confirm that was acknowledged, and is in both stores at rest.
    pub(super) fn booked(&mut self, wish: &Wish, at: (u64, u64)) {
        self.call(at, wish.confirm(), wish.booking(false));
        self.books(wish);
    }

    /// A booking in both stores at rest.
    pub(super) fn books(&mut self, wish: &Wish) {
        self.rest.decisions.push(wish.decision(None));
        for seat in &wish.seats {
            self.rest.booked_seats.push((*seat, wish.id.clone()));
            self.rest.gate_seats.insert(*seat, format!("S {}", wish.id.trim_start_matches("e.")));
            self.paint(*seat, SeatState::Sold);
        }
    }

    /// A seat has another state at rest, and all watchers see it.
    pub(super) fn paint(&mut self, seat: u32, state: SeatState) {
        let mut map = PackedStates::new(self.rest.gate_map.clone());
        map.set(seat, state);
        self.rest.gate_map = map.bytes().to_vec();
        let (epoch, after) = (self.rest.gate_epoch, self.rest.gate_version);
        let changes = Sight::Changes { epoch, after, version: after + 1, seats: vec![(seat, state as u8)] };
        self.rest.gate_version += 1;
        self.sees(&changes);
    }

    pub(super) fn sees(&mut self, what: &Sight) {
        for watcher in &mut self.watchers {
            watcher.seen.push(Seen { at_us: 30_000_000, what: what.clone() });
        }
    }

    /// A heartbeat that fits.
    pub(super) fn beat(&mut self) {
        let (epoch, version) = (self.rest.gate_epoch, self.rest.gate_version);
        let checksum = PackedStates::new(self.rest.gate_map.clone()).checksum();
        self.sees(&Sight::Heartbeat { epoch, version, checksum, stale: false });
    }

    /// Kafka has been told all that the vault has, in the order of its rows.
    pub(super) fn tell(&mut self) {
        let mut told = Vec::new();
        for decision in self.rest.decisions.iter().filter(|decision| decision.booked) {
            for is_cancel in [false, true].into_iter().take(1 + usize::from(decision.cancelled)) {
                let Decision { id, customer, seats, payment, .. } = decision.clone();
                let payment = payment.unwrap_or_default();
                told.push(Told {
                    id: Told::id_of(&id, is_cancel),
                    partition: 2,
                    is_cancel,
                    booking: Booking { id, customer, seats, payment, cancelled: is_cancel },
                });
            }
        }
        self.told = Some(told);
    }

    pub(super) fn snapshot(&self) -> Sight {
        let Rest { gate_epoch: epoch, gate_version: version, gate_map: packed, .. } = self.rest.clone();
        Sight::Snapshot { epoch, version, packed }
    }
}

/// Nobody has done anything.
pub(super) fn quiet() -> History {
    let rules = Rules {
        event: "e".into(),
        seat_count: SEATS,
        hold_ttl_ms: TTL_MS as u64,
        hold_max_ms: 4 * TTL_MS as u64,
        seats_per_customer: 4,
        confirm_window_ms: 2_000,
        votes: false,
    };
    let ahead_us = AHEAD_MS * 1_000;
    let gate_clock = GateClock { ahead_us_min: ahead_us - 1_000, ahead_us_max: ahead_us + 1_000 };
    let rest = Rest {
        vault_epoch: 1,
        gate_epoch: 1,
        gate_version: 7,
        gate_map: vec![0; SEATS as usize / 4],
        gate_seats: BTreeMap::new(),
        ..Rest::default()
    };
    History { rules, gate_clock, rest, ..History::default() }
}

/// All is well, and every check has something to look at.
pub(super) fn healthy() -> History {
    let mut world = quiet();
    world.watchers = vec![Watcher { name: "w".into(), seen: Vec::new() }];
    let start = world.snapshot();
    world.sees(&Sight::Opened { known: None });
    world.sees(&start);
    world.paint(5, SeatState::Blocked);
    world.rest.blocked = vec![5];
    world.rest.gate_seats.insert(5, "B".into());

    let ann = world.held("1.1", "ann", &[0, 1], (100, 110));
    world.call((200, 300), ann.confirm(), unknown());
    world.booked(&ann, (300, 320));
    let bob = world.held("1.2", "bob", &[2], (100, 120));
    world.call((130, 140), bob.release(), bob.reservation(State::Released));
    world.rest.decisions.push(bob.decision(Some("released")));
    let cid = world.held("1.3", "cid", &[2], (150, 160));
    world.call((200, 210), cid.confirm(), cid.booking(false));
    world.call((300, 310), cid.cancel(), cid.booking(true));
    world.call((320, 330), cid.look(), cid.reservation(State::Cancelled));
    world.rest.decisions.push(Decision { cancelled: true, ..cid.decision(None) });
    let dan = world.held("1.4", "dan", &[3], (100, 110));
    world.call((200, 210), dan.look(), dan.reservation(State::Held));
    world.call((10_500, 10_510), dan.look(), dan.reservation(State::Expired));
    world.call((11_000, 11_010), dan.confirm(), refused("HOLD_EXPIRED"));
    world.rest.decisions.push(dan.decision(Some("expired")));
    world.held("1.5", "eve", &[3], (12_000, 12_010));

    let mut asks = |customer: &str, seat: u32, at, answer| {
        let request = format!("{customer} wants {seat}");
        world.call(at, Asked::Reserve { customer: customer.into(), request, seats: vec![seat] }, answer);
    };
    asks("fay", 0, (500, 510), taken("gate", 0, 2));
    asks("fay", 3, (10_900, 10_950), taken("board", 3, 1));
    asks("gus", 4, (500, 600), unknown());
    asks("hal", 4, (700, 710), taken("gate", 4, 1));

    world.beat();
    world.sees(&Sight::Closed);
    world.recovery = Recovery {
        crashed: Vec::new(),
        healed_us: 25_000_000,
        served: vec![("replica 0".into(), Some(25_100_000))],
        reclaimed: vec![(2, Some(25_100_000))],
        load_ended_us: 29_000_000,
    };
    world.siege = siege();
    world
}

/// An act of a siege.
pub(super) fn act((began, ended): (u64, u64), what: What, heard: Heard) -> Act {
    Act { session: 1, what, began_us: began * 1_000, ended_us: ended * 1_000, heard }
}

pub(super) fn decide(id: &str, epoch: u64, seat: u32) -> What {
    What::Decide { reservation: id.into(), epoch, seats: vec![seat], book: true }
}

pub(super) fn row(id: &str, epoch: u64, seat: u32, booked: bool) -> Decision {
    let wish = Wish { id: id.into(), customer: "s".into(), seats: vec![seat], deadline_ms: 0 };
    Decision { epoch, ..wish.decision((!booked).then_some("seat_lost")) }
}

fn siege() -> Siege {
    Siege {
        acts: vec![
            act((0, 10), decide("a", 1, 0), Heard::Booked),
            act((5, 20), decide("b", 1, 0), Heard::Void),
            act((5, 25), decide("d", 1, 0), Heard::Busy),
            act((30, 40), What::Raise, Heard::Epoch(2)),
            act((50, 60), decide("c", 1, 1), Heard::Stale),
            act((70, 80), decide("c", 2, 1), Heard::Booked),
            act((90, 95), decide("a", 1, 0), Heard::Booked),
            act((96, 97), What::Insert { seat: 0 }, Heard::Error("23505".into())),
        ],
        booked_seats: vec![(0, "a".into()), (1, "c".into())],
        decisions: vec![row("a", 1, 0, true), row("b", 1, 0, false), row("c", 2, 1, true)],
    }
}
