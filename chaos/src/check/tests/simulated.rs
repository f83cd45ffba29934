//! Rounds of a funnel that keeps its promises, over a network that delays and loses: whatever the order and whoever gives up,
//! no check fires. And rounds of one that does not: some check fires.

use std::collections::BinaryHeap;

use rand::{Rng, SeedableRng, rngs::StdRng};
use seat_board::{PackedStates, SeatState};

use super::{
    check, fired,
    funnel::{Bug, Funnel, SEATS, TTL_MS},
    world,
};
use crate::history::{Answer, Asked, Call, History};

const CLIENTS: u32 = 40;

/// What a client is about.
#[derive(Clone, Default)]
struct Client {
    round: u32,
    /// What it wants in this round.
    seats: Vec<u32>,
    id: Option<String>,
    done: u32,
}

/// A call on its way; the next one to have its effect is the greatest.
struct Sent {
    effect_ms: i64,
    call: Call,
    /// The client has not waited for it.
    given_up: bool,
}

impl Ord for Sent {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.effect_ms, other.call.client).cmp(&(self.effect_ms, self.call.client))
    }
}

impl Eq for Sent {}

impl PartialEq for Sent {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl PartialOrd for Sent {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Client {
    /// What it asks for next; sometimes it says the last thing again.
    fn asks(&mut self, number: u32, rng: &mut StdRng) -> Asked {
        if self.seats.is_empty() {
            let from = rng.random_range(0..SEATS - 3);
            self.seats = (from..from + rng.random_range(1..4)).collect();
        }
        let (customer, seats) = (format!("c{number}.{}", self.round), self.seats.clone());
        let reserve = Asked::Reserve { customer, request: "r".into(), seats };
        let Some(reservation) = self.id.clone().filter(|_| rng.random_ratio(11, 12)) else { return reserve };
        self.done += 1;
        match rng.random_range(0..10) {
            0 => Asked::Look { reservation },
            1 | 2 => Asked::Extend { reservation },
            3 | 4 => Asked::Release { reservation },
            5 => Asked::Cancel { reservation },
            _ => Asked::Confirm { reservation, payment: "pay".into() },
        }
    }

    /// Remembers what it is told; begins anew when it has had enough.
    fn hears(&mut self, call: &Call, rng: &mut StdRng) {
        match &call.answer {
            Answer::Reservation(held) if self.id.is_none() => self.id = Some(held.id.clone()),
            Answer::Refused(_) if self.id.is_none() => self.done = 9,
            _ => {}
        }
        if self.done >= rng.random_range(2..9) {
            *self = Self { round: self.round + 1, ..Self::default() };
        }
    }
}

/// Sends calls until it waits for one.
fn launch(
    number: u32,
    client: &mut Client,
    mut after_ms: i64,
    rng: &mut StdRng,
    sent: &mut BinaryHeap<Sent>,
) {
    loop {
        let next = send(number, client, after_ms, rng);
        after_ms = (next.call.ended_us / 1_000) as i64 + 1;
        let waits = !next.given_up;
        sent.push(next);
        if waits {
            return;
        }
    }
}

fn send(number: u32, client: &mut Client, after_ms: i64, rng: &mut StdRng) -> Sent {
    // Some think for so long that their hold may end.
    let pause_ms_max = if rng.random_ratio(1, 10) { 4_000 } else { 400 };
    let began_ms = after_ms + rng.random_range(1..pause_ms_max);
    let given_up = rng.random_ratio(1, 8);
    let effect_ms = began_ms + rng.random_range(0..if given_up { 3_000 } else { 60 });
    let ended_ms =
        if given_up { began_ms + rng.random_range(1..500) } else { effect_ms + rng.random_range(0..60) };
    let (began_us, ended_us) = (began_ms as u64 * 1_000, ended_ms as u64 * 1_000 + 999);
    let (asked, answer) = (client.asks(number, rng), Answer::Unknown("gave up".into()));
    Sent { effect_ms, given_up, call: Call { client: number, replica: 0, asked, began_us, ended_us, answer } }
}

fn round(seed: u64, calls: usize, bug: Bug) -> History {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut funnel = Funnel::new(!seed, bug);
    let mut clients = vec![Client::default(); CLIENTS as usize];
    let mut history = world::quiet();
    let mut sent = BinaryHeap::new();
    for (number, client) in (0..).zip(&mut clients) {
        launch(number, client, 0, &mut rng, &mut sent);
    }
    while history.calls.len() < calls {
        let Sent { effect_ms, given_up, mut call } = sent.pop().unwrap();
        let answer = funnel.takes(&call.asked, effect_ms);
        let client = &mut clients[call.client as usize];
        if !given_up {
            call.answer = answer;
            client.hears(&call, &mut rng);
            launch(call.client, client, (call.ended_us / 1_000) as i64 + 1, &mut rng, &mut sent);
        }
        history.calls.push(call);
    }
    // What is still on its way arrives, and nobody hears of it; then every hold ends.
    for Sent { effect_ms, call, .. } in sent.into_sorted_vec().into_iter().rev() {
        funnel.takes(&call.asked, effect_ms);
        history.calls.push(Call { answer: Answer::Unknown("the round is over".into()), ..call });
    }
    funnel.expire(i64::from(u32::MAX));
    history.calls.sort_by_key(|call| call.ended_us);
    rest(&mut history, funnel);
    history
}

fn rest(history: &mut History, funnel: Funnel) {
    history.rules.seat_count = SEATS;
    history.rules.hold_ttl_ms = TTL_MS as u64;
    let mut map = PackedStates::new(vec![0; SEATS as usize / 4]);
    let active = funnel.decisions.values().filter(|row| row.booked && !row.cancelled);
    for (row, seat) in active.flat_map(|row| row.seats.iter().map(move |seat| (row, *seat))) {
        history.rest.booked_seats.push((seat, row.id.clone()));
        map.set(seat, SeatState::Sold);
    }
    history.rest.gate_map = map.bytes().to_vec();
    history.rest.decisions = funnel.decisions.into_values().collect();
}

#[test]
fn a_funnel_that_keeps_its_promises_is_not_accused() {
    for seed in 0..30 {
        let verdict = check(&round(seed, 1_500, Bug::None));
        assert_eq!(verdict.violations, [], "seed {seed}");
        assert_eq!(verdict.looked_at["linearizable: undecided"], 0, "seed {seed}");
        let looked =
            ["sold_once", "holds_never_overlap", "linearizable", "refusals_stand", "confirm_in_time"];
        looked.iter().for_each(|name| assert!(verdict.looked_at[name] > 20, "{name}, seed {seed}"));
    }
}

#[test]
fn a_long_round_is_judged_soon() {
    let verdict = check(&round(1, 20_000, Bug::None));
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.looked_at["linearizable: undecided"], 0);
}

#[test]
fn a_funnel_that_breaks_its_promises_is_accused() {
    for bug in [
        Bug::GrantsWhatIsHeld,
        Bug::BooksWhatIsOver,
        Bug::ForgetsBookings,
        Bug::FreesOnConfirm,
        Bug::RefusesWhatIsFree,
    ] {
        let accused = (0..5).filter(|seed| !fired(&round(*seed, 1_500, bug)).is_empty()).count();
        assert!(accused >= 2, "{bug:?} was seen in {accused} rounds of 5");
    }
}
