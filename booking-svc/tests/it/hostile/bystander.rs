//! Who only wants a seat while others misbehave.

use std::{
    cell::Cell,
    slice,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::support::{
    STORE_LIMIT,
    calls::{Caller, until_definite},
};

/// Between two pairs of calls.
const PAUSE: Duration = Duration::from_millis(5);
/// Far more than two calls take, and less than they may: two cores serve attacker, service, stores and other tests.
const SLOWEST_MAX: Duration = Duration::from_secs(4);
/// One call of so many may have to be repeated: a store's answer is waited for only so long, on a busy machine too.
const REPEATED_MAX: u32 = 20;
/// Seats of the event.
pub(super) const SEATS: u32 = 20_000;
pub(super) const EVENT: &str = "rock";

/// Does `attack`, while a bystander reserves seats from `first_seat` on, over a connection of his own, and looks at the map.
/// Each of his calls has to be served, quickly, and hardly one only when it is repeated.
pub(super) async fn beside<T>(service: &Caller, first_seat: u32, attack: impl Future<Output = T>) -> T {
    let bystander = Caller::new(&service.address);
    let (mut seats, mut slowest) = (first_seat.., Duration::ZERO);
    let (served, asked) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut shop = async || {
        let (seat, began) = (seats.next().unwrap(), Instant::now());
        let customer = format!("bystander-{seat}");
        let reserve = || {
            asked.set(asked.get() + 1);
            bystander.reserve(EVENT, &customer, "r", slice::from_ref(&seat))
        };
        until_definite(reserve).await.expect("a Reserve");
        let map = || {
            asked.set(asked.get() + 1);
            bystander.seat_states(EVENT, 1)
        };
        until_definite(map).await.expect("a GetSeatMap");
        served.set(served.get() + 2);
        slowest = slowest.max(began.elapsed());
        sleep(PAUSE).await;
    };
    let shopping = async {
        loop {
            shop().await;
        }
    };
    let result = tokio::select! {
        result = timeout(STORE_LIMIT * 2, attack) => result.expect("an attack ends"),
        () = shopping => unreachable!(),
    };
    // A quick attack may have left him no time.
    shop().await;
    let (served, asked) = (served.get(), asked.get());
    assert!(slowest < SLOWEST_MAX, "the slowest pair of calls took {slowest:?}");
    assert!(asked <= served + served / REPEATED_MAX + 4, "{asked} calls until {served} were served");
    result
}
