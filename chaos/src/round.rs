//! One round: a sale under faults, then the system heals, comes to rest, and is held to account.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use testkit::{calls::Caller as Organiser, house::new_event, program::Program};
use ticketengine::v1::{BlockSeatsRequest, OpenSalesRequest, SalesSettings, UnblockSeatsRequest};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    clients::{
        Diary, HOLD_MAX, HOLD_TTL, HOT_SEATS, Round, SEATS, SEATS_PER_CUSTOMER, caller::as_admin, customer,
        field::Field, siege, sockets, streams,
    },
    faults::{
        make::{Locks, make},
        masters::jumps_us,
        schedule::{Planned, STORM},
    },
    heal,
    history::{Fault, GateClock, History, Recovery, Rest, Rules, Watcher},
    system::{CONFIRM_WINDOW, System, clock, clock::Clock, rest, topic},
};

const CUSTOMERS: u32 = 20;
/// The sale goes on for so long after the faults are undone.
const AFTERMATH: Duration = Duration::from_secs(1);
/// How long both stores may take to agree, and watchers to arrive, once nobody calls any more.
const REST_LIMIT: Duration = Duration::from_secs(15);
const POLL_EVERY: Duration = Duration::from_millis(50);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Between two changes of the organiser.
const BLOCK_EVERY: Duration = Duration::from_millis(150);
const CREATE_LIMIT: Duration = Duration::from_secs(20);

/// What a round is made of.
pub(crate) struct Plan {
    /// Of the event, too.
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Planned>,
}

/// Runs a round and writes down what was seen of it.
pub(crate) async fn run(system: &System, plan: &Plan, clock: Clock) -> History {
    open_event(system, &plan.name).await;
    let siege = Field::begin(&system.vault, &plan.name).await;
    let first = gate_clock(system, clock).await;
    let round = Round::new(plan.name.clone(), clock);
    let watchers_round = Round::new(plan.name.clone(), clock);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut clients = JoinSet::new();
    for client in 0..CUSTOMERS {
        clients.spawn(customer::run(round.clone(), client, through_links(system), random.random()));
    }
    clients.spawn(block(
        round.clone(),
        Organiser::new(&system.links[0].clients.address().to_string()),
        random.random(),
    ));
    for number in 0..siege::SESSIONS {
        clients.spawn(siege::run(round.clone(), siege.clone(), number, random.random()));
    }
    let mut watching = JoinSet::new();
    let diaries = start_watchers(system, &watchers_round, &mut watching);

    let faults = storm(system, plan, clock).await;
    let crashed = system.heal().await;
    let healed_us = clock.us();
    let (served, ()) = tokio::join!(heal::served(system, &round), sleep(AFTERMATH));
    round.done.cancel();
    finish(&mut clients).await;
    let load_ended_us = clock.us();
    let reclaimed = heal::reclaim(system, &round).await;
    let rest = at_rest(system, &plan.name, &diaries).await;
    let told = topic::told(system, &rest, &plan.name).await;
    let last = gate_clock(system, clock).await;
    watchers_round.done.cancel();
    finish(&mut watching).await;

    let mut calls = std::mem::take(&mut *round.calls.lock().unwrap());
    calls.sort_by_key(|call| call.ended_us);
    let acts = std::mem::take(&mut *round.acts.lock().unwrap());
    History {
        rules: rules(system, &plan.name),
        gate_clock: clock::shaken(clock::widest(first, last), jumps_us(&plan.faults)),
        calls,
        watchers: diaries
            .iter()
            .map(|diary| Watcher { name: diary.name.clone(), seen: diary.take() })
            .collect(),
        faults,
        recovery: Recovery { healed_us, crashed, served, reclaimed, load_ended_us },
        rest,
        siege: siege.end(acts).await,
        told,
    }
}

/// A client that panicked has stopped writing down: there is nothing to judge then.
async fn finish(clients: &mut JoinSet<()>) {
    while let Some(finished) = clients.join_next().await {
        finished.unwrap();
    }
}

fn rules(system: &System, event: &str) -> Rules {
    Rules {
        event: event.into(),
        seat_count: SEATS,
        hold_ttl_ms: HOLD_TTL.as_millis() as u64,
        hold_max_ms: HOLD_MAX.as_millis() as u64,
        seats_per_customer: SEATS_PER_CUSTOMER,
        confirm_window_ms: CONFIRM_WINDOW.as_millis() as u64,
        votes: system.gate.votes(),
    }
}

/// The system of before may still be healing itself.
async fn open_event(system: &System, event: &str) {
    let organiser = Organiser::new(&system.replicas[0].address());
    let settings = SalesSettings {
        hold_ttl: Some(HOLD_TTL.try_into().unwrap()),
        hold_max: Some(HOLD_MAX.try_into().unwrap()),
        seats_per_customer: SEATS_PER_CUSTOMER,
        ..SalesSettings::default()
    };
    let opened = async {
        while !organiser.healthy().await {
            sleep(POLL_EVERY).await;
        }
        let create = || as_admin(new_event(event, SEATS, settings));
        while organiser.events().create_event(create()).await.is_err() {
            sleep(POLL_EVERY).await;
        }
        let open = || as_admin(OpenSalesRequest { event_id: event.into() });
        while organiser.events().open_sales(open()).await.is_err() {
            sleep(POLL_EVERY).await;
        }
        while organiser.seat_states(event, SEATS).await.is_err() {
            sleep(POLL_EVERY).await;
        }
    };
    timeout(CREATE_LIMIT, opened).await.expect("an event can be opened on a healthy system");
}

async fn gate_clock(system: &System, clock: Clock) -> GateClock {
    let mut all: Option<GateClock> = None;
    for mut redis in system.gate.clients().await {
        let one = clock.compare(&mut redis).await.expect("a healthy Redis tells the time");
        all = Some(all.map_or(one, |all| clock::widest(all, one)));
    }
    all.expect("there is a Redis")
}

/// A connection of one's own to each replica.
fn through_links(system: &System) -> Vec<Channel> {
    let connect = |address| {
        let endpoint = Endpoint::new(format!("http://{address}")).unwrap();
        endpoint.connect_timeout(CONNECT_LIMIT).connect_lazy()
    };
    system.links.iter().map(|links| connect(links.clients.address())).collect()
}

fn start_watchers(system: &System, round: &Round, watching: &mut JoinSet<()>) -> Vec<Diary> {
    let mut diaries = Vec::new();
    let mut diary = |name: String| {
        let diary = Diary::new(name, round.clock);
        diaries.push(diary.clone());
        diary
    };
    for replica in 0..system.replicas.len() {
        let diary = diary(format!("stream from replica {replica}"));
        watching.spawn(streams::run(round.clone(), diary, through_links(system), replica));
    }
    let gateways: Vec<String> = system.gateways.iter().map(Program::address).collect();
    for first in 0..gateways.len() {
        let mut order = gateways.clone();
        order.rotate_left(first);
        for protocol in sockets::PROTOCOLS {
            let diary = diary(format!("{protocol} at gateway {first}"));
            watching.spawn(sockets::run(round.clone(), diary, order.clone(), protocol));
        }
    }
    diaries
}

/// Makes all faults of the plan; returns when the last is undone.
async fn storm(system: &System, plan: &Plan, clock: Clock) -> Vec<Fault> {
    let (began, locks) = (Instant::now(), Locks::of(system));
    let (locks, event) = (&locks, plan.name.as_str());
    let making = plan.faults.iter().map(|fault| make(system, locks, fault, event, clock, began));
    let made = futures_util::future::join_all(making).await;
    tokio::time::sleep_until(began + STORM).await;
    made.into_iter().flatten().collect()
}

/// The organiser takes seats off sale and puts them back.
async fn block(round: Round, organiser: Organiser, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    while !round.done.is_cancelled() {
        let (event_id, seat_ids) = (round.event.clone(), vec![random.random_range(0..HOT_SEATS)]);
        let mut events = organiser.events();
        if random.random_bool(0.4) {
            let request = as_admin(BlockSeatsRequest { event_id, seat_ids });
            let _ = timeout(CONNECT_LIMIT, events.block_seats(request)).await;
        } else {
            let request = as_admin(UnblockSeatsRequest { event_id, seat_ids });
            let _ = timeout(CONNECT_LIMIT, events.unblock_seats(request)).await;
        }
        round.pause(BLOCK_EVERY).await;
    }
}

/// Waits until no hold is left, both stores agree and all watchers have arrived, or the limit is over: then what differs is in the result.
async fn at_rest(system: &System, event: &str, diaries: &[Diary]) -> Rest {
    let end = Instant::now() + REST_LIMIT;
    loop {
        // Where several vote, the gate may still move.
        let witness = system.witness(event).await;
        let differences = witness.differences(event).await;
        let rest = rest::read(&witness, event, differences).await;
        let at = Some((rest.gate_epoch, rest.gate_version));
        let arrived = diaries.iter().all(|diary| diary.position() == at);
        let over = !rest.gate_seats.values().any(|value| value.starts_with("H "));
        if (rest.differences.is_empty() && over && arrived) || Instant::now() > end {
            return rest;
        }
        sleep(POLL_EVERY).await;
    }
}
