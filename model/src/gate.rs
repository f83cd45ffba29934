//! The gate: what Redis keeps of an event, and the scripts. Each function is one run of a script.

use crate::{guards::Guards, vault::Outcome};

/// How many seats and reservations the largest configuration has.
pub const SEATS: usize = 2;
/// As above.
pub const RESERVATIONS: usize = 3;

/// A reservation, in the order of grants; unlike in the product it is never used twice, whatever is lost.
pub type Id = usize;
/// A customer, who has one request.
pub type Customer = usize;
/// Raised by each rebuild; 0 is none.
pub type Epoch = u8;
/// Ticks of Redis's clock.
pub type Time = u8;

/// The value of a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seat {
    /// Absent.
    #[default]
    Free,
    /// `H`; its deadline is the record's.
    Held(Id),
    /// `C`.
    Confirming(Id),
    /// `S`.
    Sold(Id),
}

impl Seat {
    fn owner(self) -> Option<Id> {
        match self {
            Self::Free => None,
            Self::Held(id) | Self::Confirming(id) | Self::Sold(id) => Some(id),
        }
    }
}

/// The state in a reservation's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    /// No record.
    #[default]
    Unknown,
    /// `H`.
    Held,
    /// `C`.
    Confirming,
    /// A tombstone, or `B`.
    Decided(Outcome),
}

/// A reservation's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// Where in its life it is.
    pub life: Life,
    /// When the hold ends, or ended.
    pub deadline: Time,
}

/// What never changes of a reservation. The gate has it in the record, callers have it from the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// Whose it is.
    pub customer: Customer,
    /// Its seats, as bits.
    pub seats: u8,
    /// In which epoch it was granted.
    pub epoch: Epoch,
}

/// One moment of Redis's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gate {
    /// 0 where `meta` is lost.
    pub epoch: Epoch,
    /// The Redis that the epoch was published on.
    pub incarnation: u8,
    /// The epoch of the rebuild that has stopped this one; 0 where none has.
    pub frozen: Epoch,
    /// Before this newcomers get nothing.
    pub quarantine_until: Time,
    /// The seats.
    pub seats: [Seat; SEATS],
    /// The reservations.
    pub records: [Record; RESERVATIONS],
    /// The reservation of each customer's request.
    pub requests: [Option<Id>; RESERVATIONS],
}

/// A reply to Reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is the customer's.
    New,
    /// The request had made this one before.
    Same(Id),
    /// Somebody has a seat of it.
    Taken,
    /// Comes back later.
    Quarantine,
}

/// A reply to an adoption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Known, now or already.
    Found,
    /// Its deadline has passed.
    Ended,
    /// Somebody else has a seat of it.
    Taken,
}

/// The seats of a set of bits.
pub fn seats_of(bits: u8) -> impl Iterator<Item = usize> + Clone {
    (0..SEATS).filter(move |seat| bits & (1 << seat) != 0)
}

impl Gate {
    /// The seats that the reservation has, as bits.
    pub fn owned(&self, id: Id) -> u8 {
        (0..SEATS).filter(|seat| self.seats[*seat].owner() == Some(id)).map(|seat| 1 << seat).sum()
    }

    fn write(&mut self, seats: u8, value: Seat) {
        seats_of(seats).for_each(|seat| self.seats[seat] = value);
    }

    /// Whether the reservation's hold is past its deadline.
    fn is_due(&self, guards: &Guards, id: Id, now: Time) -> bool {
        let Record { life, deadline } = self.records[id];
        let by_time = life == Life::Held || life == Life::Confirming && !guards.confirming_not_freed_by_time;
        by_time && deadline <= now
    }

    /// `expire_if_due`: a hold past its deadline is over for whoever finds it. True where it was.
    pub fn expire(&mut self, guards: &Guards, id: Id, now: Time) -> bool {
        let due = self.is_due(guards, id, now);
        if due {
            self.end(id, self.owned(id), Outcome::Expired);
        }
        due
    }

    /// `look_at`: ends the holds past their deadline on these seats. False, and nothing done, where a seat is taken.
    fn clear(&mut self, guards: &Guards, seats: u8, now: Time) -> bool {
        let owners = self.seats.map(Seat::owner);
        let owners = seats_of(seats).filter_map(|seat| owners[seat]);
        let is_free = owners.clone().all(|id| self.is_due(guards, id, now));
        if is_free {
            for id in owners {
                self.expire(guards, id, now);
            }
        }
        is_free
    }

    /// `end_reservation`.
    fn end(&mut self, id: Id, owned: u8, outcome: Outcome) {
        self.write(owned, Seat::Free);
        self.records[id].life = Life::Decided(outcome);
    }

    /// `grant.lua`; `id` is the reservation's if it is a new one.
    pub fn grant(&mut self, guards: &Guards, id: Id, terms: &Terms, now: Time, ttl: Time) -> Granted {
        if let Some(known) = self.requests[terms.customer].filter(|_| guards.request_index) {
            self.expire(guards, known, now);
            return Granted::Same(known);
        }
        if !self.clone().clear(guards, terms.seats, now) {
            return Granted::Taken;
        }
        if self.quarantine_until > now {
            return Granted::Quarantine;
        }
        self.clear(guards, terms.seats, now);
        self.hold(id, terms, now + ttl);
        Granted::New
    }

    fn hold(&mut self, id: Id, terms: &Terms, deadline: Time) {
        self.write(terms.seats, Seat::Held(id));
        self.records[id] = Record { life: Life::Held, deadline };
        self.requests[terms.customer].get_or_insert(id);
    }

    /// `get.lua`.
    pub fn get(&mut self, guards: &Guards, id: Id, now: Time) -> Record {
        self.expire(guards, id, now);
        self.records[id]
    }

    /// `begin.lua`.
    pub fn begin(&mut self, guards: &Guards, id: Id, now: Time) -> Record {
        let record = self.get(guards, id, now);
        if record.life != Life::Held {
            return record;
        }
        self.write(self.owned(id), Seat::Confirming(id));
        self.records[id].life = Life::Confirming;
        self.records[id]
    }

    /// `extend.lua`: the new deadline.
    pub fn extend(&mut self, guards: &Guards, id: Id, now: Time, ttl: Time) -> Option<Time> {
        let record = self.get(guards, id, now);
        (record.life == Life::Held).then(|| {
            self.records[id].deadline = now + ttl;
            now + ttl
        })
    }

    /// `settle.lua`.
    pub fn settle(&mut self, guards: &Guards, id: Id, seats: u8, outcome: Outcome) {
        let life = self.records[id].life;
        let owned = if guards.owner_check_in_settle { self.owned(id) } else { seats };
        let live = !matches!(life, Life::Decided(_));
        match outcome {
            Outcome::Cancelled if life != Life::Decided(Outcome::Cancelled) => self.end(id, owned, outcome),
            Outcome::Cancelled => {}
            Outcome::Booked if live => {
                self.write(owned, Seat::Sold(id));
                if life != Life::Unknown {
                    self.records[id].life = Life::Decided(outcome);
                }
            }
            _ if live => self.end(id, owned, outcome),
            _ => {}
        }
    }

    /// `adopt.lua`; `deadline` is the token's.
    pub fn adopt(&mut self, guards: &Guards, id: Id, terms: &Terms, deadline: Time, now: Time) -> Adopted {
        self.expire(guards, id, now);
        let known = self.records[id];
        let earlier = terms.epoch != self.epoch;
        let ends = matches!(known.life, Life::Held | Life::Decided(Outcome::Expired));
        if earlier && ends && known.deadline < deadline {
            self.end(id, self.owned(id), Outcome::Expired);
        } else if known.life != Life::Unknown {
            return Adopted::Found;
        } else if !earlier {
            return Adopted::Ended;
        }
        if deadline <= now {
            return Adopted::Ended;
        }
        if !self.clear(guards, terms.seats, now) {
            return Adopted::Taken;
        }
        self.hold(id, terms, deadline);
        Adopted::Found
    }

    /// `forget` of the sweeper: the tombstone is old enough.
    pub fn forget(&mut self, id: Id) -> bool {
        let is_tombstone = matches!(self.records[id].life, Life::Decided(_));
        if is_tombstone {
            self.records[id] = Record::default();
            self.requests
                .iter_mut()
                .filter(|request| **request == Some(id))
                .for_each(|request| *request = None);
        }
        is_tombstone
    }
}
