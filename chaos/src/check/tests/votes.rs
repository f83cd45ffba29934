//! Where several servers vote: what is excused there, and what is not.

use super::{
    none, only,
    world::{quiet, taken, unknown},
};
use crate::history::{Answer, Asked, History, State};

/// At rest the gate is in its second epoch.
fn voting() -> History {
    let mut world = quiet();
    world.rules.votes = true;
    (world.rest.vault_epoch, world.rest.gate_epoch) = (2, 2);
    world
}

#[test]
fn a_takeover_may_prolong_a_hold() {
    for (votes, id, is_fine) in [(true, "1.8", true), (true, "2.8", false), (false, "1.8", false)] {
        let mut world = voting();
        world.rules.votes = votes;
        let wil = world.held(id, "wil", &[6], (400, 410));
        world.booked(&wil, (10_412, 10_450));
        if is_fine { none(&world) } else { only(&world, "confirm_in_time") }
    }
}

#[test]
fn a_takeover_may_bring_back_what_had_just_ended() {
    for (votes, is_fine) in [(true, true), (false, false)] {
        let mut world = voting();
        world.rules.votes = votes;
        let tom = world.held("1.8", "tom", &[6], (400, 410));
        world.call((10_300, 10_310), tom.look(), tom.reservation(State::Expired));
        world.call((10_320, 10_330), tom.confirm(), unknown());
        world.booked(&tom, (10_405, 10_420));
        if is_fine { none(&world) } else { only(&world, "same_answer") }
    }
}

#[test]
fn no_hold_is_cut_short_by_a_takeover() {
    let mut world = voting();
    world.held("1.8", "uma", &[6], (400, 410));
    world.held("2.1", "vic", &[6], (5_000, 5_010));
    only(&world, "holds_never_overlap");
}

/// It did not answer, and what it was asked may have been done.
#[test]
fn who_was_told_that_the_carrier_is_gone_may_have_been_granted() {
    let mut world = voting();
    let asks =
        |customer: &str| Asked::Reserve { customer: customer.into(), request: "r".into(), seats: vec![6] };
    world.call((500, 600), asks("gus"), Answer::Unknown("GATE_REBUILDING".into()));
    world.call((2_700, 2_710), asks("hal"), taken("gate", 6, 1));
    none(&world);
    world.rules.votes = false;
    only(&world, "linearizable");
}

/// A replica that slept does not know who carries the event now.
#[test]
fn a_refusal_may_be_as_old_as_what_is_known_of_the_carrier() {
    for (at, votes, is_fine) in [(11_000, true, true), (11_000, false, false), (12_000, true, false)] {
        let mut world = voting();
        world.rules.votes = votes;
        world.held("2.8", "abe", &[6], (400, 410));
        let asked = Asked::Reserve { customer: "zoe".into(), request: "r".into(), seats: vec![6] };
        world.call((at, at + 10), asked, taken("gate", 6, 1));
        if is_fine { none(&world) } else { only(&world, "linearizable") }
    }
}
