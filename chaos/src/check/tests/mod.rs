//! Each check fires where it has to, alone, and nowhere else.

mod calls;
mod funnel;
mod kafka;
mod search;
mod simulated;
mod views;
mod votes;
mod world;

use std::collections::BTreeSet;

use super::{RULES, TOLD_MAX, check, seats};
use crate::history::History;

/// Which checks fire.
fn fired(history: &History) -> Vec<&'static str> {
    let names: BTreeSet<_> = check(history).violations.iter().map(|violation| violation.check).collect();
    names.into_iter().collect()
}

#[track_caller]
fn only(history: &History, name: &str) {
    assert_eq!(fired(history), [name], "{:#?}", check(history).violations);
}

#[track_caller]
fn none(history: &History) {
    assert_eq!(check(history).violations, []);
}

#[test]
fn nothing_is_wrong_in_a_healthy_world_and_all_was_looked_at() {
    let mut world = world::healthy();
    world.tell();
    let verdict = check(&world);
    assert_eq!(verdict.violations, []);
    let unseen = RULES.iter().map(|rule| rule.name).filter(|name| verdict.looked_at[name] == 0);
    assert_eq!(unseen.collect::<Vec<_>>(), [seats::UNDECIDED.name]);
}

#[test]
fn a_round_without_anything_breaks_nothing() {
    none(&History::default());
}

#[test]
fn many_violations_are_counted() {
    let mut world = world::healthy();
    world.recovery.reclaimed = (0..TOLD_MAX as u32 + 5).map(|seat| (seat, None)).collect();
    let verdict = check(&world);
    assert_eq!(verdict.violations.len(), TOLD_MAX + 1);
    assert_eq!(verdict.violations[TOLD_MAX].what, "and 5 more");
}
