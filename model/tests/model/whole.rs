//! With all guards every invariant holds. Each setting goes deep in one direction: in all at once there are too many states.

use model::Setting;

use crate::support::holds;

const PLAIN: Setting = Setting::PLAIN;
/// Redis may lose everything once, and be rebuilt once. One call at a time, beside those that stopped for ever.
const LOSS: Setting = Setting { losses: 1, epochs: 2, rebuilds: 1, tasks: 1, ..PLAIN };
/// Redis may come back with an old file once.
const REWIND: Setting = Setting { losses: 0, rewinds: true, ..LOSS };

#[test]
fn calls_race_with_each_other_and_with_the_sweeper() {
    holds(Setting { name: "calls", ticks: 2, ..PLAIN });
}

#[test]
fn a_gate_is_lost_while_two_calls_are_under_way() {
    holds(Setting { name: "loss", tasks: 2, releases: false, ..LOSS });
    holds(Setting {
        name: "loss, one reservation",
        tasks: 2,
        wants: &[1],
        reservations: 1,
        epochs: 3,
        ..LOSS
    });
}

#[test]
fn rebuilds_race() {
    holds(Setting { name: "two rebuilds", rebuilds: 2, epochs: 3, releases: false, ..LOSS });
    holds(Setting { name: "two rebuilds, released", rebuilds: 2, ticks: 2, ..LOSS });
}

#[test]
fn redis_comes_back_with_an_old_file() {
    holds(Setting { name: "old file", ..REWIND });
    holds(Setting { name: "old file, one customer", wants: &[1], ticks: 2, ..REWIND });
}

#[test]
fn several_seats_go_together() {
    holds(Setting { name: "a pair against one", wants: &[0b11, 0b01], ..PLAIN });
    holds(Setting {
        name: "a pair between two",
        wants: &[0b11, 0b01, 0b10],
        reservations: 3,
        tasks: 1,
        ..PLAIN
    });
    holds(Setting { name: "a pair, loss", wants: &[0b11, 0b01], reservations: 3, ..LOSS });
}

#[test]
fn extensions_are_lost_and_come_back() {
    let extending = Setting { extends: true, ttl: 2, ticks: 3, wants: &[1], ..LOSS };
    holds(Setting { name: "extend, loss", ..extending.clone() });
    holds(Setting { name: "extend, old file", losses: 0, rewinds: true, ..extending });
}

#[test]
fn bookings_are_cancelled() {
    holds(Setting { name: "cancel", cancels: true, releases: false, ..PLAIN });
    holds(Setting { name: "cancel, loss", cancels: true, releases: false, ..LOSS });
    holds(Setting { name: "cancel, old file", cancels: true, wants: &[1], ticks: 2, ..REWIND });
}

#[test]
fn tombstones_are_forgotten() {
    holds(Setting { name: "forget", forgets: true, ticks: 2, tasks: 1, ..PLAIN });
}

#[test]
fn a_request_is_repeated_after_a_loss() {
    holds(Setting { name: "repeat", wants: &[1], epochs: 3, ticks: 2, ..LOSS });
}
