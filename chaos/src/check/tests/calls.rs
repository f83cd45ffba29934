//! Histories of calls with one thing wrong in them.

use seat_board::SeatState;

use super::{
    none, only,
    world::{healthy, refused, taken, unknown},
};
use crate::history::{Answer, Asked, Decision, History, State};

fn decision<'a>(world: &'a mut History, id: &str) -> &'a mut Decision {
    world.rest.decisions.iter_mut().find(|decision| decision.id == id).unwrap()
}

#[test]
fn a_seat_is_sold_twice() {
    let mut world = healthy();
    let (kim, lea) = (world.held("1.8", "kim", &[6], (400, 500)), world.held("1.9", "lea", &[6], (400, 500)));
    world.booked(&kim, (600, 610));
    only_after(&world, |world| world.booked(&lea, (600, 610)), "sold_once");
}

#[track_caller]
fn only_after(world: &History, change: impl FnOnce(&mut History), name: &str) {
    let mut world = world.clone();
    change(&mut world);
    only(&world, name);
}

#[test]
fn a_seat_has_a_row_without_a_booking() {
    let mut world = healthy();
    world.rest.booked_seats.push((6, "e.1.77".into()));
    world.paint(6, SeatState::Sold);
    only(&world, "sold_once");
}

#[test]
fn an_acknowledged_booking_is_not_there() {
    let mut world = healthy();
    world.rest.decisions.retain(|decision| decision.id != "e.1.1");
    world.rest.booked_seats.clear();
    world.rest.gate_seats.clear();
    [0, 1].into_iter().for_each(|seat| world.paint(seat, SeatState::Free));
    only(&world, "confirms_kept");
}

#[test]
fn an_acknowledged_booking_has_another_payment() {
    let mut world = healthy();
    let ivy = world.held("1.8", "ivy", &[6], (400, 410));
    world.call(
        (420, 430),
        Asked::Confirm { reservation: "e.1.8".into(), payment: "other".into() },
        unknown(),
    );
    world.booked(&ivy, (450, 460));
    none(&world);
    decision(&mut world, "e.1.8").payment = Some("other".into());
    only(&world, "confirms_kept");
}

#[test]
fn nobody_asked_for_a_booking() {
    let mut world = healthy();
    let nan = world.held("1.8", "nan", &[6], (400, 410));
    world.books(&nan);
    only(&world, "bookings_were_asked_for");
    world.call((450, 460), nan.confirm(), unknown());
    none(&world);
}

#[test]
fn nobody_asked_to_cancel() {
    let mut world = healthy();
    decision(&mut world, "e.1.1").cancelled = true;
    world.rest.booked_seats.clear();
    world.rest.gate_seats.clear();
    [0, 1].into_iter().for_each(|seat| world.paint(seat, SeatState::Free));
    only(&world, "bookings_were_asked_for");
}

#[test]
fn half_of_a_booking_is_there() {
    let mut world = healthy();
    world.rest.booked_seats.retain(|(seat, _)| *seat != 1);
    world.paint(1, SeatState::Free);
    only(&world, "all_or_nothing");
    let mut world = healthy();
    world.rest.gate_seats.remove(&1);
    only(&world, "all_or_nothing");
    let mut world = healthy();
    decision(&mut world, "e.1.4").seats = vec![3, 4];
    only(&world, "all_or_nothing");
}

#[test]
fn a_refusal_has_nothing_behind_it() {
    for id in ["e.1.2", "e.1.4"] {
        let mut world = healthy();
        world.rest.decisions.retain(|decision| decision.id != id);
        only(&world, "refusals_stand");
    }
}

#[test]
fn what_was_released_is_booked() {
    let mut world = healthy();
    let ole = world.held("1.8", "ole", &[6], (400, 410));
    world.call((420, 430), ole.release(), ole.reservation(State::Released));
    world.rest.decisions.push(ole.decision(Some("released")));
    none(&world);
    world.call((440, 450), ole.look(), ole.reservation(State::Booked));
    only(&world, "refusals_stand");
}

#[test]
fn a_denied_request_has_a_reservation() {
    let mut world = healthy();
    let pam = world.held("1.8", "pam", &[6], (400, 410));
    let held = world.calls.iter_mut().find(|call| call.asked == pam.reserve()).unwrap();
    held.answer = refused("CUSTOMER_LIMIT");
    none(&world);
    world.rest.decisions.push(pam.decision(Some("expired")));
    only(&world, "refusals_stand");
    // One attempt that was not answered may have made it.
    world.call((300, 310), pam.reserve(), unknown());
    none(&world);
}

#[test]
fn an_unknown_confirm_has_two_answers() {
    let mut world = healthy();
    let ray = world.held("1.8", "ray", &[6], (400, 410));
    world.call((420, 430), ray.confirm(), unknown());
    none(&world);
    let mut lost = world.clone();
    lost.call((440, 450), ray.look(), ray.reservation(State::Booked));
    only(&lost, "unknown_settles");
    world.call((440, 450), ray.extend(), refused("SEAT_LOST"));
    none(&world);
    world.books(&ray);
    only(&world, "unknown_settles");
}

#[test]
fn a_request_makes_two_reservations() {
    let mut world = healthy();
    let sam = world.held("1.8", "sam", &[6], (400, 410));
    world.call((500, 510), sam.reserve(), sam.reservation(State::Held));
    none(&world);
    let other = |world: &mut History, id: &str| {
        let Answer::Reservation(mut again) = sam.reservation(State::Held) else { unreachable!() };
        again.id = id.into();
        again.deadline_ms += 15_000;
        world.call((15_000, 15_010), sam.reserve(), Answer::Reservation(again));
    };
    only_after(&world, |world| other(world, "e.1.9"), "same_answer");
    // A gate that has lost its memory has forgotten the request with the hold.
    other(&mut world, "e.2.1");
    none(&world);
}

#[test]
fn a_cancelled_booking_is_back() {
    let world = healthy();
    let cid = |cancelled| {
        let booking = world.calls.iter().find_map(|call| match &call.answer {
            Answer::Booking(booking) if booking.id == "e.1.3" => Some(booking.clone()),
            _ => None,
        });
        Answer::Booking(crate::history::Booking { cancelled, ..booking.unwrap() })
    };
    let confirm = Asked::Confirm { reservation: "e.1.3".into(), payment: "pay".into() };
    // It began before the Cancel was answered.
    only_none(&world, |world| world.call((305, 700), confirm.clone(), cid(false)));
    only_none(&world, |world| world.call((600, 700), confirm.clone(), cid(true)));
    only_after(&world, |world| world.call((600, 700), confirm.clone(), cid(false)), "same_answer");
}

#[track_caller]
fn only_none(world: &History, change: impl FnOnce(&mut History)) {
    let mut world = world.clone();
    change(&mut world);
    none(&world);
}

#[test]
fn an_expired_hold_is_booked() {
    let mut world = healthy();
    let tom = world.held("1.8", "tom", &[6], (400, 410));
    world.call((10_300, 10_310), tom.look(), tom.reservation(State::Expired));
    none(&world);
    world.call((10_320, 10_330), tom.confirm(), unknown());
    world.booked(&tom, (10_405, 10_420));
    only(&world, "same_answer");
    // The token of an Extend brings a lost hold back.
    world.call((10_300, 10_350), tom.extend(), tom.reservation(State::Held));
    none(&world);
}

#[test]
fn a_held_seat_is_granted() {
    let mut world = healthy();
    let uma = world.held("1.8", "uma", &[6, 7], (400, 410));
    only_after(&world, |world| drop(world.held("1.9", "vic", &[6], (420, 430))), "holds_never_overlap");
    // It may have been granted before, or be over.
    only_none(&world, |world| drop(world.held("1.9", "vic", &[6], (12_000, 12_010))));
    world.call((415, 440), uma.release(), unknown());
    only_none(&world, |world| drop(world.held("1.9", "vic", &[6], (420, 430))));
}

#[test]
fn a_confirm_comes_too_late() {
    let mut world = healthy();
    let wil = world.held("1.8", "wil", &[6], (400, 410));
    only_after(&world, |world| world.booked(&wil, (10_412, 10_450)), "confirm_in_time");
    only_none(&world, |world| world.booked(&wil, (10_409, 10_450)));
    world.call((500, 510), wil.extend(), unknown());
    only_none(&world, |world| world.booked(&wil, (10_412, 10_450)));
    only_after(&world, |world| world.booked(&wil, (40_412, 40_450)), "confirm_in_time");
}

#[test]
fn a_confirm_is_refused_too_early() {
    let mut world = healthy();
    let xia = world.held("1.8", "xia", &[6], (400, 410));
    world.rest.decisions.push(xia.decision(Some("expired")));
    let confirm = |world: &mut History, at, reason| world.call(at, xia.confirm(), refused(reason));
    only_after(&world, |world| confirm(world, (500, 510), "HOLD_EXPIRED"), "confirm_in_time");
    only_after(&world, |world| confirm(world, (500, 510), "SEAT_LOST"), "confirm_in_time");
    // It took longer than its window; it ended after the deadline; somebody had released the hold.
    only_none(&world, |world| confirm(world, (500, 2_600), "HOLD_EXPIRED"));
    only_none(&world, |world| confirm(world, (10_350, 10_410), "HOLD_EXPIRED"));
    world.call((490, 495), xia.release(), unknown());
    only_none(&world, |world| confirm(world, (500, 510), "HOLD_RELEASED"));
}

#[test]
fn a_customer_has_too_many_seats() {
    let mut world = healthy();
    let yan = world.held("1.8", "yan", &[6, 7, 8], (400, 410));
    only_after(&world, |world| drop(world.held("1.9", "yan", &[9, 10], (420, 430))), "limit_kept");
    world.call((415, 440), yan.release(), unknown());
    only_none(&world, |world| drop(world.held("1.9", "yan", &[9, 10], (420, 430))));
}

#[test]
fn a_refusal_can_not_be_explained() {
    let mut world = healthy();
    let asks = |world: &mut History, at, answer| {
        let asked = Asked::Reserve { customer: "zoe".into(), request: format!("{at:?}"), seats: vec![6] };
        world.call(at, asked, answer);
    };
    only_after(&world, |world| asks(world, (500, 510), taken("gate", 6, 1)), "linearizable");
    let abe = world.held("1.8", "abe", &[6], (400, 410));
    only_none(&world, |world| asks(world, (500, 510), taken("gate", 6, 1)));
    only_after(&world, |world| asks(world, (500, 510), taken("gate", 6, 2)), "linearizable");
    only_after(&world, |world| asks(world, (11_000, 11_010), taken("gate", 6, 1)), "linearizable");
    // The board repeats for a second what was true.
    only_none(&world, |world| asks(world, (11_000, 11_010), taken("board", 6, 1)));
    only_after(&world, |world| asks(world, (12_000, 12_010), taken("board", 6, 1)), "linearizable");
    world.call((420, 430), abe.confirm(), unknown());
    only_none(&world, |world| asks(world, (12_000, 12_010), taken("gate", 6, 1)));
}

#[test]
fn it_does_not_come_back() {
    let mut world = healthy();
    world.recovery.reclaimed[0].1 = None;
    only(&world, "free_again");
    let mut world = healthy();
    world.recovery.served[0].1 = None;
    only(&world, "recovers");
    let mut world = healthy();
    world.recovery.crashed = vec!["gateway 1".into()];
    only(&world, "recovers");
}

#[test]
fn an_answer_is_of_no_use_to_who_hears_it() {
    for answer in [Answer::Unknown("INTERNAL".into()), refused("SALE_NOT_OPEN")] {
        let mut world = healthy();
        let odd = world.held("1.9", "odd", &[6], (400, 410));
        world.call((420, 430), odd.extend(), answer);
        only(&world, "answers_are_known");
    }
}
