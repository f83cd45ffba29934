//! The search alone.

use crate::check::search::{Found, State, What, perhaps, search, sure};

#[test]
fn an_order_is_found_though_the_first_way_is_wrong() {
    // The grant to 1 began first, and has to come last: it lasts for ever.
    let mut ops = [
        sure(What::Grant(1), 0, 100),
        sure(What::Grant(2), 10, 50),
        sure(What::Confirm(1), 60, 120),
        sure(What::SeenTaken, 20, 30),
        sure(What::End(2), 40, 60),
    ];
    assert_eq!(search(&mut ops), Found::Order);
}

#[test]
fn what_was_over_before_another_began_comes_first() {
    let mut ops = [sure(What::Grant(1), 0, 10), perhaps(What::End(1), 30), sure(What::Grant(2), 15, 20)];
    assert_eq!(search(&mut ops), Found::Stuck { op: 1, state: State::Held(1) });
    let mut ops = [sure(What::Grant(1), 0, 10), perhaps(What::End(1), 30), sure(What::Grant(2), 15, 30)];
    assert_eq!(search(&mut ops), Found::Order);
}

#[test]
fn what_is_sold_does_not_end_by_time() {
    let mut ops = [
        sure(What::Grant(1), 0, 10),
        sure(What::Confirm(1), 10, 20),
        sure(What::SeenSold, 12, 14),
        perhaps(What::End(1), 15),
        sure(What::Grant(2), 30, 40),
    ];
    assert!(matches!(search(&mut ops), Found::Stuck { .. }));
    ops[3].what = What::Cancel(1);
    assert_eq!(search(&mut ops), Found::Order);
}

#[test]
fn a_search_without_end_is_given_up() {
    // Whoever comes first, all but one have to end, and nobody does.
    let mut ops: Vec<_> = (0..40).map(|who| sure(What::Grant(who), 0, 100)).collect();
    ops.extend((0..39).map(|who| perhaps(What::End(who), 0)));
    ops.push(sure(What::SeenSold, 0, 100));
    assert_eq!(search(&mut ops), Found::Undecided);
}
