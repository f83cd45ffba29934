//! What was seen of a round from outside: the checker reads this and nothing else.
//!
//! Times are microseconds since the run began, by one monotonic clock.

mod siege;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use siege::{Act, Heard, Siege, What};

/// A round of an event's sale.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) rules: Rules,
    pub(crate) gate_clock: GateClock,
    /// In the order in which they ended.
    pub(crate) calls: Vec<Call>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) recovery: Recovery,
    /// What the stores have once all is at rest.
    pub(crate) rest: Rest,
    /// What was done to the vault past the service.
    pub(crate) siege: Siege,
    /// What Kafka has of the event at rest, in order; none where it is not told.
    #[serde(default)]
    pub(crate) told: Option<Vec<Told>>,
}

/// The event and what was set for it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rules {
    pub(crate) event: String,
    pub(crate) seat_count: u32,
    pub(crate) hold_ttl_ms: u64,
    pub(crate) hold_max_ms: u64,
    pub(crate) seats_per_customer: u32,
    /// How long a begun Confirm may stay undecided.
    pub(crate) confirm_window_ms: u64,
    /// Several servers vote for a hold, each by its own clock, and the gate moves between them.
    #[serde(default)]
    pub(crate) votes: bool,
}

/// How the gate's clock stands to the run's: `gate_us - run_us` was within these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GateClock {
    pub(crate) ahead_us_min: i64,
    pub(crate) ahead_us_max: i64,
}

impl GateClock {
    /// The first and the last moment of the run at which the gate's clock may have shown this.
    pub(crate) fn run_us(self, gate_ms: i64) -> (i64, i64) {
        (gate_ms * 1_000 - self.ahead_us_max, gate_ms * 1_000 - self.ahead_us_min)
    }
}

/// One call of a client: one attempt. Who repeats makes another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) client: u32,
    /// Which replica was asked.
    pub(crate) replica: u8,
    pub(crate) asked: Asked,
    pub(crate) began_us: u64,
    /// When the answer came, or when the client gave up.
    pub(crate) ended_us: u64,
    pub(crate) answer: Answer,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Asked {
    Reserve {
        customer: String,
        request: String,
        seats: Vec<u32>,
    },
    Extend {
        reservation: String,
    },
    Release {
        reservation: String,
    },
    Confirm {
        reservation: String,
        payment: String,
    },
    Cancel {
        reservation: String,
    },
    /// GetReservation.
    Look {
        reservation: String,
    },
}

/// What the client heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To Reserve, Extend, Release and Look.
    Reservation(Reservation),
    /// To Confirm and Cancel.
    Booking(Booking),
    /// A definite refusal: it never has an effect later.
    Refused(Refusal),
    /// Nothing definite: it may have had its effect, or have it later. The reason, or the code, or why there is none.
    Unknown(String),
}

/// A reservation as an answer has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) seats: Vec<u32>,
    pub(crate) state: State,
    /// By the gate's clock.
    pub(crate) deadline_ms: i64,
    pub(crate) limit_ms: i64,
}

/// The state of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Held,
    Confirming,
    Booked,
    Released,
    Expired,
    Cancelled,
    Lost,
}

/// A booking as an answer has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) seats: Vec<u32>,
    pub(crate) payment: String,
    pub(crate) cancelled: bool,
}

/// Why a call was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// As in ErrorInfo: SEAT_UNAVAILABLE, HOLD_EXPIRED, ...
    pub(crate) reason: String,
    /// Which level refused: board, gate or vault; empty where the answer does not say.
    pub(crate) level: String,
    /// The seats that could not be had, and as what: 1 held, 2 sold, 3 blocked.
    pub(crate) seats: Vec<(u32, u8)>,
}

/// Somebody who follows the seats' states.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watcher {
    pub(crate) name: String,
    /// Not a step of this may be missing; in order.
    pub(crate) seen: Vec<Seen>,
}

/// Something that a watcher saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) at_us: u64,
    pub(crate) what: Sight,
}

/// What a watcher saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sight {
    /// A stream began; the position (epoch, version) that the watcher said it has.
    Opened {
        known: Option<(u64, u64)>,
    },
    /// Two bits a seat: 0 free, 1 held, 2 sold, 3 blocked.
    Snapshot {
        epoch: u64,
        version: u64,
        packed: Vec<u8>,
    },
    /// States that seats have after it.
    Changes {
        epoch: u64,
        after: u64,
        version: u64,
        seats: Vec<(u32, u8)>,
    },
    Heartbeat {
        epoch: u64,
        version: u64,
        checksum: u32,
        stale: bool,
    },
    /// The stream ended, whyever.
    Closed,
}

/// A fault that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// Its kind, as the schedule and the summary name it.
    pub(crate) kind: String,
    pub(crate) target: String,
    pub(crate) began_us: u64,
    /// When it was undone.
    pub(crate) ended_us: u64,
}

/// How the system came back once the last fault was undone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recovery {
    pub(crate) healed_us: u64,
    /// Replicas and gateways that had crashed by themselves.
    pub(crate) crashed: Vec<String>,
    /// For each replica and gateway: when a whole life of a reservation, or a fresh frame, went through it. None: it did not
    /// within the limit.
    pub(crate) served: Vec<(String, Option<u64>)>,
    /// For each seat that is not sold and not blocked: when somebody new was granted it. None: not within the limit.
    pub(crate) reclaimed: Vec<(u32, Option<u64>)>,
    /// When the load stopped; after this nobody but the supervisor calls.
    pub(crate) load_ended_us: u64,
}

/// The stores at rest, read past the service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rest {
    pub(crate) vault_epoch: u64,
    pub(crate) gate_epoch: u64,
    pub(crate) gate_version: u64,
    pub(crate) decisions: Vec<Decision>,
    /// Active rows of booked_seats.
    pub(crate) booked_seats: Vec<(u32, String)>,
    pub(crate) blocked: Vec<u32>,
    /// A seat's value in the gate, as `gate/` writes it; free seats are absent.
    pub(crate) gate_seats: BTreeMap<u32, String>,
    /// Two bits a seat.
    pub(crate) gate_map: Vec<u8>,
    /// What differs between the stores, or within the gate, though all is at rest.
    pub(crate) differences: Vec<String>,
}

/// A row of the vault's bookings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) request: String,
    pub(crate) seats: Vec<u32>,
    pub(crate) epoch: u64,
    /// Booked (cancelled later or not), or void.
    pub(crate) booked: bool,
    /// Of a void one: released, expired, seat_lost.
    pub(crate) void_reason: Option<String>,
    pub(crate) payment: Option<String>,
    pub(crate) cancelled: bool,
}

/// A record in Kafka, as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// `ce_id`: whoever tells a thing once more gives it the same one.
    pub(crate) id: String,
    pub(crate) partition: i32,
    /// By `ce_type`: a cancel, or a booking.
    pub(crate) is_cancel: bool,
    pub(crate) booking: Booking,
}

impl Told {
    /// The `ce_id` of what happened to a booking.
    pub(crate) fn id_of(booking: &str, is_cancel: bool) -> String {
        format!("{booking}/{}", if is_cancel { "cancelled" } else { "confirmed" })
    }
}
