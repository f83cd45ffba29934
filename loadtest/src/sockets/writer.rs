//! A customer who makes changes that the sockets should see.

use std::time::{Duration, Instant};

use ticketengine::v1::{
    GetEventRequest, GetSeatMapRequest, ReleaseRequest, ReserveRequest,
    event_service_client::EventServiceClient,
};
use tokio::time::sleep;
use tonic::Status;

use super::delays::Change;
use crate::{
    cli::Sockets,
    client::{Connections, Minter, Token},
    error::Error,
};

/// Seats that are taken and given back.
const CHANGES: usize = 30;
/// Before each: random, and longer than a tick, so that they come at any point of one.
const PAUSE_MS: std::ops::Range<u64> = 60..160;
/// How many seats are tried: somebody else may have one.
const TRIES_MAX: u32 = 200;
const CALL_WAIT: Duration = Duration::from_secs(5);

/// See the file.
pub(super) struct Writer {
    connections: Connections,
    token: Token,
    event: String,
    seats: u32,
}

impl Writer {
    pub(super) async fn connect(options: &Sockets) -> Result<Self, Error> {
        let connections = Connections::open(&options.targets, 1).await?;
        let token = Minter::new(&options.tokens).mint("sockets-writer")?;
        let message = GetEventRequest { event_id: options.event.clone() };
        let mut events = EventServiceClient::new(connections.channel(0));
        let answer = events.get_event(token.request(message, CALL_WAIT)).await;
        let event = answer.map_err(refused("GetEvent"))?.into_inner().event;
        let seats = event.ok_or(Error::Incomplete("GetEvent", "event"))?.seat_count;
        Ok(Self { connections, token, event: options.event.clone(), seats })
    }

    /// Takes seats and gives them back, one after the other. The takings.
    pub(super) async fn change(&self) -> Result<Vec<Change>, Error> {
        let mut bookings = self.connections.booking(0);
        let mut changes = Vec::with_capacity(CHANGES);
        for _ in 0..TRIES_MAX {
            sleep(Duration::from_millis(fastrand::u64(PAUSE_MS))).await;
            let message = ReserveRequest {
                event_id: self.event.clone(),
                seat_ids: vec![fastrand::u32(0..self.seats.max(1))],
                request_id: format!("{:016x}", fastrand::u64(..)),
                customer_id: String::new(),
            };
            let called = Instant::now();
            let Ok(held) = bookings.reserve(self.token.request(message, CALL_WAIT)).await else { continue };
            let held = held.into_inner();
            let id = held.reservation.ok_or(Error::Incomplete("Reserve", "reservation"))?.reservation_id;
            let at = position(&id).ok_or(Error::Incomplete("Reserve", "its version"))?;
            changes.push(Change { called, at });
            let message = ReleaseRequest {
                reservation_id: id,
                reservation_token: held.reservation_token,
                customer_id: String::new(),
            };
            let answer = bookings.release(self.token.request(message, CALL_WAIT)).await;
            answer.map_err(refused("Release"))?;
            if changes.len() == CHANGES {
                break;
            }
        }
        if changes.is_empty() { Err(Error::NoChange(self.event.clone())) } else { Ok(changes) }
    }

    /// Where the event is now: epoch and version.
    pub(super) async fn position(&self) -> Result<(u64, u64), Error> {
        let message = GetSeatMapRequest { event_id: self.event.clone(), states_only: true };
        let answer = self.connections.booking(0).get_seat_map(self.token.request(message, CALL_WAIT)).await;
        let states = answer.map_err(refused("GetSeatMap"))?.into_inner().states;
        let states = states.ok_or(Error::Incomplete("GetSeatMap", "states"))?;
        Ok((states.epoch, states.version))
    }
}

/// A reservation is named by the event, and by the epoch and version that it made.
pub(crate) fn position(reservation_id: &str) -> Option<(u64, u64)> {
    let mut parts = reservation_id.rsplit('.');
    let (version, epoch) = (parts.next()?, parts.next()?);
    Some((epoch.parse().ok()?, version.parse().ok()?))
}

fn refused(call: &'static str) -> impl Fn(Status) -> Error {
    move |status| Error::Refused { call, status: Box::new(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_names_its_version() {
        assert_eq!(position("rock.2.17"), Some((2, 17)));
        assert_eq!(position("rock"), None);
        assert_eq!(position("rock.a.17"), None);
    }
}
