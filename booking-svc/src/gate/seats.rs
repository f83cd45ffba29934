//! Seats apart from reservations: status, blocks, and the rules of the sale.

use std::time::Duration;

use super::{Error, Gate, Place, record, script, script::Reply};
use crate::domain::{
    Epoch, Event, EventId, Holder, PackedStates, SeatId, SeatState, SeatStates, UnixMs, Version,
};

/// At most so many taken seats are named when a block is refused.
const TAKEN_NAMED_MAX: usize = 50;

/// A seat that is not free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which seat.
    pub seat: SeatId,
    /// Held, sold or blocked.
    pub state: SeatState,
    /// When its hold ends, unless it is extended or being confirmed.
    pub deadline: Option<UnixMs>,
    /// Who has it, where that was asked and is still known.
    pub holder: Option<Holder>,
    /// The gate's clock.
    pub now: UnixMs,
}

/// Why seats were not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The epoch that says so.
    pub epoch: Epoch,
    /// The event's version of which it is true.
    pub version: Version,
    /// When the sale ends, from now; None where nobody knows.
    pub closes_in: Option<Duration>,
    /// The seats that stand in the way.
    pub taken: Vec<Taken>,
}

/// A gate that is not cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Its epoch.
    pub epoch: Epoch,
    /// How long free seats are not granted yet.
    pub quarantine: Duration,
}

/// Why seats were not blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockRefusal {
    /// Some are held or sold.
    Taken(Vec<Taken>),
    /// Free seats wait for holds that may have been lost.
    Quarantine(Duration),
}

impl Gate {
    /// The status of all seats, in one step with its version.
    pub async fn states(&self, event: &EventId) -> Result<SeatStates, Error> {
        let (Place { epoch, .. }, mut reply) = self.run(&script::STATES, event, &[]).await?;
        match reply.word() {
            "STATES" => read_states(epoch, &mut reply),
            _ => Err(reply.surprise()),
        }
    }

    /// Takes free seats off sale, all or none: how many changed, and under which epoch.
    pub async fn block(
        &self,
        event: &EventId,
        seats: &[SeatId],
    ) -> Result<Result<(Epoch, u32), BlockRefusal>, Error> {
        let args = [&*join(seats), &TAKEN_NAMED_MAX.to_string()];
        let (Place { epoch, .. }, mut reply) = self.run(&script::BLOCK, event, &args).await?;
        Ok(match reply.word() {
            "CHANGED" => Ok((epoch, reply.number()?)),
            "TAKEN" => {
                let (now, mut taken) = (UnixMs(reply.number()?), Vec::new());
                while !reply.is_empty() {
                    taken.push(read_taken(now, reply.number()?, &reply.text()?, None)?);
                }
                Err(BlockRefusal::Taken(taken))
            }
            "QUARANTINE" => Err(BlockRefusal::Quarantine(Duration::from_millis(reply.number()?))),
            _ => return Err(reply.surprise()),
        })
    }

    /// Puts blocked seats back on sale: how many changed.
    pub async fn unblock(&self, event: &EventId, seats: &[SeatId]) -> Result<u32, Error> {
        let (_, mut reply) = self.run(&script::UNBLOCK, event, &[&join(seats)]).await?;
        match reply.word() {
            "CHANGED" => reply.number(),
            _ => Err(reply.surprise()),
        }
    }

    /// Brings the gate's copy of the rules up to the event's revision.
    pub async fn configure(&self, event: &Event) -> Result<(), Error> {
        let rules = rules(event);
        let revision = event.revision.to_string();
        let args: Vec<&str> =
            std::iter::once(&*revision).chain(rules.iter().flat_map(|(f, v)| [*f, &**v])).collect();
        let (_, reply) = self.run(&script::CONFIGURE, &event.id, &args).await?;
        match reply.word() {
            "CONFIGURED" => Ok(()),
            _ => Err(reply.surprise()),
        }
    }

    /// The epoch of the gate, where it is not cold.
    pub async fn alive(&self, event: &EventId) -> Result<Alive, Error> {
        let (Place { epoch, .. }, mut reply) = self.run(&script::ALIVE, event, &[]).await?;
        match reply.word() {
            "ALIVE" => Ok(Alive { epoch, quarantine: Duration::from_millis(reply.number()?) }),
            _ => Err(reply.surprise()),
        }
    }
}

/// What the scripts need to know of the event, as fields of `meta`. An absent bound is empty.
pub(super) fn rules(event: &Event) -> Vec<(&'static str, String)> {
    let bound = |at: Option<UnixMs>| at.map(|at| at.to_string()).unwrap_or_default();
    let settings = &event.settings;
    vec![
        ("ttl_ms", settings.hold_ttl.as_millis().to_string()),
        ("hold_max_ms", settings.hold_max.as_millis().to_string()),
        ("limit", settings.seats_per_customer.to_string()),
        ("open", u8::from(event.sales_open).to_string()),
        ("opens_ms", bound(settings.opens_at)),
        ("closes_ms", bound(settings.closes_at)),
    ]
}

fn join(seats: &[SeatId]) -> String {
    seats.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn read_states(epoch: Epoch, reply: &mut Reply) -> Result<SeatStates, Error> {
    let (version, packed) = (Version(reply.number()?), PackedStates::new(reply.bytes()?));
    Ok(SeatStates { epoch, version, packed })
}

/// All that a refused grant says after its word.
pub(super) fn read_refusal(epoch: Epoch, reply: &mut Reply) -> Result<Refusal, Error> {
    let (now, version, mut taken) = (UnixMs(reply.number()?), Version(reply.number()?), Vec::new());
    let closes_in = u64::try_from(reply.number::<i64>()?).ok().map(Duration::from_millis);
    while !reply.is_empty() {
        let (seat, value, record) = (reply.number()?, reply.text()?, reply.text()?);
        taken.push(read_taken(now, seat, &value, record::holder(&record)?)?);
    }
    Ok(Refusal { epoch, version, closes_in, taken })
}

fn read_taken(now: UnixMs, seat: u32, value: &str, holder: Option<Holder>) -> Result<Taken, Error> {
    let mut fields = value.split(' ');
    let (state, deadline) = match fields.next() {
        Some("H") => (SeatState::Held, fields.next().and_then(|text| text.parse().ok()).map(UnixMs)),
        Some("C") => (SeatState::Held, None),
        Some("S") => (SeatState::Sold, None),
        Some("B") => (SeatState::Blocked, None),
        _ => return Err(Error::Corrupt(format!("seat {seat} is {value:?}"))),
    };
    Ok(Taken { seat: SeatId(seat), state, deadline, holder, now })
}
