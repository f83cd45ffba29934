use seat_board::{PackedStates, Position};
use ticketengine::v1;

use super::*;

const SEATS: usize = 40;

fn board(epoch: u64, version: u64) -> Board {
    Board::new(v1::SeatStates { epoch, version, packed: vec![0; SEATS / 4] }, SEATS)
}

fn seats(ids: &[u32]) -> SeatSet {
    SeatSet::new(ids.iter().copied()).unwrap()
}

fn holder(name: &str) -> Holder {
    Holder { request: format!("{name}-1").parse().unwrap(), customer: name.parse().unwrap() }
}

/// What the gate said of seat 3, which ann has for ten seconds more.
fn refused(version: u64, asked_at: Instant) -> Refused {
    let ends = Some((UnixMs(10_000), asked_at + Duration::from_secs(10)));
    let obstacle = Obstacle { seat: SeatId(3), state: SeatState::Held, ends };
    Refused {
        epoch: Epoch(1),
        version: Version(version),
        asked_at,
        closes: None,
        obstacles: vec![(obstacle, Some(holder("ann")))],
    }
}

/// A board of epoch 1, version 5, that is fresh now; and a refusal of version 6.
fn begun() -> (Board, AsOf, Refusals, Instant) {
    let (board, as_of, mut refusals) = (board(1, 5), AsOf::now(), Refusals::default());
    refusals.remember(&board, refused(6, as_of.at()));
    (board, as_of, refusals, as_of.at())
}

fn ask(
    refusals: &Refusals,
    board: &Board,
    as_of: &AsOf,
    ids: &[u32],
    who: &Holder,
    now: Instant,
) -> Option<usize> {
    let found = refusals.find(board, as_of, &seats(ids), (&who.request, &who.customer), now);
    found.map(|found| found.len())
}

fn change(version: u64, ids: &[u32]) -> SeatChange {
    let seats = ids.iter().copied().map(SeatId).collect();
    SeatChange { version: Version(version), state: SeatState::Free, seats }
}

#[test]
fn others_are_refused_and_the_holder_is_not() {
    let (board, as_of, refusals, now) = begun();
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), Some(1));
    assert_eq!(ask(&refusals, &board, &as_of, &[2, 3, 4], &holder("bob"), now), Some(1), "2 and 4 are free");
    assert_eq!(
        ask(&refusals, &board, &as_of, &[3], &holder("ann"), now),
        None,
        "a repeat finds its reservation"
    );
    let other = Holder { request: "ann-2".parse().unwrap(), ..holder("ann") };
    assert_eq!(
        ask(&refusals, &board, &as_of, &[3], &other, now),
        Some(1),
        "another request of the same customer"
    );
    let other = Holder { customer: "bob".parse().unwrap(), ..holder("ann") };
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &other, now), Some(1), "the same request id of another");
}

#[test]
fn a_seat_of_which_nothing_was_said_goes_to_the_gate() {
    let (mut board, as_of, refusals, now) = begun();
    assert_eq!(ask(&refusals, &board, &as_of, &[2], &holder("bob"), now), None, "free");
    let mut packed = PackedStates::new(vec![0; SEATS / 4]);
    packed.set(2, SeatState::Sold);
    board.replace(v1::SeatStates { epoch: 1, version: 5, packed: packed.bytes().to_vec() });
    assert_eq!(ask(&refusals, &board, &as_of, &[2, 3], &holder("bob"), now), None, "it may be his own");
}

#[test]
fn a_refusal_is_not_repeated_past_the_deadline_nor_for_long_nor_from_a_stale_board() {
    let (board, as_of, mut refusals, now) = begun();
    let at = |refusals: &Refusals, as_of: &AsOf, ms| {
        ask(refusals, &board, as_of, &[3], &holder("bob"), now + Duration::from_millis(ms))
    };
    let end = FRESH_MAX.as_millis() as u64;
    assert_eq!((at(&refusals, &as_of, end - 1), at(&refusals, &as_of, end)), (Some(1), None), "stale");
    let mut short = refused(6, now);
    short.obstacles[0].0.ends = Some((UnixMs(20), now + Duration::from_millis(20)));
    refusals.remember(&board, short);
    assert_eq!((at(&refusals, &as_of, 19), at(&refusals, &as_of, 20)), (Some(1), None), "free by time");
    let closes = Some(now + Duration::from_millis(30));
    refusals.remember(&board, Refused { closes, ..refused(6, now) });
    assert_eq!((at(&refusals, &as_of, 29), at(&refusals, &as_of, 30)), (Some(1), None), "the sale is over");
}

#[test]
fn a_refusal_is_repeated_for_a_second_at_most() {
    let (board, as_of, mut refusals, now) = begun();
    let asked_at = now - REPEATED_MAX + Duration::from_millis(1);
    refusals.remember(&board, refused(6, asked_at));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), Some(1));
    let later = now + Duration::from_millis(1);
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), later), None);
}

#[test]
fn a_change_after_the_refusal_ends_it_and_one_before_does_not() {
    let (board, as_of, mut refusals, now) = begun();
    refusals.changed(&change(6, &[3]));
    refusals.changed(&change(7, &[4]));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), Some(1));
    refusals.changed(&change(8, &[2, 3]));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), None);
}

#[test]
fn a_refusal_that_the_board_is_ahead_of_is_not_kept() {
    for (epoch, version) in [(1, 7), (2, 0), (0, 5)] {
        let (board, as_of, mut refusals) = (board(epoch, version), AsOf::now(), Refusals::default());
        refusals.remember(&board, refused(6, as_of.at()));
        let who = holder("bob");
        assert_eq!(ask(&refusals, &board, &as_of, &[3], &who, as_of.at()), None, "{epoch} {version}");
        assert_eq!(board.position(), Position { epoch, version });
    }
}

#[test]
fn what_this_replica_changed_is_forgotten_at_once() {
    let (board, as_of, mut refusals, now) = begun();
    refusals.forget(&seats(&[3]));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), None);
    refusals.remember(&board, refused(6, now));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), None, "it was under way then");
    refusals.remember(&board, refused(6, Instant::now() + Duration::from_millis(1)));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), Some(1), "asked afterwards");
    refusals.clear();
    refusals.remember(&board, refused(6, now));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), None, "nothing of before is kept");
}

#[test]
fn an_older_refusal_does_not_replace_a_newer_one() {
    let (board, as_of, mut refusals, now) = begun();
    let mut newer = refused(8, now);
    newer.obstacles[0].1 = Some(holder("bob"));
    refusals.remember(&board, newer);
    refusals.remember(&board, refused(6, now));
    assert_eq!(ask(&refusals, &board, &as_of, &[3], &holder("bob"), now), None, "he has the seat by now");
}

#[test]
fn it_does_not_grow_without_end() {
    let (board, mut refusals, now) = (board(1, 5), Refusals::default(), Instant::now());
    let mut many = refused(6, now);
    let (obstacle, holder) = many.obstacles.remove(0);
    many.obstacles =
        (0..SEATS_MAX as u32).map(|id| (Obstacle { seat: SeatId(id), ..obstacle }, holder.clone())).collect();
    refusals.remember(&board, many);
    assert_eq!(refusals.seats.len(), SEATS_MAX);
    refusals.remember(&board, refused(6, now));
    assert_eq!(refusals.seats.len(), 0);
    refusals.remember(&board, refused(6, Instant::now() + Duration::from_millis(1)));
    assert_eq!(refusals.seats.len(), 1);
}
