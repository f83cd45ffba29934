//! A small world in which every promise is kept, for tests that break one at a time.

use super::{Evidence, all};
use crate::{
    audit::{
        gate::{Change, Gate, Reservation, Seat},
        vault::{BookedSeat, Booking, Vault},
    },
    ledger::{Call, Grant, Record},
};

pub(super) const NOW_MS: i64 = 100_000;

/// Event `e` with twelve seats.
pub(super) struct World {
    pub(super) vault: Vault,
    pub(super) gate: Gate,
    pub(super) record: Record,
}

/// The promises that a world breaks.
pub(super) fn broken(world: &World) -> Vec<&'static str> {
    let World { vault, gate, record } = world;
    let checks = all(Evidence { event: "e", vault, gate, record: Some(record) });
    checks.iter().filter(|check| !check.is_kept()).map(|check| check.promise).collect()
}

impl World {
    /// 0 and 1 are sold, 2 was sold and cancelled, 3's hold ran out, 4 is held, 6 is being confirmed, 7 is blocked.
    pub(super) fn healthy() -> Self {
        Self { vault: vault(), gate: gate(), record: record() }
    }
}

fn vault() -> Vault {
    let booking = |id: &str, customer: &str, seats: &[u32], booked: bool, cancelled: bool| Booking {
        id: id.into(),
        customer: customer.into(),
        seats: seats.into(),
        booked,
        payment_reference: booked.then(|| format!("pay-{id}")),
        cancelled,
    };
    let seat = |seat, booking: &str, active| BookedSeat { seat, booking: booking.into(), active };
    Vault {
        epoch: 1,
        seat_count: 12,
        bookings: vec![
            booking("e.1.1", "c-1", &[0, 1], true, false),
            booking("e.1.3", "c-2", &[2], true, true),
            booking("e.1.5", "c-3", &[3], false, false),
        ],
        booked_seats: vec![seat(0, "e.1.1", true), seat(1, "e.1.1", true), seat(2, "e.1.3", false)],
        blocked: [7].into(),
    }
}

fn gate() -> Gate {
    let reservation = |state, deadline_ms, seats: &[u32], customer: &str| Reservation {
        state,
        deadline_ms,
        seats: seats.into(),
        customer: customer.into(),
    };
    let changes: [(u8, &[u32]); 10] = [
        (1, &[0, 1]),
        (2, &[0, 1]),
        (1, &[2]),
        (2, &[2]),
        (1, &[3]),
        (0, &[3]),
        (0, &[2]),
        (1, &[4]),
        (1, &[6]),
        (3, &[7]),
    ];
    Gate {
        epoch: 1,
        now_ms: NOW_MS,
        version: 10,
        seats: [
            (0, Seat::Sold { id: "1.1".into() }),
            (1, Seat::Sold { id: "1.1".into() }),
            (4, Seat::Held { deadline_ms: NOW_MS + 5000, id: "1.8".into() }),
            (6, Seat::Confirming { deadline_ms: NOW_MS - 100, id: "1.9".into() }),
            (7, Seat::Blocked),
        ]
        .into(),
        map: vec![0b1010_0000, 0b0100_0111],
        reservations: [
            ("1.1".into(), reservation('B', 90_000, &[0, 1], "c-1")),
            ("1.3".into(), reservation('K', 90_000, &[2], "c-2")),
            ("1.5".into(), reservation('X', 90_000, &[3], "c-3")),
            ("1.8".into(), reservation('H', NOW_MS + 5000, &[4], "c-4")),
            ("1.9".into(), reservation('C', NOW_MS - 100, &[6], "c-5")),
        ]
        .into(),
        due_ms: [("1.8".into(), NOW_MS + 5000), ("1.9".into(), NOW_MS + 3000)].into(),
        customers: [("c-1".into(), 2), ("c-2".into(), 0), ("c-4".into(), 1), ("c-5".into(), 1)].into(),
        log: (1..)
            .zip(changes)
            .map(|(version, (state, seats))| Change { version, state, seats: seats.into() })
            .collect(),
        unreadable: Vec::new(),
    }
}

fn record() -> Record {
    let grant = |id: &str, customer: &str, seats: &[u32], confirm, cancel| {
        let grant = Grant {
            customer: customer.into(),
            seats: seats.into(),
            granted_ms: NOW_MS - 3000,
            deadline_ms: NOW_MS + 2000,
            payment_reference: (confirm != Call::NotMade).then(|| format!("pay-{id}")),
            confirm,
            confirmed_ms: None,
            release: Call::NotMade,
            cancel,
        };
        (id.to_owned(), grant)
    };
    Record {
        event: "e".into(),
        customer_prefix: "c-".into(),
        grants: [
            grant("e.1.1", "c-1", &[0, 1], Call::Acked, Call::NotMade),
            grant("e.1.3", "c-2", &[2], Call::Acked, Call::Acked),
            grant("e.1.5", "c-3", &[3], Call::NotMade, Call::NotMade),
            grant("e.1.8", "c-4", &[4], Call::NotMade, Call::NotMade),
            grant("e.1.9", "c-5", &[6], Call::Unknown, Call::NotMade),
        ]
        .into(),
        broken: Vec::new(),
    }
}

#[test]
fn nothing_is_broken_in_a_healthy_world() {
    assert_eq!(broken(&World::healthy()), [""; 0]);
}

#[test]
fn every_check_looks_at_something() {
    let World { vault, gate, record } = World::healthy();
    for check in all(Evidence { event: "e", vault: &vault, gate: &gate, record: Some(&record) }) {
        assert!(check.looked_at > 0, "{}", check.promise);
    }
}
