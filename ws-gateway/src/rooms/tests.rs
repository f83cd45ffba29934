//! Rooms that open and close.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::time::sleep;

use super::{
    outlets::Outlet,
    room::Room,
    testing::{PACE, Stage},
    *,
};
use crate::metrics::Metrics;
use crate::upstream;

const SEATS: u32 = 64;

/// Counts how often it is pushed to.
#[derive(Default)]
struct Pushed(AtomicUsize);

impl Outlet for Pushed {
    fn push(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn ask(&self) {}
}

/// With replicas that nobody can reach.
fn rooms(draining: &CancellationToken) -> (Rooms, TaskTracker) {
    let stop = CancellationToken::new();
    stop.cancel();
    let urls = vec!["http://127.0.0.1:9".parse().unwrap()];
    let targets =
        Targets::new(upstream::Settings { urls, ca: None }, Metrics::unseen(), &TaskTracker::new(), &stop);
    let tracker = TaskTracker::new();
    (Rooms::new(targets, Metrics::unseen(), PACE, tracker.clone(), draining.clone()), tracker)
}

#[tokio::test(start_paused = true)]
async fn a_room_stays_for_a_while_after_its_last_watcher() {
    let (rooms, tracker) = rooms(&CancellationToken::new());
    let first = rooms.enter("theatre", Seats::all(SEATS)).unwrap();
    let second = rooms.enter("theatre", Seats::some(SEATS, Some(1..3))).unwrap();
    assert!(Arc::ptr_eq(&first.room, &second.room));
    drop((first, second));
    sleep(Duration::from_secs(29)).await;
    let third = rooms.enter("theatre", Seats::all(SEATS)).unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!((rooms.open().len(), tracker.len()), (1, 1));
    drop(third);
    sleep(Duration::from_secs(29)).await;
    assert_eq!(rooms.open().len(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!((rooms.open().len(), tracker.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn draining_ends_rooms_with_their_last_watcher() {
    let draining = CancellationToken::new();
    let (rooms, tracker) = rooms(&draining);
    let watcher = rooms.enter("theatre", Seats::all(SEATS)).unwrap();
    let empty = rooms.enter("arena", Seats::all(SEATS)).unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(empty);
    draining.cancel();
    tracker.close();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(tracker.len(), 1);
    drop(watcher);
    sleep(Duration::from_secs(1)).await;
    assert!(tracker.wait().now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn rooms_and_views_are_bounded() {
    let (rooms, _tracker) = rooms(&CancellationToken::new());
    let mut watchers = Vec::new();
    let choice = |seat| Seats::some(1_000, [0..1, seat..seat + 1]);
    for seat in 1..=room::VIEWS_MAX as u32 {
        watchers.push(rooms.enter("arena", choice(seat)).unwrap());
    }
    assert_eq!(rooms.enter("arena", choice(999)).err(), Some(EnterError::Views));
    // The same choice costs nothing, and a choice that nobody has any more makes room.
    assert!(rooms.enter("arena", choice(3)).is_ok());
    // Choices that are made up keep out nobody else.
    assert!(rooms.enter("arena", Seats::all(1_000)).is_ok());
    assert!(rooms.enter("arena", Seats::some(1_000, Some(0..1))).is_ok());
    drop(watchers.pop());
    assert!(rooms.enter("arena", choice(999)).is_ok());

    for room in 1..ROOMS_MAX {
        watchers.push(rooms.enter(&format!("event{room}"), Seats::all(SEATS)).unwrap());
    }
    assert_eq!(rooms.enter("one-more", Seats::all(SEATS)).err(), Some(EnterError::Rooms));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_is_pushed_to_all_watchers_by_many_hands() {
    let mut stage = Stage::new();
    sleep(PACE.tick * 2).await;
    let places: Vec<_> = std::iter::repeat_with(|| {
        let (mut bell, reader) = stage.enter().read(Encoding::Bin, None);
        let pushed = Arc::new(Pushed::default());
        bell.attach(pushed.clone());
        (bell, reader, pushed)
    })
    .take(1_000)
    .collect();
    stage.change();
    sleep(PACE.tick * 4).await;
    assert!(places.iter().all(|(_, _, pushed)| pushed.0.load(Ordering::Relaxed) > 0));
    let pushed: Vec<_> = places.into_iter().map(|(_, _, pushed)| pushed).collect();
    // Their bells are gone, and so are they.
    assert!(pushed.iter().all(|pushed| Arc::strong_count(pushed) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_late_asks_each_peer_once() {
    let room = Room::new("theatre".into(), PACE, Metrics::unseen());
    sleep(PACE.heartbeat).await;
    assert_eq!((room.asking(), room.asking()), (Some(0), None));
    sleep(PACE.heartbeat / 8).await;
    assert_eq!((room.asking(), room.asking(), room.asking()), (Some(1), Some(2), None));
    sleep(PACE.heartbeat * 9).await;
    assert_eq!((room.asking(), room.asking()), (Some(3), None));
}
