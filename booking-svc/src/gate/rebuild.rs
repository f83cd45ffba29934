//! A new epoch: freeze the old one, read what survives of it, build the new one aside, publish it in one step.

use std::{collections::HashMap, time::Duration};

use bb8_redis::redis::{cmd, pipe};
use tokio::time::sleep;

use super::{
    Error, Gate,
    connection::Connection,
    image::Image,
    keys, record,
    redlock::Takeover,
    script::{self, Reply},
    seats::rules,
};
use crate::domain::{Booking, Epoch, Event, EventId, Reservation, SeatId, UnixMs};

/// Stands in every key, so that a lost one is noticed: see `SENTINEL` in `lua/prelude.lua`.
pub(super) const SENTINEL: &str = "";
/// While a replica rebuilds, the others wait at most so long before they try it themselves.
const LEASE: Duration = Duration::from_secs(5);

/// Much is read and written in one go: an answer may take so long.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A rebuild under way. All of it goes over one connection: should Redis restart in between, it fails.
pub struct Rebuild<'a> {
    gate: &'a Gate,
    event: EventId,
    connection: Connection,
    /// Whose lease it is.
    holder: String,
    /// Where several nodes vote, they are fenced.
    takeover: Option<Takeover>,
}

/// What stopping the old epoch told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// The old epoch stands still.
    Old(Old),
    /// A higher rebuild is ahead.
    Superseded(Epoch),
}

/// The epoch before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Old {
    /// 0 when the gate had none.
    pub epoch: Epoch,
    /// Redis is still the one that the epoch was published on.
    pub same_redis: bool,
    /// Its quarantine.
    pub quarantine_until: UnixMs,
}

/// What was found of the old epoch.
#[derive(Clone, Debug, Default)]
pub struct Survivors {
    /// Holds before their deadline, begun Confirms, and tombstones.
    pub reservations: Vec<Reservation>,
    /// All keys were there.
    pub whole: bool,
    /// The gate's clock when they were read.
    pub now: UnixMs,
    /// A majority of several nodes has answered that has forgotten nothing: so nothing that was acknowledged is missing.
    pub by_majority: bool,
}

/// What the new epoch is made of.
#[derive(Debug)]
pub struct Built<'a> {
    /// Its number, from the vault.
    pub epoch: Epoch,
    /// From the vault.
    pub event: &'a Event,
    /// The longest hold time that the event ever had, from the vault.
    pub hold_ttl_longest: Duration,
    /// Active bookings, from the vault.
    pub booked: &'a [Booking],
    /// Blocked seats, from the vault.
    pub blocked: &'a [SeatId],
    /// Survivors that the vault has not decided, and tombstones.
    pub survivors: &'a [Reservation],
    /// Free seats are not granted for so long.
    pub quarantine: Duration,
    /// Nor before this.
    pub quarantine_until: UnixMs,
    /// When the sweeper asks the vault to decide surviving Confirms, by the gate's clock.
    pub undecided_due: UnixMs,
    /// The gate's clock.
    pub now: UnixMs,
}

impl Gate {
    /// Starts a rebuild. None while another replica is at it.
    pub async fn rebuild(&self, event: &EventId) -> Result<Option<Rebuild<'_>>, Error> {
        // Who asks for it was told that the gate is not as it was: maybe another node has it by now.
        self.nodes.look().await?;
        let takeover = match self.nodes.masters() {
            Some(masters) => Some(Takeover::begin(self, masters, event).await?),
            None => None,
        };
        let connection = match &takeover {
            Some(takeover) => takeover.connection()?.clone(),
            None => self.nodes.of(event)?.dedicated(RESPONSE_TIMEOUT).await?,
        };
        let holder = format!("{:x}", rand::random::<u128>());
        let mut lease = cmd("SET");
        lease.arg(keys::rebuild_lease(&self.prefix, event)).arg(&holder);
        let granted: Option<String> =
            connection.query(lease.arg("NX").arg("PX").arg(LEASE.as_millis() as u64)).await?;
        Ok(granted.map(|_| Rebuild { gate: self, event: event.clone(), connection, holder, takeover }))
    }

    /// Reads what a connection's Redis has as the gate of an epoch.
    pub(super) async fn read_gate(
        &self,
        connection: &Connection,
        event: &EventId,
        old: Epoch,
    ) -> Result<Survivors, Error> {
        let keys = self.keys(event, old);
        let (seconds, micros): (i64, i64) = connection.query(&cmd("TIME")).await?;
        let now = UnixMs(seconds * 1000 + micros / 1000);
        let mut sentinels = pipe();
        sentinels
            .hexists(keys.seats(), "v")
            .exists(keys.map())
            .hexists(keys.reservations(), SENTINEL)
            .hexists(keys.requests(), SENTINEL)
            .hexists(keys.customers(), SENTINEL)
            .zscore(keys.expiry(), SENTINEL);
        let (seats, map, reservations, requests, customers, expiry): (
            bool,
            bool,
            bool,
            bool,
            bool,
            Option<f64>,
        ) = connection.pipeline(&sentinels).await?;
        let mut whole = seats && map && reservations && requests && customers && expiry.is_some();

        let records: HashMap<String, String> =
            connection.query(cmd("HGETALL").arg(keys.reservations())).await?;
        let mut reservations = Vec::with_capacity(records.len());
        for (suffix, text) in records.iter().filter(|(suffix, _)| *suffix != SENTINEL) {
            match record::read(event, suffix, text) {
                Ok(reservation) => reservations.push(reservation),
                Err(error) => {
                    tracing::error!(%error, "a hold did not survive the rebuild; its token can bring it back");
                    whole = false;
                }
            }
        }
        Ok(Survivors { reservations, whole, now, by_majority: false })
    }
}

impl Rebuild<'_> {
    /// The highest epoch that the gate has seen.
    pub async fn highest_epoch(&self) -> Result<Epoch, Error> {
        if let Some(takeover) = &self.takeover {
            return Ok(takeover.highest_epoch());
        }
        let meta = self.gate.keys(&self.event, Epoch(0)).meta().to_owned();
        let seen: [Option<u64>; 2] =
            self.connection.query(cmd("HMGET").arg(meta).arg("epoch").arg("frozen")).await?;
        Ok(Epoch(seen.into_iter().flatten().max().unwrap_or(0)))
    }

    /// Stops the old epoch for good. A node that may have forgotten holds is not relied on for as long as holds last.
    pub async fn freeze(&self, epoch: Epoch, hold_ttl_longest: Duration) -> Result<Frozen, Error> {
        if let Some(takeover) = &self.takeover {
            return self.keep(takeover.fence(self.gate, epoch, hold_ttl_longest)).await;
        }
        let meta = [self.gate.keys(&self.event, epoch).meta().to_owned()];
        let mut reply =
            self.connection.run(script::FREEZE.call_with_keys(&meta, [&*epoch.to_string()])).await?;
        match reply.word() {
            "FROZEN" => Ok(Frozen::Old(Old {
                epoch: Epoch(reply.number()?),
                same_redis: reply.text()? == **self.connection.incarnation(),
                quarantine_until: UnixMs(reply.number()?),
            })),
            "SUPERSEDED" => Ok(Frozen::Superseded(Epoch(reply.number()?))),
            _ => Err(reply.surprise()),
        }
    }

    /// Reads what is left of the old epoch: a hint after a restart, and exact where Redis never went away.
    pub async fn survivors(&self, old: Epoch) -> Result<Survivors, Error> {
        match &self.takeover {
            Some(takeover) => takeover.survivors(),
            None => self.gate.read_gate(&self.connection, &self.event, old).await,
        }
    }

    /// Writes the new epoch's keys aside and puts them in the old ones' place. False when a higher rebuild was faster.
    pub async fn publish(&self, built: &Built<'_>, old: Epoch) -> Result<bool, Error> {
        let keys = self.gate.keys(&self.event, built.epoch);
        let image = Image::of(built, self.gate.tombstone_ms);
        image.write(&self.connection, &keys).await?;
        let mut all = keys.all.to_vec();
        if old != Epoch(0) {
            all.extend_from_slice(self.gate.keys(&self.event, old).of_epoch());
        }
        let mut args = vec![
            built.epoch.to_string(),
            built.quarantine.as_millis().to_string(),
            built.quarantine_until.to_string(),
            "incarnation".into(),
            self.connection.incarnation().to_string(),
            "revision".into(),
            built.event.revision.to_string(),
            "seats".into(),
            built.event.seat_count.to_string(),
            "longest_ms".into(),
            built.hold_ttl_longest.as_millis().to_string(),
        ];
        args.extend(rules(built.event).into_iter().flat_map(|(field, value)| [field.to_owned(), value]));
        let call = script::PUBLISH.call_with_keys(&all, args.iter().map(String::as_str));
        let mut reply: Reply = self.connection.run(call).await?;
        match reply.word() {
            "PUBLISHED" => {
                self.gate.learn(&self.event, Some(keys.into()));
                if let Some(takeover) = &self.takeover {
                    takeover.published(self.gate, built, &image);
                }
                Ok(true)
            }
            "SUPERSEDED" => Ok(false),
            "INCOMPLETE" => Err(Error::Unavailable(format!("{} was lost while it was built", reply.text()?))),
            _ => Err(reply.surprise()),
        }
    }

    /// Keeps the others waiting a while longer. A lease that was lost all the same costs time, never truth.
    pub async fn renew(&self) -> Result<(), Error> {
        self.lease(LEASE).await
    }

    /// Keeps them waiting until `work` is done.
    async fn keep<T>(&self, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                sleep(LEASE / 3).await;
                if let Err(error) = self.renew().await {
                    tracing::debug!(%error, "the rebuild lease was not renewed");
                }
            }
        };
        tokio::select! {
            done = work => done,
            () = renewing => unreachable!("it renews for ever"),
        }
    }

    /// Lets others rebuild again.
    pub async fn finish(self) {
        if let Err(error) = self.lease(Duration::ZERO).await {
            tracing::debug!(%error, "the rebuild lease runs out by itself");
        }
    }

    async fn lease(&self, keep: Duration) -> Result<(), Error> {
        let lease = [keys::rebuild_lease(&self.gate.prefix, &self.event)];
        let args = [&*self.holder, &keep.as_millis().to_string()];
        self.connection.run(script::LEASE.call_with_keys(&lease, args)).await.map(drop)
    }
}
