//! Changes of seats as in a flash sale: each booking is a Reserve and then a Confirm, begun at its time.

use std::{
    collections::HashMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use ticketengine::v1::{ConfirmRequest, ReserveRequest, booking_service_client::BookingServiceClient};
use tokio::{task::JoinSet, time::sleep_until};
use tonic::transport::Channel;

use crate::{
    bench::{
        lab::Lab,
        reserver::{Customer, Won},
        stock::Told,
    },
    client::Refusal,
    error::Error,
    ledger::Call,
    sockets::{Change, Position, position},
};

/// Bookings a second: twice as many changes.
const BOOKINGS_PER_SECOND: u32 = 300;
const CALL_WAIT: Duration = Duration::from_secs(5);

/// What a sale did.
#[derive(Default)]
pub(super) struct Sold {
    /// The Reserves that made a hold.
    pub(super) holds: Vec<Change>,
    /// When each seat's Confirm was called.
    confirms: HashMap<u32, Instant>,
    /// For the audit.
    pub(super) told: Vec<Told>,
    /// Bookings of which a call failed.
    pub(super) failed: usize,
}

/// What one customer did.
struct Booking {
    hold: Change,
    seat: u32,
    confirm: Instant,
    told: Told,
}

/// How many seats a sale takes that goes on for so long.
pub(super) fn seats(time: Duration) -> u32 {
    u32::try_from(time.as_millis() * u128::from(BOOKINGS_PER_SECOND) / 1_000).unwrap_or(u32::MAX)
}

/// Sells these seats of an event, one a booking.
///
/// # Errors
/// Nobody got a seat.
pub(super) async fn run(lab: &Lab, event: &str, seats: Range<u32>) -> Result<Sold, Error> {
    let begun = tokio::time::Instant::now();
    let (mut sold, mut bookings) = (Sold::default(), JoinSet::new());
    for (number, seat) in (0..).zip(seats) {
        sleep_until(begun + Duration::from_secs(1) * number / BOOKINGS_PER_SECOND).await;
        let client = lab.a.connections.booking(seat as usize);
        bookings.spawn(book(client, Arc::clone(&lab.customers), event.to_owned(), seat));
        while let Some(booking) = bookings.try_join_next() {
            sold.take(booking.ok().flatten());
        }
    }
    while let Some(booking) = bookings.join_next().await {
        sold.take(booking.ok().flatten());
    }
    if sold.holds.is_empty() { Err(Error::NoChange(event.to_owned())) } else { Ok(sold) }
}

impl Sold {
    fn take(&mut self, booking: Option<Booking>) {
        let Some(Booking { hold, seat, confirm, told }) = booking else {
            self.failed += 1;
            return;
        };
        self.holds.push(hold);
        let acked = told.confirm.as_ref().is_some_and(|(_, call)| *call == Call::Acked);
        if acked {
            self.confirms.insert(seat, confirm);
        } else {
            self.failed += 1;
        }
        self.told.push(told);
    }

    /// The Confirms, where the frames told of them: a Confirm's answer does not say which version it made.
    pub(super) fn bookings(&self, told: &HashMap<u32, Position>) -> Vec<Change> {
        let change =
            |(seat, called): (&u32, &Instant)| Some(Change { called: *called, at: *told.get(seat)? });
        self.confirms.iter().filter_map(change).collect()
    }

    /// The last version that must come to all.
    pub(super) fn last(&self) -> Position {
        self.holds.iter().map(|change| change.at).max().unwrap_or_default()
    }
}

/// None: the Reserve failed.
async fn book(
    mut client: BookingServiceClient<Channel>,
    customers: Arc<[Customer]>,
    event_id: String,
    seat: u32,
) -> Option<Booking> {
    let customer = seat as usize % customers.len();
    let token = &customers[customer].token;
    let request_id = format!("{:016x}", fastrand::u64(..));
    let request = ReserveRequest { event_id, seat_ids: vec![seat], request_id, customer_id: String::new() };
    let called = Instant::now();
    let held = client.reserve(token.request(request, CALL_WAIT)).await.ok()?.into_inner();
    let reservation_id = held.reservation.as_ref()?.reservation_id.clone();
    let hold = Change { called, at: position(&reservation_id)? };
    let payment = format!("pay-{reservation_id}");
    let request = ConfirmRequest {
        reservation_id,
        payment_reference: payment.clone(),
        reservation_token: held.reservation_token.clone(),
        customer_id: String::new(),
    };
    let confirm = Instant::now();
    let call = match client.confirm(token.request(request, CALL_WAIT)).await {
        Ok(_) => Call::Acked,
        Err(status) if Refusal::from(status.clone()).is_open() => Call::Unknown,
        Err(_) => Call::Refused,
    };
    let told = Told { won: Won { customer, answer: held }, confirm: Some((payment, call)) };
    Some(Booking { hold, seat, confirm, told })
}
