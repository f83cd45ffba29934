//! A property test: random calls through the real scripts, against a model of the seat life.

use std::{collections::HashMap, time::Duration};

use booking_svc::{
    domain::{PackedStates, Reservation, ReservationState, SeatId, SeatState},
    gate::{BlockRefusal, Extended, Granted, Refusal},
};
use proptest::prelude::*;
use redis::AsyncCommands;

use super::house::{CONFIRM_WINDOW, House};
use crate::support::redis::Redis;

const SEATS: u32 = 9;
const LIMIT: u32 = 5;
const LONG: Duration = Duration::from_secs(3_600);
const CASES: u32 = 60;

/// A call. Reservations are named by the order of their grants, modulo how many there are.
#[derive(Clone, Debug)]
enum Call {
    /// `short` holds are past their deadline at once.
    Grant {
        customer: u8,
        seats: Vec<u32>,
        short: bool,
    },
    Extend(usize),
    Begin(usize),
    /// An outcome arrives: on time, late, or for the second time.
    Settle(usize, ReservationState),
    Block(u32),
    Unblock(u32),
    Sweep,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let seats = prop::collection::btree_set(0..SEATS, 1..4).prop_map(|seats| seats.into_iter().collect());
    let outcome = prop_oneof![
        Just(ReservationState::Booked),
        Just(ReservationState::Released),
        Just(ReservationState::Expired),
        Just(ReservationState::Lost),
        Just(ReservationState::Cancelled),
    ];
    let call = prop_oneof![
        5 => (0..3_u8, seats, prop::bool::weighted(0.3))
            .prop_map(|(customer, seats, short)| Call::Grant { customer, seats, short }),
        1 => (0..16_usize).prop_map(Call::Extend),
        3 => (0..16_usize).prop_map(Call::Begin),
        3 => (0..16_usize, outcome).prop_map(|(of, outcome)| Call::Settle(of, outcome)),
        1 => (0..SEATS).prop_map(Call::Block),
        1 => (0..SEATS).prop_map(Call::Unblock),
        1 => Just(Call::Sweep),
    ];
    prop::collection::vec(call, 1..60)
}

/// What should be so. A short hold is over as soon as it is granted.
#[derive(Default)]
struct Model {
    reservations: Vec<(Reservation, ReservationState)>,
    blocked: Vec<u32>,
}

impl Model {
    /// Who has the seat, and in which state.
    fn owner(&self, seat: u32) -> Option<(usize, ReservationState)> {
        self.reservations.iter().enumerate().find_map(|(index, (reservation, state))| {
            let has = state.owns_seats() && reservation.seats.iter().any(|s| s.0 == seat);
            has.then_some((index, *state))
        })
    }

    fn seat_state(&self, seat: u32) -> SeatState {
        match self.owner(seat) {
            Some((_, ReservationState::Booked)) => SeatState::Sold,
            Some(_) => SeatState::Held,
            None if self.blocked.contains(&seat) => SeatState::Blocked,
            None => SeatState::Free,
        }
    }

    fn count(&self, customer: &str) -> u32 {
        let mine =
            self.reservations.iter().filter(|(r, s)| s.owns_seats() && r.customer.as_str() == customer);
        mine.map(|(reservation, _)| reservation.seats.len() as u32).sum()
    }

    /// The state after an outcome arrives. Outcomes are only ever those that the vault decided, but a late one must
    /// not disturb.
    fn settled(before: ReservationState, outcome: ReservationState) -> ReservationState {
        use ReservationState::{Booked, Cancelled, Confirming, Expired, Held, Lost, Released};
        match (before, outcome) {
            (Held | Confirming, outcome) => outcome,
            (_, Cancelled) => Cancelled,
            (before @ (Booked | Released | Expired | Cancelled | Lost), _) => before,
        }
    }
}

struct Run {
    house: House,
    model: Model,
    requests: u32,
}

impl Run {
    async fn apply(&mut self, call: Call) {
        match call {
            Call::Grant { customer, seats, short } => self.grant(customer, &seats, short).await,
            Call::Extend(of) => {
                let Some((reservation, state)) = self.pick(of) else { return };
                let extended = self.house.gate.extend(&reservation.id, None).await.unwrap().unwrap();
                match extended {
                    Extended::Until(found) => {
                        assert_eq!(state, ReservationState::Held);
                        assert!(found.reservation.deadline >= reservation.deadline);
                    }
                    Extended::Capped(_) => assert_eq!(state, ReservationState::Held),
                    Extended::Not(found) => assert_eq!(found.reservation.state, state),
                }
            }
            Call::Begin(of) => {
                let Some((reservation, state)) = self.pick(of) else { return };
                let found =
                    self.house.gate.begin(&reservation.id, None, CONFIRM_WINDOW).await.unwrap().unwrap();
                let expected =
                    if state == ReservationState::Held { ReservationState::Confirming } else { state };
                assert_eq!(found.reservation.state, expected);
                self.set(&reservation, expected);
            }
            Call::Settle(of, outcome) => {
                let Some((r, state)) = self.pick(of) else { return };
                // The vault is never asked about a hold past its deadline before the gate has looked at it.
                self.house.gate.get(&r.id, None).await.unwrap();
                self.house.gate.settle(&r.id, outcome, &r.seats, &r.request, &r.customer).await.unwrap();
                self.set(&r, Model::settled(state, outcome));
            }
            Call::Block(seat) => {
                let answer = self.house.gate.block(self.house.id(), &[SeatId(seat)]).await.unwrap();
                match (answer, self.model.seat_state(seat)) {
                    (Ok((_, 1)), SeatState::Free) => self.model.blocked.push(seat),
                    (Ok((_, 0)), SeatState::Blocked) => {}
                    (Err(BlockRefusal::Taken(_)), SeatState::Held | SeatState::Sold) => {}
                    other => panic!("{other:?}"),
                }
            }
            Call::Unblock(seat) => {
                let changed = self.house.gate.unblock(self.house.id(), &[SeatId(seat)]).await.unwrap();
                assert_eq!(changed, u32::from(self.model.blocked.contains(&seat)));
                self.model.blocked.retain(|blocked| *blocked != seat);
            }
            Call::Sweep => {
                self.house.gate.sweep(self.house.id(), 100).await.unwrap();
            }
        }
    }

    async fn grant(&mut self, customer: u8, seats: &[u32], short: bool) {
        let customer = format!("customer {customer}");
        self.house.set_hold_ttl(if short { Duration::from_millis(1) } else { LONG }).await;
        self.requests += 1;
        let granted = self.house.grant(&customer, &format!("r{}", self.requests), seats).await;
        let taken: Vec<u32> =
            seats.iter().copied().filter(|seat| self.model.seat_state(*seat) != SeatState::Free).collect();
        let has = self.model.count(&customer);
        match granted {
            Granted::New(found) => {
                assert_eq!(taken, [] as [u32; 0]);
                assert!(has + seats.len() as u32 <= LIMIT);
                let state = if short { ReservationState::Expired } else { ReservationState::Held };
                self.model.reservations.push((found.reservation, state));
                if short {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }
            Granted::Taken(Refusal { taken: named, .. }) => {
                assert_eq!(named.iter().map(|taken| taken.seat.0).collect::<Vec<_>>(), taken);
                for one in named {
                    assert_eq!(one.state, self.model.seat_state(one.seat.0));
                }
            }
            Granted::Limit { limit, has: said } => {
                assert_eq!((limit, said), (LIMIT, has));
                assert!(taken.is_empty() && has + seats.len() as u32 > LIMIT);
            }
            other => panic!("{other:?}"),
        }
    }

    fn pick(&self, of: usize) -> Option<(Reservation, ReservationState)> {
        let count = self.model.reservations.len();
        (count > 0).then(|| self.model.reservations[of % count].clone())
    }

    fn set(&mut self, reservation: &Reservation, state: ReservationState) {
        let entry = self.model.reservations.iter_mut().find(|(r, _)| r.id == reservation.id).unwrap();
        entry.1 = state;
    }

    /// Everything that the gate keeps agrees with the model, and the log tells how it came to be.
    async fn check(&self, redis: &Redis) {
        self.house.gate.sweep(self.house.id(), 100).await.unwrap();
        let states = self.house.gate.states(self.house.id()).await.unwrap();
        let mut client = redis.client().await;
        let key = |name: &str| format!("test:{{{}}}:1:{name}", self.house.id());
        let fields: HashMap<String, String> = client.hgetall(key("seats")).await.unwrap();
        for seat in 0..SEATS {
            let expected = self.model.seat_state(seat);
            assert_eq!(states.packed.get(seat), expected, "map of seat {seat}");
            let field = fields.get(&seat.to_string()).map(|value| &value[..1]);
            let letter = match expected {
                SeatState::Free => None,
                SeatState::Held => {
                    Some(if matches!(self.model.owner(seat), Some((_, ReservationState::Confirming))) {
                        "C"
                    } else {
                        "H"
                    })
                }
                SeatState::Sold => Some("S"),
                SeatState::Blocked => Some("B"),
            };
            assert_eq!(field, letter, "seat {seat}");
        }
        let counts: HashMap<String, String> = client.hgetall(key("customers")).await.unwrap();
        for customer in (0..3).map(|n| format!("customer {n}")) {
            let counted = counts.get(&customer).map_or(0, |count| count.parse().unwrap());
            assert_eq!(counted, self.model.count(&customer), "{customer}");
        }
        replay(&mut client, &key("log"), states.version.0, &states.packed).await;
    }
}

/// The log has every version once, and leads to the map.
async fn replay(
    client: &mut redis::aio::MultiplexedConnection,
    log: &str,
    version: u64,
    packed: &PackedStates,
) {
    let entries: redis::streams::StreamRangeReply = client.xrange_all(log).await.unwrap();
    let mut seats = vec![0_u8; SEATS as usize];
    for (index, entry) in entries.ids.iter().enumerate() {
        assert_eq!(entry.id, format!("{}-0", index + 1));
        let state: u8 = entry.get("s").unwrap();
        let changed: String = entry.get("n").unwrap();
        for seat in changed.split(',') {
            seats[seat.parse::<usize>().unwrap()] = state;
        }
    }
    assert_eq!(entries.ids.len() as u64, version);
    for (seat, state) in seats.iter().enumerate() {
        assert_eq!(packed.get(seat as u32) as u8, *state, "seat {seat} by the log");
    }
}

#[test]
fn random_calls_follow_the_model_of_the_seat_life() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = runtime.block_on(Redis::start());
    let number = std::cell::Cell::new(0);
    proptest!(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() },
    |(calls in calls())| {
        number.set(number.get() + 1);
        runtime.block_on(async {
            let mut house = House::open(&redis, &format!("model-{}", number.get()), SEATS).await;
            house.event.settings.seats_per_customer = LIMIT;
            house.event.settings.hold_max = LONG * 2;
            let mut run = Run { house, model: Model::default(), requests: 0 };
            for call in calls {
                run.apply(call).await;
            }
            run.check(&redis).await;
        });
    });
}
