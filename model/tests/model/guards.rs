//! Without a guard an invariant falls, named here; or another guard stands behind it.

use model::{
    Guards, Setting,
    invariants::{ALL_OR_NOTHING, HOLDS_NEVER_OVERLAP, REFUSALS_STAND, SAME_ANSWER, SOLD_ONCE},
};

use crate::support::{falls, holds};

const ONE: Setting = Setting { tasks: 1, ..Setting::PLAIN };
const LOSS: Setting = Setting { losses: 1, epochs: 2, rebuilds: 1, ..ONE };
const REWIND: Setting = Setting { losses: 0, rewinds: true, ..LOSS };
const ALL: Guards = Guards::ALL;

#[test]
fn without_unique_the_others_hold_and_with_one_more_gone_a_seat_is_sold_twice() {
    let guards = Guards { unique: false, ..ALL };
    holds(Setting { name: "no unique", guards, ..LOSS });
    let two = Guards { epoch_check_in_vault: false, ..guards };
    falls(Setting { name: "no unique, no epoch check", guards: two, ..LOSS }, SOLD_ONCE);
    let two = Guards { incarnation_check: false, ..guards };
    falls(Setting { name: "no unique, no incarnation check", guards: two, ..REWIND }, SOLD_ONCE);
    let two = Guards { confirming_not_freed_by_time: false, ..guards };
    falls(Setting { name: "no unique, confirming freed by time", guards: two, tasks: 2, ..ONE }, SOLD_ONCE);
}

#[test]
fn without_the_epoch_check_a_late_confirm_takes_a_new_hold() {
    let guards = Guards { epoch_check_in_vault: false, ..ALL };
    falls(Setting { name: "no epoch check", guards, ..LOSS }, HOLDS_NEVER_OVERLAP);
}

#[test]
fn without_the_incarnation_check_an_old_file_is_believed() {
    let guards = Guards { incarnation_check: false, ..ALL };
    falls(Setting { name: "no incarnation check", guards, ..REWIND }, HOLDS_NEVER_OVERLAP);
}

#[test]
fn without_the_owner_check_a_late_settle_frees_what_is_not_its_own() {
    let guards = Guards { owner_check_in_settle: false, ..ALL };
    falls(Setting { name: "no owner check", guards, reservations: 3, ..LOSS }, HOLDS_NEVER_OVERLAP);
    falls(Setting { name: "no owner check, a pair", guards, wants: &[0b11, 0b01], ..LOSS }, ALL_OR_NOTHING);
}

#[test]
fn a_sweeper_that_only_reads_frees_what_is_booked_later() {
    let guards = Guards { sweeper_decides_void: false, ..ALL };
    falls(Setting { name: "a sweeper that reads", guards, tasks: 2, ..ONE }, HOLDS_NEVER_OVERLAP);
    falls(Setting { name: "a sweeper that reads", guards, tasks: 2, ..ONE }, REFUSALS_STAND);
}

#[test]
fn confirming_that_time_frees_is_booked_later() {
    let guards = Guards { confirming_not_freed_by_time: false, ..ALL };
    falls(Setting { name: "confirming freed by time", guards, ..ONE }, HOLDS_NEVER_OVERLAP);
}

#[test]
fn a_release_without_void_is_booked_later() {
    let guards = Guards { release_writes_void: false, ..ALL };
    falls(Setting { name: "release without void", guards, wants: &[1], ..LOSS }, REFUSALS_STAND);
    falls(Setting { name: "release without void", guards, wants: &[1], ..LOSS }, SAME_ANSWER);
}

#[test]
fn a_rebuild_that_does_not_freeze_loses_a_hold() {
    let guards = Guards { freeze_before_read: false, ..ALL };
    falls(Setting { name: "no freeze", guards, losses: 0, ..LOSS }, HOLDS_NEVER_OVERLAP);
}

#[test]
fn without_quarantine_a_newcomer_gets_a_lost_hold() {
    let guards = Guards { quarantine: false, ..ALL };
    falls(Setting { name: "no quarantine", guards, ..LOSS }, HOLDS_NEVER_OVERLAP);
}

#[test]
fn without_the_request_index_a_repeat_is_refused() {
    let guards = Guards { request_index: false, ..ALL };
    falls(Setting { name: "no request index", guards, ..ONE }, SAME_ANSWER);
}

#[test]
fn ended_over_living_a_repeat_hears_of_another_reservation() {
    let guards = Guards { living_over_ended: false, ..ALL };
    let repeat = Setting { wants: &[1], epochs: 3, ticks: 2, guards, ..LOSS };
    falls(Setting { name: "ended over living", ..repeat }, SAME_ANSWER);
}

#[test]
fn the_clock_before_the_vault_refuses_what_is_booked() {
    // What is booked is written over it; what was cancelled is not.
    let guards = Guards { vault_before_clock: false, ..ALL };
    holds(Setting { name: "the clock before the vault", wants: &[1], guards, ticks: 2, ..REWIND });
    let cancels = Setting { cancels: true, wants: &[1], guards, ticks: 2, ..REWIND };
    falls(Setting { name: "the clock before the vault, cancel", ..cancels }, REFUSALS_STAND);
    let guards = Guards { living_over_ended: false, ..guards };
    let old = Setting { wants: &[1], guards, ticks: 2, ..REWIND };
    falls(Setting { name: "the clock before the vault, ended over living", ..old }, REFUSALS_STAND);
}
