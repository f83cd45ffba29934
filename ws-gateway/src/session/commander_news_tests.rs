//! What a socket hears of its reservations without asking.

use ticketengine::v1::ReservationState;

use super::*;
use crate::session::booking_stub::held;

#[tokio::test]
async fn what_others_change_is_told_once() {
    let mut socket = Socket::signed_in().await;
    socket.reserve(1).await;
    assert!(!socket.change(&[1, 4]), "other seats");
    assert!(socket.change(&[1, 2]));
    assert!(socket.is_quiet().await, "the socket knows that already");
    assert_eq!(socket.stub.seen("GetReservation"), ["theatre.1.1"]);
    assert_eq!(socket.stub.script().seen.last().unwrap().token, "token-of-r1");

    socket.stub.script().reservations.get_mut("theatre.1.1").unwrap().expire_time =
        held("", Duration::from_secs(90)).expire_time;
    socket.commander.refresh();
    let frame = socket.next().await;
    assert_eq!(frame["type"], "reservation");
    assert!(frame["reservation"]["expires_in_ms"].as_u64().unwrap() > 80_000, "{frame}");

    socket.stub.set_state("theatre.1.1", ReservationState::Released);
    assert!(socket.change(&[3]));
    assert_eq!(socket.next().await["reservation"]["state"], "released");
    assert!(!socket.change(&[3]), "what has ended is forgotten");
    socket.commander.refresh();
    assert!(socket.is_quiet().await);
}

#[tokio::test]
async fn what_a_reply_tells_is_not_told_again() {
    let mut socket = Socket::signed_in().await;
    socket.reserve(1).await;
    socket.stub.script().delays.insert("theatre.1.1".into(), Duration::from_millis(100));
    socket.send(&json!({"op": "release", "id": "c", "reservation_id": "theatre.1.1"}));
    // The change reaches the watchers before the reply comes.
    assert!(timeout(Duration::from_millis(50), socket.commander.next()).await.is_err());
    assert!(socket.change(&[2, 3]));
    let reply = socket.next().await;
    assert_eq!((&reply["id"], &reply["reservation"]["state"]), (&json!("c"), &json!("released")));
    assert!(socket.is_quiet().await);
    assert!(socket.stub.seen("GetReservation").is_empty());
}

#[tokio::test]
async fn a_command_that_fails_shows_where_the_reservation_stands() {
    let mut socket = Socket::signed_in().await;
    socket.reserve(1).await;
    socket.stub.set_state("theatre.1.1", ReservationState::Expired);
    socket.stub.script().failures = [refusal(Code::FailedPrecondition, "HOLD_EXPIRED", None)].into();
    let reply = socket.ask(&json!({"op": "extend", "id": "c", "reservation_id": "theatre.1.1"})).await;
    assert_eq!(reply["error"]["reason"], "HOLD_EXPIRED");
    assert_eq!(socket.next().await["reservation"]["state"], "expired");
}

#[tokio::test]
async fn a_hold_that_ends_by_time_is_told() {
    let mut socket = Socket::signed_in().await;
    let short = held("theatre.1.1", Duration::from_millis(100));
    socket.stub.script().reservations.insert("theatre.1.1".into(), short);
    socket.reserve(1).await;
    // The sweeper is late.
    assert!(socket.is_quiet().await);
    assert!(!socket.stub.seen("GetReservation").is_empty());
    socket.stub.set_state("theatre.1.1", ReservationState::Expired);
    let frame = socket.next().await;
    assert_eq!(frame["reservation"]["state"], "expired");
    assert_eq!(frame["reservation"]["expires_in_ms"], 0);
    assert!(socket.is_quiet().await);
}

#[tokio::test]
async fn a_reload_follows_its_reservation() {
    let mut socket = Socket::signed_in().await;
    let id = "theatre.1.9";
    socket.stub.script().reservations.insert(id.into(), held(id, Duration::from_secs(60)));
    let follow = json!({"op": "follow", "id": "f", "reservation_id": id, "reservation_token": "kept"});
    let reply = socket.ask(&follow).await;
    assert_eq!(reply["reservation"]["state"], "held");
    assert!(reply.get("reservation_token").is_none());
    socket.stub.set_state(id, ReservationState::Booked);
    assert!(socket.change(&[4]));
    assert_eq!(socket.next().await["reservation"]["state"], "booked");
    assert_eq!(socket.stub.script().seen.last().unwrap().token, "kept");

    let ended = socket.ask(&json!({"op": "follow", "id": "f", "reservation_id": id})).await;
    assert_eq!(ended["reservation"]["state"], "booked");
    assert!(!socket.change(&[4]), "nothing more can come of it");
    let missing = socket.ask(&json!({"op": "follow", "id": "f", "reservation_id": "theatre.9.9"})).await;
    assert_eq!(missing["error"]["reason"], "RESERVATION_NOT_FOUND");
}

#[tokio::test]
async fn a_reply_that_may_be_late_is_looked_at_again() {
    let mut socket = Socket::signed_in().await;
    let id = "theatre.1.9";
    socket.stub.script().reservations.insert(id.into(), held(id, Duration::from_secs(60)));
    let extend = json!({"op": "extend", "id": "c", "reservation_id": id, "reservation_token": "kept"});
    assert_eq!(socket.ask(&extend).await["reservation"]["state"], "held");
    socket.stub.set_state(id, ReservationState::Released);
    assert_eq!(socket.next().await["reservation"]["state"], "released");
}

#[tokio::test]
async fn an_outage_is_no_end_of_a_reservation() {
    let mut socket = Socket::signed_in().await;
    let short = held("theatre.1.1", Duration::ZERO);
    socket.stub.script().reservations.insert("theatre.1.1".into(), short);
    socket.reserve(1).await;
    // A proxy without a route, not the service.
    let lost = std::iter::repeat_with(|| tonic::Status::not_found("no route"));
    socket.stub.script().failures.extend(lost.take(4));
    while !socket.stub.script().failures.is_empty() {
        assert!(socket.is_quiet().await);
    }
    assert!(socket.is_quiet().await);
    socket.stub.set_state("theatre.1.1", ReservationState::Expired);
    assert_eq!(socket.next().await["reservation"]["state"], "expired");
}

#[tokio::test]
async fn the_newest_reservations_are_kept() {
    let mut socket = Socket::signed_in().await;
    for number in 1..=10 {
        socket.reserve(number).await;
    }
    assert!(!socket.change(&[2]) && !socket.change(&[5]), "1 and 2 are displaced");
    assert!(socket.change(&[6]) && socket.change(&[21]));
    assert!(socket.is_quiet().await);
    assert_eq!(socket.stub.seen("GetReservation").len(), OWN_RESERVATIONS_MAX);
}

#[tokio::test]
async fn another_customer_inherits_nothing() {
    let mut socket = Socket::signed_in().await;
    socket.reserve(1).await;
    socket.stub.script().delays.insert("r2".into(), Duration::from_millis(100));
    socket.send(&json!({"op": "reserve", "id": "late", "request_id": "r2", "seat_ids": [8]}));
    socket.sign_in("bob").await;
    assert_eq!(socket.next().await["id"], "late");
    assert!(!socket.change(&[2]) && !socket.change(&[8]));
}

#[tokio::test]
async fn a_new_token_asks_what_the_old_one_could_not() {
    let mut socket = Socket::signed_in().await;
    socket.reserve(1).await;
    socket.stub.script().failures = [refusal(Code::Unauthenticated, "UNAUTHENTICATED", None)].into();
    assert!(socket.change(&[2]));
    assert!(socket.is_quiet().await);
    assert_eq!(socket.stub.seen("GetReservation").len(), 1, "a bad token is not tried again and again");
    socket.stub.set_state("theatre.1.1", ReservationState::Lost);
    socket.sign_in("ann").await;
    assert_eq!(socket.next().await["reservation"]["state"], "lost");
}

#[tokio::test]
async fn after_a_snapshot_sockets_do_not_ask_all_at_once() {
    let mut socket = Socket::signed_in().await;
    let mut pauses = Vec::new();
    for _ in 0..40 {
        socket.commander.own.clear();
        socket.reserve(1).await;
        let now = Instant::now();
        socket.commander.hear(&Missing::Snapshot);
        pauses.push(socket.commander.own.next_at().unwrap() - now);
    }
    let (first, last) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
    assert!(*last < SNAPSHOT_SPREAD + Duration::from_millis(100), "{last:?}");
    assert!(*last - *first > SNAPSHOT_SPREAD / 2, "{first:?} to {last:?}");
    // What concerns the socket does not wait for that.
    assert!(socket.change(&[2]));
    assert!(socket.commander.own.next_at().unwrap() <= Instant::now());
    assert!(socket.is_quiet().await);
    assert_eq!(socket.stub.seen("GetReservation"), ["theatre.1.1"]);
}
