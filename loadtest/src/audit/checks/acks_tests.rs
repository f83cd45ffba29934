use super::super::world::{NOW_MS, World, broken};
use crate::ledger::{Call, Grant};

/// Breaks what customers were told in a healthy world and says which promises that breaks.
fn after(id: &str, breaks: impl FnOnce(&mut Grant)) -> Vec<&'static str> {
    let mut world = World::healthy();
    breaks(world.record.grants.get_mut(id).unwrap());
    broken(&world)
}

#[test]
fn an_acknowledged_confirm_without_a_booking_is_seen() {
    let promise = ["acknowledged confirms missing"];
    let confirm = |grant: &mut Grant| grant.confirm = Call::Acked;
    assert_eq!(after("e.1.9", confirm), promise, "no row");
    assert_eq!(after("e.1.5", confirm), promise, "a void row");
}

#[test]
fn a_booking_that_differs_from_its_confirm_is_seen() {
    let promise = ["acknowledged confirms missing"];
    assert_eq!(after("e.1.1", |grant| grant.customer = "c-2".into()), promise);
    assert_eq!(after("e.1.1", |grant| grant.seats = vec![0]), promise);
    assert_eq!(after("e.1.1", |grant| grant.payment_reference = Some("other".into())), promise);
}

#[test]
fn a_cancellation_that_was_lost_or_made_up_is_seen() {
    let promise = ["cancellations kept wrongly"];
    assert_eq!(after("e.1.1", |grant| grant.cancel = Call::Acked), promise);
    assert_eq!(after("e.1.3", |grant| grant.cancel = Call::NotMade), promise);
    assert_eq!(after("e.1.3", |grant| grant.cancel = Call::Refused), promise);
    assert_eq!(after("e.1.3", |grant| grant.cancel = Call::Unknown), [""; 0]);
    assert_eq!(after("e.1.1", |grant| grant.cancel = Call::Unknown), [""; 0]);
}

#[test]
fn a_booking_that_nobody_asked_for_is_seen() {
    let promise = ["bookings that nobody asked for"];
    assert_eq!(after("e.1.1", |grant| grant.confirm = Call::NotMade), promise);
    assert_eq!(after("e.1.1", |grant| grant.confirm = Call::Refused), promise, "a refusal became a booking");
    assert_eq!(after("e.1.1", |grant| grant.release = Call::Acked), promise, "released, yet booked");
    assert_eq!(after("e.1.1", |grant| grant.confirm = Call::Unknown), [""; 0]);
}

#[test]
fn a_booking_of_our_customer_that_we_were_never_granted_is_seen() {
    let mut world = World::healthy();
    world.record.grants.remove("e.1.1");
    assert_eq!(broken(&world), ["bookings that nobody asked for"]);
    world.record.customer_prefix = "others-".into();
    assert_eq!(broken(&world), [""; 0], "others' bookings are not ours to judge");
}

/// Seat 4 is held by e.1.8; another is granted it at a time.
fn second_grant(at_ms: i64, first: impl FnOnce(&mut Grant)) -> Vec<&'static str> {
    let mut world = World::healthy();
    let second = Grant { granted_ms: at_ms, ..world.record.grants["e.1.8"].clone() };
    first(world.record.grants.get_mut("e.1.8").unwrap());
    world.record.grants.insert("e.1.20".into(), second);
    broken(&world)
}

#[test]
fn a_seat_granted_while_it_was_held_is_seen() {
    let promise = ["seats granted while another had them"];
    let deadline_ms = NOW_MS + 2000;
    assert_eq!(second_grant(deadline_ms - 1, |_| ()), promise);
    assert_eq!(second_grant(deadline_ms, |_| ()), [""; 0]);
    assert_eq!(second_grant(deadline_ms - 1, |first| first.release = Call::Acked), [""; 0]);
    assert_eq!(second_grant(deadline_ms + 1, |first| first.deadline_ms += 2), promise, "extended");
}

#[test]
fn a_seat_granted_while_it_was_booked_is_seen() {
    let mut world = World::healthy();
    let late = Grant { granted_ms: NOW_MS + 60_000, ..world.record.grants["e.1.8"].clone() };
    world.record.grants.insert("e.1.20".into(), Grant { seats: vec![2], ..late.clone() });
    assert_eq!(broken(&world), [""; 0], "a cancelled booking's seats go back on sale");
    world.record.grants.insert("e.1.21".into(), Grant { seats: vec![1], ..late });
    assert_eq!(broken(&world), ["seats granted while another had them"]);
}

#[test]
fn an_answer_that_broke_a_promise_is_seen() {
    let mut world = World::healthy();
    world.record.broken.push("a repeat got another reservation".into());
    assert_eq!(broken(&world), ["answers that contradict each other"]);
}
