//! Faults under load: in the end every client has what the stores have, and nobody lost a change without noticing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use testkit::{
    calls::{Caller, Held},
    token::as_role,
};
use ticketengine::v1::{BlockSeatsRequest, UnblockSeatsRequest};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::support::{
    REST_LIMIT,
    follower::Follower,
    holds_within, say,
    socket::{BIN, JSON},
    stack::{BALCONY, Stack, Wiring, open_event},
};

const EVENT: &str = "faults";
const SEATS: u32 = 2_000;
const CHANGES: u64 = 10_000;
const BUYERS: usize = 8;
/// Over both gateways; half of each encoding.
const FOLLOWERS: usize = 24;
/// Every so many followers, one watches only the balcony.
const SECTION_EVERY: usize = 4;
/// Short, so that holds that buyers forget end while the faults go on.
const HOLD_TTL: Duration = Duration::from_secs(2);
/// Longer than a call to a replica that is gone.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How long the changes may take with all those faults; far more than they need.
const RUN_LIMIT: Duration = Duration::from_secs(240);
/// Kinds of faults, each of which hits one side and then the other.
const KINDS: usize = 6;
/// At least, however quickly the changes are made: each kind on both sides.
const FAULTS_MIN: usize = 2 * KINDS;
const FAULT_EVERY: Duration = Duration::from_millis(700);
/// Longer than a board may be cut off before its watchers are told.
const BLACK_HOLE: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_ends_with_what_the_stores_have() {
    let stack = Stack::start(Wiring::AllReplicas, &[]).await;
    let callers = [stack.caller(0), stack.caller(1)];
    open_event(&callers[0], EVENT, SEATS, HOLD_TTL).await;
    let followers: Vec<_> = (0..FOLLOWERS).map(|number| follower(&stack, number)).collect();

    let (changes, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut load = JoinSet::new();
    for number in 0..BUYERS {
        load.spawn(buy(number, callers.clone(), changes.clone(), done.clone()));
    }
    load.spawn(block(callers.clone(), changes.clone(), done.clone()));
    let faults = async {
        let mut count = 0;
        while changes.load(Ordering::Relaxed) < CHANGES || count < FAULTS_MIN {
            fault(&stack, count).await;
            count += 1;
            sleep(FAULT_EVERY).await;
        }
        count
    };
    let faults = timeout(RUN_LIMIT, faults).await.expect("the changes are made in time");
    done.store(true, Ordering::Relaxed);
    load.join_all().await;

    let truth = at_rest(&stack, &callers[1]).await;
    for follower in &followers {
        let first_seat = follower.section.map_or(0, |(_, first_seat)| first_seat);
        let expected = &truth[first_seat as usize..];
        let equal = holds_within(REST_LIMIT, async || follower.seen().packed == pack(expected)).await;
        assert!(equal, "{} differs; it saw {:?}", follower.name, follower.seen().tally);
    }
    let tallies: Vec<_> = followers.iter().map(|follower| follower.seen().tally).collect();
    let sum = |field: fn(&crate::support::view::Tally) -> u64| tallies.iter().map(field).sum::<u64>();
    say(&format!(
        "{} changes and {faults} faults: {FOLLOWERS} clients made {} connections, took {} frames of changes and {} \
         snapshots, compared {} checksums, and were told {} times that the board is stale",
        changes.load(Ordering::Relaxed),
        sum(|tally| tally.connections),
        sum(|tally| tally.changes),
        sum(|tally| tally.snapshots),
        sum(|tally| tally.compared),
        sum(|tally| tally.stale),
    ));
    assert_eq!(sum(|tally| tally.gaps), 0, "changes join up on every socket");
    assert_eq!(sum(|tally| tally.diverged), 0, "no board differs from its checksum");
    assert_eq!(sum(|tally| tally.set_back), 0, "nobody is taken back in time");
    assert!(faults >= FAULTS_MIN, "each kind of fault on both sides: {faults}");
    assert!(sum(|tally| tally.compared) > 0 && sum(|tally| tally.changes) > 0);
}

fn follower(stack: &Stack, number: usize) -> Follower {
    let protocol = if number.is_multiple_of(2) { JSON } else { BIN };
    let section = number.is_multiple_of(SECTION_EVERY).then_some((BALCONY, SEATS / 2));
    let gateways = stack.gateway_addresses(number / 2 % 2);
    Follower::start(format!("client {number}, {protocol}, {section:?}"), gateways, EVENT, protocol, section)
}

/// One fault after the other, each of every kind.
async fn fault(stack: &Stack, count: usize) {
    let side = count / KINDS % 2;
    match count % KINDS {
        0 => {
            stack.services[side].kill().await;
            sleep(FAULT_EVERY).await;
            stack.services[side].start();
            stack.ready(side).await;
        }
        1 => stack.redis.kill_clients().await,
        2 => cut(stack, side).await,
        3 => {
            stack.gateways[side].kill().await;
            sleep(FAULT_EVERY).await;
            stack.gateways[side].start();
            stack.ready(side).await;
        }
        4 => {
            stack.proxies[side].black_hole().await;
            sleep(BLACK_HOLE).await;
            cut(stack, side).await;
        }
        _ => {
            stack.gateways[side].stop().await;
            stack.services[side].stop().await;
            stack.services[side].start();
            stack.gateways[side].start();
            stack.ready(side).await;
        }
    }
}

/// Ends the connections of a replica to Redis. Refused for a moment: the replica would be back before all have ended.
async fn cut(stack: &Stack, side: usize) {
    stack.proxies[side].refuse().await;
    stack.proxies[side].pass().await;
}

/// Reserves, and then forgets, releases, confirms or cancels. What fails is forgotten: it ends by itself.
async fn buy(number: usize, callers: [Caller; 2], changes: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    let mut random = StdRng::seed_from_u64(number as u64);
    for purchase in 0_u64.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let caller = &callers[random.random_range(0..2)];
        let customer = format!("c{number}-{purchase}");
        let first = random.random_range(0..SEATS - 4);
        let seats: Vec<u32> = (first..first + random.random_range(1..4)).collect();
        let reserving = caller.reserve(EVENT, &customer, "r", &seats);
        let Ok(Ok(held)) = timeout(CALL_LIMIT, reserving).await else { continue };
        changes.fetch_add(1, Ordering::Relaxed);
        let ending = end(caller, &held, random.random_range(0..10));
        if let Ok(made) = timeout(CALL_LIMIT, ending).await {
            changes.fetch_add(made, Ordering::Relaxed);
        }
    }
}

/// Ends a reservation in one of the ways there are; says how many changes that made.
async fn end(caller: &Caller, held: &Held, way: u32) -> u64 {
    match way {
        0 => 0,
        1..6 => u64::from(caller.release(held).await.is_ok()),
        _ => match caller.confirm(held, "paid").await {
            // Most are cancelled: the house must not sell out.
            Ok(booking) if way < 9 => 1 + u64::from(caller.cancel(&booking).await.is_ok()),
            Ok(_) => 1,
            Err(_) => 0,
        },
    }
}

/// The organiser takes seats off sale and puts them back.
async fn block(callers: [Caller; 2], changes: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    let mut random = StdRng::seed_from_u64(4711);
    while !done.load(Ordering::Relaxed) {
        let caller = &callers[random.random_range(0..2)];
        let (event_id, seat_ids) = (EVENT.to_owned(), vec![random.random_range(0..SEATS)]);
        let mut events = caller.events();
        let made = if random.random_bool(0.6) {
            let message = as_role("admin", "boss", BlockSeatsRequest { event_id, seat_ids });
            timeout(CALL_LIMIT, events.block_seats(message)).await.is_ok_and(|answer| answer.is_ok())
        } else {
            let message = as_role("admin", "boss", UnblockSeatsRequest { event_id, seat_ids });
            timeout(CALL_LIMIT, events.unblock_seats(message)).await.is_ok_and(|answer| answer.is_ok())
        };
        changes.fetch_add(u64::from(made), Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until nothing is held and both stores agree; the state of each seat then, by the vault for those that are sold.
async fn at_rest(stack: &Stack, caller: &Caller) -> Vec<u8> {
    let witness = stack.witness();
    let rest = holds_within(REST_LIMIT, async || {
        caller.seat_states(EVENT, SEATS).await.is_ok_and(|states| !states.contains(&1))
    });
    assert!(rest.await, "no hold outlives its time");
    witness.agree(EVENT).await;
    // Healing may have changed some.
    let states = caller.seat_states(EVENT, SEATS).await.unwrap();
    let owners = witness.owners(EVENT).await;
    let sold = (0..SEATS).filter(|seat| states[*seat as usize] == 2);
    assert!(
        sold.eq((0..SEATS).filter(|seat| owners.contains_key(&(*seat as i32)))),
        "sold is what the vault has"
    );
    assert!(states.contains(&2) && states.contains(&3), "some seats are sold and some are blocked");
    states
}

/// Two bits a seat.
fn pack(states: &[u8]) -> Vec<u8> {
    let byte = |seats: &[u8]| (0..4).fold(0, |byte, at| byte << 2 | seats.get(at).copied().unwrap_or(0));
    states.chunks(4).map(byte).collect()
}
