//! Streams that break in each way that there is.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use seat_board::Position;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Server;
use tonic_types::ErrorDetails;

use super::*;
use crate::metrics::Metrics;
use crate::{limits::HEALTH_EVERY, upstream};
use stand_in::{House, Replica};

#[path = "stand_in.rs"]
mod stand_in;

/// A gateway's end of the stream of an event.
struct Follower {
    live: Arc<Live>,
    targets: Targets,
    stop: CancellationToken,
}

impl Follower {
    fn of(replicas: &[&Replica]) -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let urls = replicas.iter().map(|replica| replica.url.parse().unwrap()).collect();
        let targets = Targets::new(upstream::Settings { urls, ca: None }, Metrics::unseen(), &tracker, &stop);
        let live = Arc::new(Live::default());
        let (following, picked, stopping) = (Arc::clone(&live), targets.clone(), stop.clone());
        tracker.spawn(async move {
            stopping.run_until_cancelled(follow("theatre", &picked, &following)).await;
        });
        Self { live, targets, stop }
    }

    fn has(&self, house: &House) -> bool {
        let state = self.live.state();
        let truth = house.board();
        state.board().is_some_and(|(board, _)| {
            board.position() == truth.position() && board.states() == truth.states()
        })
    }

    /// Waits until the board is the house's.
    async fn reaches(&self, house: &House) {
        wait(|| self.has(house)).await;
    }

    fn resets(&self) -> u64 {
        self.live.state().board().unwrap().1
    }

    fn is_stale(&self) -> bool {
        self.live.state().trust(Instant::now()).stale
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn wait(mut until: impl FnMut() -> bool) {
    let waited = async {
        while !until() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), waited).await.expect("not in time");
}

/// A refusal by the service itself.
fn refusal(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, "refused", details)
}

fn began(house: &House) -> Vec<Option<Position>> {
    house.began.lock().unwrap().clone()
}

#[tokio::test]
async fn a_stream_goes_on_where_it_left_off_on_another_replica() {
    let first = House::at(5);
    let second = first.twin();
    let (one, two) = (Replica::of(&first).await, Replica::of(&second).await);
    let follower = Follower::of(&[&one, &two]);
    follower.reaches(&first).await;
    first.change();
    follower.reaches(&first).await;
    let at = first.board().position();

    let (left, right, dies) =
        if began(&first).is_empty() { (&second, &first, two) } else { (&first, &second, one) };
    drop(dies);
    wait(|| !began(right).is_empty()).await;
    left.change();
    follower.reaches(right).await;
    assert_eq!((began(left), began(right)), (vec![None], vec![Some(at)]));
    assert!(!follower.is_stale());
    assert_eq!(follower.resets(), 0);
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_left() {
    let house = House::at(5);
    let replica = Replica::of(&house).await;
    let follower = Follower::of(&[&replica]);
    follower.reaches(&house).await;
    house.silent.store(true, Ordering::SeqCst);
    wait(|| follower.is_stale()).await;
    assert_eq!(began(&house).len(), 1);
    wait(|| began(&house).len() > 1).await;
    assert_eq!(began(&house)[1], Some(Position { epoch: 1, version: 5 }));
    house.silent.store(false, Ordering::SeqCst);
    house.change();
    follower.reaches(&house).await;
    wait(|| !follower.is_stale()).await;
}

#[tokio::test]
async fn what_does_not_fit_is_asked_for_anew() {
    let house = House::at(5);
    let replica = Replica::of(&house).await;
    let follower = Follower::of(&[&replica]);
    follower.reaches(&house).await;

    for (fault, streams) in [(&house.skips, 1), (&house.wrong, 2)] {
        fault.store(true, Ordering::SeqCst);
        house.change();
        wait(|| began(&house).len() > streams).await;
        fault.store(false, Ordering::SeqCst);
        house.change();
        follower.reaches(&house).await;
        wait(|| !follower.is_stale()).await;
    }
    assert!(began(&house).iter().all(Option::is_none));
    assert!(follower.resets() >= 2);
}

#[tokio::test]
async fn a_replica_that_is_behind_does_not_set_watchers_back() {
    let (ahead, behind) = (House::at(9), House::at(5));
    let (first, second) = (Replica::of(&ahead).await, Replica::of(&behind).await);
    behind.silent.store(true, Ordering::SeqCst);
    let follower = Follower::of(&[&first, &second]);
    follower.reaches(&ahead).await;
    behind.silent.store(false, Ordering::SeqCst);
    let started = Instant::now();
    drop(first);
    // Nothing but the past is left: after a while it is true.
    while started.elapsed() < SET_BACK_AFTER - Duration::from_millis(500) {
        assert!(follower.has(&ahead));
        sleep(Duration::from_millis(20)).await;
    }
    assert!(follower.is_stale());
    follower.reaches(&behind).await;
    assert_eq!(follower.resets(), 1);
    wait(|| !follower.is_stale()).await;
}

#[tokio::test]
async fn a_replica_that_is_cut_off_or_behind_is_left_for_a_better_one() {
    for fault in
        [|house: &House| &house.cut_off, |house: &House| &house.behind] as [fn(&House) -> &AtomicBool; 2]
    {
        let first = House::at(5);
        let second = first.twin();
        let (one, two) = (Replica::of(&first).await, Replica::of(&second).await);
        let follower = Follower::of(&[&one, &two]);
        follower.reaches(&first).await;
        let (left, right) = if began(&first).is_empty() { (&second, &first) } else { (&first, &second) };
        fault(left).store(true, Ordering::SeqCst);
        let started = Instant::now();
        wait(|| !began(right).is_empty()).await;
        // What is over in a moment is no reason to leave.
        assert!(started.elapsed() >= DOUBT_MAX - Duration::from_millis(200), "{:?}", started.elapsed());
        wait(|| !follower.is_stale()).await;
        assert_eq!((began(left).len(), began(right).len()), (1, 1));
    }
}

#[tokio::test]
async fn a_replica_that_is_cut_off_is_kept_where_there_is_no_better_one() {
    let house = House::at(5);
    let replica = Replica::of(&house).await;
    let follower = Follower::of(&[&replica]);
    follower.reaches(&house).await;
    house.cut_off.store(true, Ordering::SeqCst);
    sleep(DOUBT_MAX + Duration::from_millis(500)).await;
    assert!(follower.is_stale());
    assert_eq!(began(&house).len(), 1);
}

#[tokio::test]
async fn an_event_that_is_gone_ends_the_stream() {
    let house = House::at(5);
    let replica = Replica::of(&house).await;
    *house.refuses.lock().unwrap() = Some(refusal(Code::NotFound, EVENT_NOT_FOUND));
    let follower = Follower::of(&[&replica]);
    wait(|| follower.live.state().trust(Instant::now()).gone).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(began(&house).len(), 1);
}

#[tokio::test]
async fn only_the_service_can_say_that_an_event_is_gone() {
    let foreign = ErrorDetails::with_error_info(EVENT_NOT_FOUND, "proxy.example", HashMap::new());
    let refusals = [
        Status::not_found("no route"),
        Status::with_error_details(Code::NotFound, "no route", foreign),
        refusal(Code::NotFound, "SOMETHING_ELSE"),
    ];
    for status in refusals {
        let house = House::at(5);
        let replica = Replica::of(&house).await;
        *house.refuses.lock().unwrap() = Some(status);
        let follower = Follower::of(&[&replica]);
        wait(|| began(&house).len() > 1).await;
        *house.refuses.lock().unwrap() = None;
        follower.reaches(&house).await;
        assert!(!follower.live.state().trust(Instant::now()).gone);
    }
}

#[tokio::test]
async fn a_refused_stream_does_not_keep_calls_from_the_replica() {
    let (first, second) = (House::at(5), House::at(5));
    let (one, two) = (Replica::of(&first).await, Replica::of(&second).await);
    for house in [&first, &second] {
        *house.refuses.lock().unwrap() = Some(refusal(Code::Unavailable, "OVERLOADED"));
    }
    let follower = Follower::of(&[&one, &two]);
    wait(|| began(&first).len() + began(&second).len() >= 4).await;
    let picked: HashSet<_> = (0..10).map(|_| follower.targets.pick().address).collect();
    assert_eq!(picked.len(), 2);
}

#[tokio::test]
async fn streams_leave_the_places_of_calls_alone() {
    let house = House::at(5);
    let replica = Replica::with(&house, Server::builder().max_concurrent_streams(1)).await;
    let follower = Follower::of(&[&replica]);
    follower.reaches(&house).await;
    let started = Instant::now();
    wait(|| follower.targets.serving()).await;
    // While the stream goes on, its health is asked for again and again.
    while started.elapsed() < HEALTH_EVERY * 3 {
        assert!(follower.targets.serving());
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(began(&house).len(), 1);
}

#[tokio::test]
async fn an_outage_is_waited_for_in_growing_pauses() {
    let house = House::at(5);
    let replica = Replica::of(&house).await;
    let follower = Follower::of(&[&replica]);
    follower.reaches(&house).await;
    drop(replica);
    wait(|| follower.is_stale()).await;
    assert!(follower.has(&house));
}

#[test]
fn the_first_retry_is_at_once_and_pauses_are_bounded() {
    assert_eq!([pause(0), pause(1)], [Duration::ZERO; 2]);
    for failures in [2, 3, 6, 100, u32::MAX] {
        let longest = (0..200).map(|_| pause(failures)).max().unwrap();
        let bound = BACKOFF_MIN.saturating_mul(1 << (failures - 2).min(10)).min(BACKOFF_MAX);
        assert!(longest <= bound && longest > bound / 2, "{failures}: {longest:?}");
    }
}
