use super::super::world::{NOW_MS, World, broken};
use crate::audit::gate::{Change, Seat};

/// Breaks a healthy world and says which promises that breaks.
fn after<R>(breaks: impl FnOnce(&mut World) -> R) -> Vec<&'static str> {
    let mut world = World::healthy();
    breaks(&mut world);
    broken(&world)
}

#[test]
fn unreadable_records_are_seen() {
    let found = after(|world| world.gate.unreadable.push("seat 9 = ?".into()));
    assert_eq!(found, ["records of the gate that make no sense"]);
}

#[test]
fn a_seat_outside_of_the_house_is_seen() {
    let found = after(|world| world.vault.seat_count = 7);
    assert_eq!(found, ["records of the gate that make no sense"]);
}

#[test]
fn another_epoch_is_seen() {
    assert_eq!(after(|world| world.vault.epoch = 2), ["gate and vault in different epochs"]);
}

#[test]
fn a_hold_past_its_time_is_seen() {
    let hold_until = |deadline_ms| {
        after(|world| {
            world.gate.seats.insert(4, Seat::Held { deadline_ms, id: "1.8".into() });
            world.gate.reservations.get_mut("1.8").unwrap().deadline_ms = deadline_ms;
        })
    };
    assert_eq!(hold_until(NOW_MS - 1000), [""; 0]);
    assert_eq!(hold_until(NOW_MS - 1001), ["seats leaked: held past their time"]);
}

#[test]
fn a_confirm_that_is_never_decided_is_seen() {
    let begun_before = |deadline_ms| {
        after(|world| {
            world.gate.seats.insert(6, Seat::Confirming { deadline_ms, id: "1.9".into() });
            world.gate.reservations.get_mut("1.9").unwrap().deadline_ms = deadline_ms;
        })
    };
    assert_eq!(begun_before(NOW_MS - 12_000), [""; 0]);
    assert_eq!(begun_before(NOW_MS - 12_001), ["seats leaked: held past their time"]);
    let nothing_due = after(|world| world.gate.due_ms.remove("1.9"));
    assert_eq!(nothing_due, ["seats leaked: held without a live reservation"]);
}

#[test]
fn a_held_seat_without_a_live_reservation_is_seen() {
    let lost = after(|world| world.gate.reservations.remove("1.8"));
    assert_eq!(lost, ["seats leaked: held without a live reservation", "customers counted wrong"]);
    let ended = after(|world| world.gate.reservations.get_mut("1.8").unwrap().state = 'R');
    assert_eq!(ended, ["seats leaked: held without a live reservation"]);
    let longer = after(|world| world.gate.reservations.get_mut("1.8").unwrap().deadline_ms += 1);
    assert_eq!(longer, ["seats leaked: held without a live reservation"]);
    let never_swept = after(|world| world.gate.due_ms.remove("1.8"));
    assert_eq!(never_swept, ["seats leaked: held without a live reservation"]);
}

#[test]
fn half_a_reservation_is_seen() {
    let found = after(|world| world.gate.reservations.get_mut("1.8").unwrap().seats.push(5));
    assert_eq!(found, ["reservations without their seats"]);
}

#[test]
fn a_seat_sold_to_nobody_is_seen() {
    let found = after(|world| {
        world.gate.seats.insert(8, Seat::Sold { id: "1.3".into() });
        world.gate.map.push(0b1000_0000);
    });
    assert_eq!(found, ["seats leaked: sold in the gate without a booking"]);
}

#[test]
fn a_booked_seat_that_is_free_in_the_gate_is_seen() {
    let found = after(|world| {
        world.gate.seats.remove(&1);
        world.gate.map[0] = 0b1000_0000;
        world.gate.version = 11;
        world.gate.log.push(Change { version: 11, state: 0, seats: vec![1] });
    });
    assert_eq!(found, ["seats leaked: booked, and not sold in the gate", "reservations without their seats"]);
}

#[test]
fn a_seat_sold_to_another_in_the_gate_is_seen() {
    let found = after(|world| world.gate.seats.insert(1, Seat::Sold { id: "1.99".into() }));
    assert_eq!(
        found,
        [
            "seats leaked: sold in the gate without a booking",
            "seats leaked: booked, and not sold in the gate",
            "reservations without their seats"
        ]
    );
}

#[test]
fn a_block_that_only_one_store_has_is_seen() {
    let promise = ["seats leaked: blocked in only one of the two"];
    assert_eq!(after(|world| world.vault.blocked.clear()), promise);
    assert_eq!(after(|world| world.vault.blocked.insert(9)), promise);
}

#[test]
fn a_wrong_bit_is_seen() {
    assert_eq!(after(|world| world.gate.map[1] ^= 1), ["seats that the map shows wrongly"]);
    assert_eq!(after(|world| world.gate.map.clear()), ["seats that the map shows wrongly"]);
}

#[test]
fn a_wrong_count_is_seen() {
    let promise = ["customers counted wrong"];
    assert_eq!(after(|world| world.gate.customers.insert("c-1".into(), 3)), promise);
    assert_eq!(after(|world| world.gate.customers.remove("c-4")), promise);
    assert_eq!(after(|world| world.gate.customers.insert("c-9".into(), 1)), promise);
}

#[test]
fn a_hole_in_the_log_is_seen() {
    let promise = ["holes in the change log"];
    assert_eq!(
        after(|world| world.gate.log.remove(5)),
        ["holes in the change log", "seats that the change log tells wrongly"]
    );
    assert_eq!(after(|world| world.gate.version = 11), promise);
    assert_eq!(after(|world| world.gate.log.drain(..2).count()), [""; 0], "a trimmed log is whole");
    assert_eq!(after(|world| world.gate.log.clear()), promise);
}

#[test]
fn a_log_that_tells_another_state_is_seen() {
    let found = after(|world| world.gate.log[7].state = 0);
    assert_eq!(found, ["seats that the change log tells wrongly"]);
}
