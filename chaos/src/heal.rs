//! After the storm: whether each part serves again, whether each seat can be had again, and how long that takes.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all};
use testkit::{frame, frame::Frame, postgres::reach, witness::Witness};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tonic::transport::{Channel, Endpoint};

use crate::{
    clients::{
        HOLD_TTL, HOT_SEATS, Round,
        caller::{Caller, Heard, Way},
        sockets,
    },
    history::{Answer, Asked},
    system::System,
};

/// Once healed, each part serves within this. G3 and G4 together: a hold time of quarantine, and time to notice.
const SERVED_LIMIT: Duration = Duration::from_secs(12);
/// A seat is free again a hold time and a second after its last hold could be extended; the rest is for a busy machine.
const RECLAIM_LIMIT: Duration = HOLD_TTL.saturating_add(Duration::from_secs(1 + 3));
const PATIENCE: Duration = Duration::from_millis(1_500);
const POLL_EVERY: Duration = Duration::from_millis(40);
/// The supervisor's own calls have numbers from here on.
const CLIENT_FIRST: u32 = 10_000;

/// A name for each part of the system, and when it served, if it did.
type Served = Vec<(String, Option<u64>)>;

/// Tries each replica with a whole life of a reservation, and each gateway with a socket, until they serve.
pub(crate) async fn served(system: &System, round: &Round) -> Served {
    let replicas = (0..system.replicas.len()).map(|index| replica_serves(system, round, index));
    let gateways = (0..system.gateways.len()).map(|index| gateway_serves(system, round, index));
    let (mut replicas, gateways) = tokio::join!(join_all(replicas), join_all(gateways));
    replicas.extend(gateways);
    replicas
}

async fn replica_serves(system: &System, round: &Round, index: usize) -> (String, Option<u64>) {
    let caller = caller(system, round, CLIENT_FIRST + index as u32, &format!("prober-{index}"));
    // A seat that no customer wants.
    let seat = HOT_SEATS + index as u32;
    let end = Instant::now() + SERVED_LIMIT;
    for attempt in 0.. {
        if lives(&caller, index, seat, attempt, end).await {
            return (format!("replica {index}"), Some(round.clock.us()));
        }
        if Instant::now() > end {
            break;
        }
        sleep(POLL_EVERY).await;
    }
    (format!("replica {index}"), None)
}

/// Reserve, Confirm, Cancel. Each is repeated until it is answered: a life that is left in the middle has the seat.
async fn lives(caller: &Caller, replica: usize, seat: u32, attempt: u32, end: Instant) -> bool {
    let customer = caller.customer.clone();
    let asked = Asked::Reserve { customer, request: format!("try-{attempt}"), seats: vec![seat] };
    let way = Way { replica, token: "", is_repeat: false, patience: PATIENCE };
    let heard = persist(caller, &asked, way, end).await;
    let (Answer::Reservation(held), Some(token)) = (heard.answer, heard.token) else { return false };
    let asked = Asked::Confirm { reservation: held.id.clone(), payment: format!("pay-{}", held.id) };
    let heard = persist(caller, &asked, Way { token: &token, ..way }, end).await;
    if !matches!(heard.answer, Answer::Booking(_)) {
        return false;
    }
    let heard = persist(caller, &Asked::Cancel { reservation: held.id }, way, end).await;
    matches!(heard.answer, Answer::Booking(_))
}

/// Asks with the same ids until the answer is definite, or the time is over.
async fn persist(caller: &Caller, asked: &Asked, way: Way<'_>, end: Instant) -> Heard {
    let mut is_repeat = false;
    loop {
        let heard = caller.attempt(asked, Way { is_repeat, ..way }).await;
        if !matches!(heard.answer, Answer::Unknown(_)) || Instant::now() > end {
            return heard;
        }
        is_repeat = true;
        sleep(POLL_EVERY).await;
    }
}

/// A gateway serves where a new socket gets a snapshot and then a heartbeat that is not stale.
async fn gateway_serves(system: &System, round: &Round, index: usize) -> (String, Option<u64>) {
    let address = system.gateways[index].address();
    let tried = timeout(SERVED_LIMIT, async {
        while !is_fresh(&address, &round.event).await {
            sleep(POLL_EVERY).await;
        }
    });
    let served = tried.await.is_ok().then(|| round.clock.us());
    (format!("gateway {index}"), served)
}

async fn is_fresh(address: &str, event: &str) -> bool {
    let Some(mut socket) = sockets::open(address, event, None, sockets::PROTOCOLS[0]).await else {
        return false;
    };
    let mut has_states = false;
    while let Ok(Some(Ok(message))) = timeout(PATIENCE, socket.next()).await {
        let Message::Text(text) = message else { continue };
        match frame::text(&text) {
            Frame::Snapshot(_) => has_states = true,
            Frame::Heartbeat(beat) if has_states && !beat.stale => return true,
            _ => {}
        }
    }
    false
}

/// Asks for each seat that nobody owns until somebody new is granted it, and gives it back. The sale is over.
pub(crate) async fn reclaim(system: &System, round: &Round) -> Vec<(u32, Option<u64>)> {
    let witness = system.witness(&round.event).await;
    let owned = witness.owners(&round.event).await;
    let blocked = blocked(&witness, &round.event).await;
    let free = (0..HOT_SEATS).filter(|seat| !owned.contains_key(&(*seat as i32)) && !blocked.contains(seat));
    let end = Instant::now() + RECLAIM_LIMIT;
    let asking = free.map(|seat| async move {
        let caller = caller(system, round, CLIENT_FIRST + 100 + seat, &format!("newcomer-{seat}"));
        Some((seat, reclaim_seat(&caller, system, seat, end).await?))
    });
    join_all(asking).await.into_iter().flatten().collect()
}

/// When it was granted, if it was in time. Nothing where somebody owns it after all.
async fn reclaim_seat(caller: &Caller, system: &System, seat: u32, end: Instant) -> Option<Option<u64>> {
    let replica = seat as usize % system.replicas.len();
    for attempt in 0.. {
        let (customer, request) = (caller.customer.clone(), format!("again-{attempt}"));
        let way = Way { replica, token: "", is_repeat: false, patience: PATIENCE };
        let asked = Asked::Reserve { customer, request, seats: vec![seat] };
        let heard = persist(caller, &asked, way, end).await;
        if let (Answer::Reservation(held), Some(token)) = (&heard.answer, &heard.token) {
            let granted_us = caller.round.clock.us();
            let asked = Asked::Release { reservation: held.id.clone() };
            persist(caller, &asked, Way { token, ..way }, end + PATIENCE).await;
            return Some(Some(granted_us));
        }
        // Confirms and blocks of the last moment may still take the seat.
        if is_gone(&heard.answer) && is_taken(system, &caller.round.event, seat).await {
            return None;
        }
        if Instant::now() > end {
            return Some(None);
        }
        sleep(POLL_EVERY * 3).await;
    }
    Some(None)
}

/// The seat was refused as sold or blocked.
fn is_gone(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(refusal) if refusal.seats.iter().any(|(_, state)| *state > 1))
}

/// The vault says so, too.
async fn is_taken(system: &System, event: &str, seat: u32) -> bool {
    let witness = system.witness(event).await;
    witness.owners(event).await.contains_key(&(seat as i32)) || blocked(&witness, event).await.contains(&seat)
}

async fn blocked(witness: &Witness, event: &str) -> Vec<u32> {
    let vault = reach(&witness.database_url).await;
    let rows = vault.query("SELECT seat_id FROM blocked_seats WHERE event_id = $1", &[&event]).await.unwrap();
    rows.iter().map(|row| row.get::<_, i32>(0) as u32).collect()
}

/// Straight to the replicas: faults of the network are undone.
fn caller(system: &System, round: &Round, client: u32, customer: &str) -> Caller {
    let connect = |address: String| -> Channel {
        Endpoint::new(format!("http://{address}")).unwrap().connect_timeout(PATIENCE).connect_lazy()
    };
    Caller {
        round: round.clone(),
        client,
        customer: customer.into(),
        replicas: system.replicas.iter().map(|replica| connect(replica.address())).collect(),
    }
}
