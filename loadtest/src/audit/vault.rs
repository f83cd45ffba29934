//! What PostgreSQL says of an event, read in one snapshot.

use std::collections::BTreeSet;

use tokio_postgres::{Client, Config, IsolationLevel, NoTls, config::TargetSessionAttrs};

use crate::error::Error;

/// The vault's records of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault {
    /// The epoch that its writers must carry.
    pub(crate) epoch: i64,
    /// How many seats the event has.
    pub(crate) seat_count: u32,
    /// Each decided reservation.
    pub(crate) bookings: Vec<Booking>,
    /// Each seat of a booking.
    pub(crate) booked_seats: Vec<BookedSeat>,
    /// Seats that are not for sale.
    pub(crate) blocked: BTreeSet<u32>,
}

/// The outcome of a reservation.
#[derive(Clone, Debug)]
pub(crate) struct Booking {
    /// The id of the reservation, with its event.
    pub(crate) id: String,
    /// Whose it is.
    pub(crate) customer: String,
    /// Its seats.
    pub(crate) seats: Vec<u32>,
    /// Booked, or void.
    pub(crate) booked: bool,
    /// The payment of a booked one.
    pub(crate) payment_reference: Option<String>,
    /// Booked, and cancelled later.
    pub(crate) cancelled: bool,
}

impl Booking {
    /// Whether it owns its seats.
    pub(crate) fn is_active(&self) -> bool {
        self.booked && !self.cancelled
    }
}

/// A seat of a booking.
#[derive(Clone, Debug)]
pub(crate) struct BookedSeat {
    /// Which seat.
    pub(crate) seat: u32,
    /// The id of the booking.
    pub(crate) booking: String,
    /// False once the booking was cancelled.
    pub(crate) active: bool,
}

impl Vault {
    /// Reads everything about one event, as of one moment.
    pub(crate) async fn read(url: &str, event: &str) -> Result<Self, Error> {
        // Of several hosts, the one that decides: a standby may lack what was acknowledged.
        let mut config: Config = url.parse()?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let (client, connection) = config.connect(NoTls).await?;
        let read = async move {
            let mut client = client; // Dropped at the end: that ends the connection.
            read_snapshot(&mut client, event).await
        };
        let (vault, connection) = tokio::join!(read, connection);
        let vault = vault?;
        connection?;
        Ok(vault)
    }
}

async fn read_snapshot(client: &mut Client, event: &str) -> Result<Vault, Error> {
    let snapshot = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let row = snapshot
        .query_opt("SELECT epoch, seat_count FROM events WHERE event_id = $1", &[&event])
        .await?
        .ok_or_else(|| Error::EventNotFound(event.to_owned()))?;
    let mut vault = Vault { epoch: row.try_get(0)?, seat_count: seat(row.try_get(1)?), ..Vault::default() };

    let bookings =
        "SELECT reservation_id, customer_id, seat_ids, outcome, payment_reference, cancelled_at IS NOT NULL
                    FROM bookings WHERE event_id = $1 ORDER BY reservation_id";
    for row in snapshot.query(bookings, &[&event]).await? {
        vault.bookings.push(Booking {
            id: row.try_get(0)?,
            customer: row.try_get(1)?,
            seats: row.try_get::<_, Vec<i32>>(2)?.into_iter().map(seat).collect(),
            booked: row.try_get::<_, &str>(3)? == "booked",
            payment_reference: row.try_get(4)?,
            cancelled: row.try_get(5)?,
        });
    }
    let seats = "SELECT seat_id, reservation_id, active FROM booked_seats WHERE event_id = $1";
    for row in snapshot.query(seats, &[&event]).await? {
        vault.booked_seats.push(BookedSeat {
            seat: seat(row.try_get(0)?),
            booking: row.try_get(1)?,
            active: row.try_get(2)?,
        });
    }
    for row in snapshot.query("SELECT seat_id FROM blocked_seats WHERE event_id = $1", &[&event]).await? {
        vault.blocked.insert(seat(row.try_get(0)?));
    }
    snapshot.rollback().await?;
    Ok(vault)
}

// A negative number is no seat; as u32::MAX it is found by the checks.
fn seat(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
