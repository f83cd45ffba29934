//! The life of a reservation, call by call.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Error, Gate, Place, Refusal, record,
    script::{self, Reply},
    seats::read_refusal,
};
use crate::domain::{
    CustomerId, Epoch, EventId, RequestId, Reservation, ReservationId, ReservationState, SeatSet, UnixMs,
};

/// An undecided Confirm comes up for the sweeper again after so long.
const UNDECIDED_AGAIN: Duration = Duration::from_secs(1);

/// A reservation, as of a moment of the gate's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The epoch that it was found in: what is decided next is decided under it.
    pub epoch: Epoch,
    /// The reservation.
    pub reservation: Reservation,
    /// The gate's clock.
    pub now: UnixMs,
}

/// What became of a Reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The seats are the customer's.
    New(Found),
    /// The request had made this reservation before; it may have ended since.
    Same(Found),
    /// The request had made a reservation of other seats.
    Reused,
    /// Sales are closed; or the sale window begins after so long.
    Closed(Option<Duration>),
    /// Some seats are not free.
    Taken(Refusal),
    /// Free seats wait for holds that may have been lost.
    Quarantine(Duration),
    /// The customer would have too many seats.
    Limit {
        /// How many a customer may have.
        limit: u32,
        /// How many this one has.
        has: u32,
    },
}

/// What became of an Extend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extended {
    /// The hold ends at its (maybe new) deadline.
    Until(Found),
    /// The hold is at its limit already.
    Capped(Found),
    /// Not held.
    Not(Found),
}

impl AsRef<Found> for Found {
    fn as_ref(&self) -> &Found {
        self
    }
}

impl AsRef<Found> for Extended {
    fn as_ref(&self) -> &Found {
        match self {
            Self::Until(found) | Self::Capped(found) | Self::Not(found) => found,
        }
    }
}

/// What became of an adoption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The gate knows the reservation, now or already.
    Found(Found),
    /// Its deadline has passed.
    Ended,
    /// Somebody else has a seat of it.
    Taken,
}

/// A sweeper's find: Confirms past their window, for the vault to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The epoch to decide under.
    pub epoch: Epoch,
    /// How many were due in all; a full batch means that there may be more.
    pub due: u32,
    /// How many holds ended.
    pub expired: u32,
    /// Nothing more gets due within this, unless the hold time is shortened or a hold comes back from its token.
    pub quiet: Duration,
    /// The Confirms.
    pub confirming: Vec<Reservation>,
}

impl Gate {
    /// Takes the seats for the customer, all or none, for the event's hold time. A refusal names the holders of the
    /// seats to those who ask for them.
    pub async fn grant(
        &self,
        event: &EventId,
        seats: &SeatSet,
        request: &RequestId,
        customer: &CustomerId,
        name_holders: bool,
    ) -> Result<Granted, Error> {
        let name_holders = if name_holders { "1" } else { "0" };
        let args =
            vec![request.to_string(), customer.to_string(), seats.to_string(), name_holders.to_owned()];
        let asked = Instant::now();
        let (place, mut reply) = self.grants.run(self, event, args).await?;
        let epoch = place.epoch;
        let granted = match reply.word() {
            "GRANTED" => {
                let id = ReservationId::from_suffix(event.clone(), &reply.text()?);
                let reservation = Reservation {
                    id: id.map_err(|error| Error::Corrupt(error.to_string()))?,
                    customer: customer.clone(),
                    request: request.clone(),
                    seats: seats.clone(),
                    state: ReservationState::Held,
                    deadline: UnixMs(reply.number()?),
                    extend_limit: UnixMs(reply.number()?),
                };
                Granted::New(Found { epoch, reservation, now: UnixMs(reply.number()?) })
            }
            "SAME" => Granted::Same(found(event, epoch, &mut reply)?),
            "REUSED" => Granted::Reused,
            "CLOSED" => {
                Granted::Closed(u64::try_from(reply.number::<i64>()?).ok().map(Duration::from_millis))
            }
            "TAKEN" => Granted::Taken(read_refusal(epoch, &mut reply)?),
            "QUARANTINE" => Granted::Quarantine(Duration::from_millis(reply.number()?)),
            "LIMIT" => Granted::Limit { limit: reply.number()?, has: reply.number()? },
            _ => return Err(reply.surprise()),
        };
        if let Granted::New(found) | Granted::Same(found) = &granted {
            self.kept(&place, found, asked).await?;
        }
        Ok(granted)
    }

    /// Moves the deadline of a hold. None when the reservation is unknown, or not the customer's.
    pub async fn extend(
        &self,
        id: &ReservationId,
        customer: Option<&CustomerId>,
    ) -> Result<Option<Extended>, Error> {
        let args = [&*id.suffix(), owner(customer)];
        let asked = Instant::now();
        let (place, mut reply) = self.run(&script::EXTEND, &id.event, &args).await?;
        let epoch = place.epoch;
        Ok(match reply.word() {
            "EXTENDED" => {
                let found = found(&id.event, epoch, &mut reply)?;
                self.kept(&place, &found, asked).await?;
                Some(Extended::Until(found))
            }
            "CAPPED" => Some(Extended::Capped(found(&id.event, epoch, &mut reply)?)),
            "FOUND" => Some(Extended::Not(found(&id.event, epoch, &mut reply)?)),
            "UNKNOWN" => None,
            _ => return Err(reply.surprise()),
        })
    }

    /// The reservation. None when it is unknown, or not the customer's.
    pub async fn get(
        &self,
        id: &ReservationId,
        customer: Option<&CustomerId>,
    ) -> Result<Option<Found>, Error> {
        let (place, reply) = self.run(&script::GET, &id.event, &[&id.suffix(), owner(customer)]).await?;
        known(&id.event, place.epoch, reply)
    }

    /// As `get`, for the customer's eyes: a hold is told of only when it is as safe as when it was granted.
    pub async fn show(
        &self,
        id: &ReservationId,
        customer: Option<&CustomerId>,
    ) -> Result<Option<Found>, Error> {
        let asked = Instant::now();
        let (place, reply) = self.run(&script::GET, &id.event, &[&id.suffix(), owner(customer)]).await?;
        let known = known(&id.event, place.epoch, reply)?;
        if let Some(found) = known.as_ref().filter(|found| found.reservation.state == ReservationState::Held)
        {
            self.kept(&place, found, asked).await?;
        }
        Ok(known)
    }

    /// Makes a hold CONFIRMING, or joins a Confirm that was begun. In any other state nothing changes.
    pub async fn begin(
        &self,
        id: &ReservationId,
        customer: Option<&CustomerId>,
        window: Duration,
    ) -> Result<Option<Found>, Error> {
        let args = vec![id.suffix(), owner(customer).to_owned(), window.as_millis().to_string()];
        let (place, reply) = self.begins.run(self, &id.event, args).await?;
        known(&id.event, place.epoch, reply)
    }

    /// Writes the vault's outcome: Booked, Released, Expired, Lost or Cancelled. How many seats changed.
    pub async fn settle(
        &self,
        id: &ReservationId,
        outcome: ReservationState,
        seats: &SeatSet,
        request: &RequestId,
        customer: &CustomerId,
    ) -> Result<u32, Error> {
        debug_assert!(!matches!(outcome, ReservationState::Held | ReservationState::Confirming));
        let args = vec![
            id.suffix(),
            record::letter(outcome).to_owned(),
            seats.to_string(),
            request.to_string(),
            customer.to_string(),
        ];
        let (_, mut reply) = self.settles.run(self, &id.event, args).await?;
        let changed = match reply.word() {
            "SETTLED" => reply.number()?,
            _ => return Err(reply.surprise()),
        };
        // What was sold stays locked until the hold's time is over: nobody else gets it before that anyway.
        if let Some(masters) = self.nodes.masters().filter(|_| !outcome.owns_seats()) {
            let (gate, masters, id, seats) = (self.clone(), Arc::clone(masters), id.clone(), seats.clone());
            // Nobody waits for a node that hangs: who meets a lock of what is over takes it away himself.
            self.tasks.spawn("unlock", async move { gate.unlock(&masters, &id, &seats).await });
        }
        Ok(changed)
    }

    /// Takes a hold back that the gate has lost. The caller has checked the token, and asked the vault after it saw
    /// `epoch`: in any other the gate is cold to it.
    pub async fn adopt(&self, lost: &Reservation, epoch: Epoch) -> Result<Adopted, Error> {
        let args = [
            &*lost.id.suffix(),
            lost.customer.as_str(),
            &lost.seats.to_string(),
            lost.request.as_str(),
            &lost.deadline.to_string(),
            &lost.extend_limit.to_string(),
        ];
        let asked = Instant::now();
        let (place, mut reply) = self.run_in(Some(epoch), &script::ADOPT, &lost.id.event, &args).await?;
        Ok(match reply.word() {
            "FOUND" => {
                let found = found(&lost.id.event, epoch, &mut reply)?;
                self.kept_if_promised(&place, &found, asked).await?;
                Adopted::Found(found)
            }
            "ENDED" => Adopted::Ended,
            "TAKEN" => Adopted::Taken,
            _ => return Err(reply.surprise()),
        })
    }

    /// Ends what is due, at most `most`, and finds the Confirms that the vault should decide.
    pub async fn sweep(&self, event: &EventId, most: u32) -> Result<Undecided, Error> {
        let args = [&*most.to_string(), &UNDECIDED_AGAIN.as_millis().to_string()];
        let (Place { epoch, .. }, mut reply) = self.run(&script::SWEEP, event, &args).await?;
        if reply.word() != "SWEPT" {
            return Err(reply.surprise());
        }
        let (due, expired) = (reply.number()?, reply.number()?);
        let quiet = Duration::from_millis(reply.number()?);
        let mut confirming = Vec::new();
        while !reply.is_empty() {
            confirming.push(record::read(event, &reply.text()?, &reply.text()?)?);
        }
        Ok(Undecided { epoch, due, expired, quiet, confirming })
    }
}

/// What the scripts take for "whoever".
fn owner(customer: Option<&CustomerId>) -> &str {
    customer.map_or("", CustomerId::as_str)
}

fn known(event: &EventId, epoch: Epoch, mut reply: Reply) -> Result<Option<Found>, Error> {
    match reply.word() {
        "FOUND" => found(event, epoch, &mut reply).map(Some),
        "UNKNOWN" => Ok(None),
        _ => Err(reply.surprise()),
    }
}

fn found(event: &EventId, epoch: Epoch, reply: &mut Reply) -> Result<Found, Error> {
    let reservation = record::read(event, &reply.text()?, &reply.text()?)?;
    Ok(Found { epoch, reservation, now: UnixMs(reply.number()?) })
}
