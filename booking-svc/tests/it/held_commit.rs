//! A COMMIT is held up past the confirm window, while sweepers have the vault decide void.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use ticketengine::v1::{Booking, SalesSettings};
use tokio::time::sleep;
use tonic::{Code, Status};

use crate::support::{
    STORE_LIMIT,
    calls::until_definite,
    postgres::{Server, Session, reach},
    wait_until,
    witness::Witness,
    world::{Replica, Settings, World},
};

const EVENT: &str = "rock";
/// Between two calls of the same customer.
const PAUSE: Duration = Duration::from_millis(20);

/// Ann's Confirm is held up by `hold`, Bob wants her seat all the time. Returns the outcome.
async fn race(
    mut settings: Settings,
    witness: Witness,
    repeats: bool,
    hold: impl AsyncFnOnce(&Session),
) -> String {
    settings.engine.confirm_window = Duration::from_secs(1);
    let (a, b) = (Replica::start(settings.clone()).await, Replica::start(settings).await);
    a.open_event(EVENT, 40, SalesSettings::default()).await;
    let anns = a.reserve(EVENT, "ann", "r1", &[0, 1]).await.unwrap();

    let lock = lock_seats(&witness.database_url).await;

    let over = AtomicBool::new(false);
    let answers: Mutex<Vec<Result<Booking, Status>>> = Mutex::default();
    let ann = async {
        while !over.load(Ordering::SeqCst) {
            let answer = a.confirm(&anns, "pay-1").await;
            answers.lock().unwrap().push(answer);
            wait_until("Ann may repeat", STORE_LIMIT, async || repeats || over.load(Ordering::SeqCst)).await;
            sleep(PAUSE).await;
        }
    };
    let bob = async {
        for n in 0.. {
            if over.load(Ordering::SeqCst) {
                break;
            }
            if b.reserve(EVENT, "bob", &format!("r{n}"), &[1]).await.is_ok() {
                assert_eq!(witness.outcome(&anns.id()).await.as_deref(), Some("void"), "Bob has Ann's seat");
            }
            sleep(PAUSE).await;
        }
    };
    let hold = async {
        // The sweepers begin to ask only when the window is over.
        wait_until("a Confirm is begun", STORE_LIMIT, async || {
            witness.seat(EVENT, 1).await.starts_with("C ")
        })
        .await;
        hold(&lock).await;
        wait_until("the vault has decided", STORE_LIMIT, async || {
            witness.outcome(&anns.id()).await.is_some()
        })
        .await;
        let answer = until_definite(async || b.confirm(&anns, "pay-1").await).await;
        answers.lock().unwrap().push(answer);
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(ann, bob, hold);

    let outcome = witness.outcome(&anns.id()).await.unwrap();
    for answer in answers.into_inner().unwrap() {
        match answer {
            Ok(_) => assert_eq!(outcome, "booked", "a success stays"),
            Err(status) if status.code() == Code::Unavailable => {}
            Err(status) => assert_eq!(outcome, "void", "a definite refusal stays: {status:?}"),
        }
    }
    witness.agree(EVENT).await;
    outcome
}

/// Locks both seats as another transaction would.
async fn lock_seats(url: &str) -> Session {
    let session = reach(url).await;
    session
        .batch_execute("BEGIN; SELECT FROM seats WHERE event_id = 'rock' AND seat_id < 2 FOR UPDATE")
        .await
        .unwrap();
    session
}

/// A backend that does not run until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: i32) -> Self {
        let pid = Pid::from_raw(pid).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_lock_holds_a_commit_up_past_its_window() {
    // Within the first attempt to decide, while attempts follow each other, and after the last attempt.
    for (held_up, repeats) in [(1_300, false), (2_600, true), (5_500, false)] {
        let world = World::new().await;
        let outcome = race(world.settings(), world.witness(), repeats, async |lock| {
            sleep(Duration::from_millis(held_up)).await;
            lock.batch_execute("COMMIT").await.unwrap();
        })
        .await;
        if held_up > 5_000 {
            assert_eq!(outcome, "void", "only the sweepers still asked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_backend_holds_a_commit_up_past_its_window() {
    for held_up in [1_500, 4_500] {
        // A server of its own: a stopped backend holds up the whole of it.
        let (world, server) = tokio::join!(World::new(), Server::start());
        let mut settings = world.settings();
        settings.database_url = server.url();
        let witness = Witness { database_url: server.admin_url(), ..world.witness() };
        race(settings, witness, true, async |lock| {
            // Not in the lock's transaction, which would see the same backends again and again.
            let looking = server.client().await;
            let mut backend = None;
            wait_until("a backend decides", STORE_LIMIT, async || {
                let sql = "SELECT pid FROM pg_stat_activity
                            WHERE query LIKE '%vault_decide%' AND wait_event_type = 'Lock' LIMIT 1";
                let found = looking.query_opt(sql, &[]).await.unwrap();
                backend = found.map(|row| row.get::<_, i32>(0));
                backend.is_some()
            })
            .await;
            // The lock is its own from now on, and it does nothing with it.
            let stopped = Stopped::new(backend.unwrap());
            lock.batch_execute("COMMIT").await.unwrap();
            sleep(Duration::from_millis(held_up)).await;
            drop(stopped);
        })
        .await;
    }
}
