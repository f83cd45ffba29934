use super::*;
use crate::session::reply::now_ms;

const ID: &str = "theatre.1.1";

fn held(expires_in_ms: i64) -> Reservation {
    Reservation {
        id: ID.into(),
        event_id: "theatre".into(),
        customer_id: "ann".into(),
        seat_ids: vec![4, 5],
        state: State::Held,
        expires_at_ms: now_ms() + expires_in_ms,
        extend_limit_at_ms: now_ms() + 300_000,
        total_minor: 9_900,
        currency: "EUR".into(),
    }
}

/// One reservation, told at the returned time.
fn own(reservation: &Reservation) -> (Own, Instant) {
    let (mut own, now) = (Own::default(), Instant::now());
    own.tell(reservation, Some("t1".into()), now);
    (own, now)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_hold_is_asked_for_soon_after_its_end() {
    let (mut own, now) = own(&held(5_000));
    let due = own.next_at().unwrap() - now;
    assert!(due > ms(5_200) && due <= ms(5_300), "{due:?}");
    assert_eq!(own.ask(now), None);
    let question = own.ask(now + ms(5_300)).unwrap();
    assert_eq!((question.reservation_id.as_str(), question.token.as_deref()), (ID, Some("t1")));
    assert_eq!((own.next_at(), own.ask(now + ms(99_000))), (None, None), "one question at a time");
}

#[test]
fn what_should_have_ended_is_asked_for_ever_less_often() {
    for reservation in [held(-1), Reservation { state: State::Confirming, ..held(5_000) }] {
        let (mut own, mut now) = own(&reservation);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let at = own.next_at().unwrap();
            pauses.push((at - now).as_millis());
            now = at;
            let question = own.ask(now).unwrap();
            assert_eq!(own.answered(&question, Said::Is(reservation.clone()), now), None);
        }
        assert_eq!(pauses, [300, 600, 1_200, 2_400, 4_800, 9_600, 10_000, 10_000]);
    }
}

#[test]
fn changes_in_a_row_make_one_question_after_the_other() {
    let (mut own, now) = own(&held(60_000));
    own.refresh(now);
    own.refresh(now + ms(1));
    let question = own.ask(now + ms(1)).unwrap();
    own.refresh(now + ms(2));
    assert_eq!(own.ask(now + ms(2)), None);
    assert_eq!(
        own.answered(&question, Said::Is(held(70_000)), now + ms(3)).map(|is| is.state),
        Some(State::Held)
    );
    // The change that came while the question was under way is asked for, but not at once.
    assert_eq!(own.next_at(), Some(now + ms(1) + ASK_EVERY));
    assert!(own.ask(now + ms(1) + ASK_EVERY).is_some());
}

#[test]
fn an_answer_from_before_a_reply_is_not_believed() {
    let (mut own, now) = own(&held(5_000));
    own.refresh(now);
    let question = own.ask(now).unwrap();
    let extended = held(60_000);
    own.begin(ID);
    own.end(ID, false, now);
    own.tell(&extended, Some("t2".into()), now);
    assert_eq!(own.answered(&question, Said::Is(held(5_000)), now), None);
    let question = own.ask(now + ASK_EVERY).unwrap();
    assert_eq!(question.token.as_deref(), Some("t2"));
    assert_eq!(own.answered(&question, Said::Is(extended), now + ASK_EVERY), None);
}

#[test]
fn nothing_is_asked_while_a_command_is_under_way() {
    let (mut own, now) = own(&held(60_000));
    own.begin(ID);
    own.refresh(now);
    assert_eq!((own.next_at(), own.ask(now)), (None, None));
    own.end(ID, false, now);
    assert!(own.ask(now).is_some());
}

#[test]
fn a_reservation_that_the_service_has_forgotten_is_expired_when_its_time_is_over() {
    let (mut own, now) = own(&held(60_000));
    own.refresh(now);
    let question = own.ask(now).unwrap();
    assert_eq!(own.answered(&question, Said::Unknown, now), None, "it may be found again by its token");
    own.tell(&held(-1), None, now);
    let question = own.ask(now + ms(400)).unwrap();
    let told = own.answered(&question, Said::Unknown, now + ms(400)).unwrap();
    assert_eq!(told.state, State::Expired);
    assert_eq!((own.token(ID), own.next_at()), (None, None));
}

#[test]
fn a_service_that_can_not_say_is_asked_again() {
    let (mut own, now) = own(&held(60_000));
    own.refresh(now);
    let question = own.ask(now).unwrap();
    assert_eq!(own.answered(&question, Said::Nothing, now), None);
    assert_eq!(own.next_at(), Some(now + ASK_AGAIN));
}

#[test]
fn the_end_of_the_world_is_no_problem() {
    let (own, now) = own(&Reservation { expires_at_ms: i64::MAX, ..held(0) });
    assert!(own.next_at().unwrap() <= now + TIMER_MAX + DEADLINE_SLACK);
}

#[test]
fn an_answer_during_a_command_waits_for_the_reply() {
    let (mut own, now) = own(&held(60_000));
    own.refresh(now);
    let question = own.ask(now).unwrap();
    own.begin(ID);
    let released = Reservation { state: State::Released, ..held(60_000) };
    assert_eq!(own.answered(&question, Said::Is(released.clone()), now), None);
    own.end(ID, false, now);
    own.tell(&released, None, now);
    assert_eq!(own.next_at(), None, "the reply has told it");
}
