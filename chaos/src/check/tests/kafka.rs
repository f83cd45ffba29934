//! What Kafka was told, with one thing wrong in it.

use super::{none, only, world::healthy};
use crate::history::{History, Told};

/// Ann's booking; Cid's, which was cancelled, and after him another's of the same seat.
fn told() -> History {
    let mut world = healthy();
    let flo = world.held("1.9", "flo", &[2], (400, 410));
    world.booked(&flo, (420, 430));
    world.tell();
    world
}

#[track_caller]
fn broken(name: &str, change: impl FnOnce(&mut Vec<Told>)) {
    let mut world = told();
    change(world.told.as_mut().unwrap());
    only(&world, name);
}

#[test]
fn who_is_told_all_in_order_hears_nothing_wrong_however_often() {
    let mut world = told();
    none(&world);
    let again = world.told.clone().unwrap();
    // All of it comes late once more: who dedupes drops it.
    world.told.as_mut().unwrap().extend(again.into_iter().rev());
    none(&world);
    world.told = None;
    none(&world);
}

#[test]
fn bookings_that_have_nothing_to_do_with_each_other_may_change_places() {
    let mut world = told();
    world.told.as_mut().unwrap().swap(0, 1);
    none(&world);
}

#[test]
fn something_is_not_told() {
    broken("kafka_told_all", |told| drop(told.remove(0)));
    broken("kafka_told_all", |told| drop(told.pop()));
    let mut world = told();
    world.told =
        Some(world.told.unwrap().into_iter().filter(|record| record.booking.customer != "cid").collect());
    only(&world, "kafka_told_all");
}

#[test]
fn something_is_told_that_never_was() {
    // Dan's hold expired.
    broken("kafka_told_all", |told| {
        let mut invented = told[0].clone();
        (invented.booking.id, invented.booking.seats) = ("e.1.4".into(), vec![3]);
        invented.id = Told::id_of("e.1.4", false);
        told.push(invented);
    });
    // Ann's booking stands.
    broken("kafka_told_all", |told| {
        let mut invented = Told { is_cancel: true, id: Told::id_of("e.1.1", true), ..told[0].clone() };
        invented.booking.cancelled = true;
        told.push(invented);
    });
}

#[test]
fn something_else_is_told_of_a_booking() {
    broken("kafka_told_all", |told| told[0].booking.payment = "other".into());
    broken("kafka_told_all", |told| told[0].booking.customer = "eve".into());
    broken("kafka_told_all", |told| told[0].booking.cancelled = true);
    broken("kafka_told_all", |told| told[0].booking.id = "e.1.77".into());
    // Of what comes once more, too.
    broken("kafka_told_all", |told| {
        let again = Told { booking: told[1].booking.clone(), ..told[0].clone() };
        told.push(again);
    });
}

#[test]
fn the_order_is_another() {
    broken("kafka_in_order", |told| told.swap(1, 2));
    broken("kafka_in_order", |told| told.swap(2, 3));
    broken("kafka_in_order", |told| told[3].partition = 0);
}
