//! Events, for organisers: the vault is the truth, and the gate gets a copy of the rules.

use std::sync::Arc;

use super::{Engine, Error, Level, Page, TakenSeat, rebuild::REBUILD_WAIT, refuse::taken_seat};
use crate::{
    domain::{Epoch, Event, EventError, EventId, Layout, NewEvent, SalesSettings, SeatId, SeatState},
    gate::BlockRefusal,
    vault::Blocked,
};

/// Seats blocked or unblocked in one call: a script of so many keeps Redis for some 50 ms.
const SEATS_PER_BLOCK_MAX: usize = 10_000;

impl Engine {
    /// Creates an event with closed sales, and its gate. Repeating the call finds the same event.
    pub async fn create_event(&self, new: NewEvent) -> Result<Event, Error> {
        new.check()?;
        let event = self.0.vault.create_event(&new).await;
        let event = event.map_err(|error| self.vault_error(&new.id, &error))?;
        // If this process dies here, a sweeper finds the event without a gate.
        match self.0.gate.alive(&new.id).await {
            Ok(_) => {}
            Err(crate::gate::Error::Cold(_)) => self.wait_for_rebuild(&new.id, REBUILD_WAIT).await?,
            Err(error) => return Err(self.gate_error(&new.id, error)),
        }
        Ok(event)
    }

    /// An event, without its seats.
    pub async fn event(&self, id: &EventId) -> Result<Event, Error> {
        let event = self.0.vault.event(id).await.map_err(|error| self.vault_error(id, &error))?;
        event.ok_or_else(|| Error::EventNotFound(id.clone()))
    }

    /// The seats of an event.
    pub async fn layout(&self, event: &EventId) -> Result<Arc<Layout>, Error> {
        Ok(Arc::clone(&self.0.catalog.house(event).await?.layout))
    }

    /// Events by id, after `after`.
    pub async fn events(&self, after: Option<EventId>, limit: u32) -> Result<Page<Event>, Error> {
        let events = self.0.vault.events(after.as_ref(), limit + 1).await;
        Ok(Page::cut(events.map_err(|error| Error::from_vault(&error))?, limit))
    }

    /// Changes the name or the rules of the sale.
    pub async fn update_event(
        &self,
        id: &EventId,
        name: Option<String>,
        settings: Option<SalesSettings>,
    ) -> Result<Event, Error> {
        if let Some(name) = &name {
            Event::check_name(name)?;
        }
        if let Some(settings) = &settings {
            settings.check()?;
        }
        let updated = self.0.vault.update_event(id, name.as_deref(), settings.as_ref()).await;
        self.configured(id, updated.map_err(|error| self.vault_error(id, &error))?).await
    }

    /// Opens or closes sales. Holds can still be confirmed when sales are closed.
    pub async fn set_sales_open(&self, id: &EventId, open: bool) -> Result<Event, Error> {
        let updated = self.0.vault.set_sales_open(id, open).await;
        self.configured(id, updated.map_err(|error| self.vault_error(id, &error))?).await
    }

    /// Answers only after the gate knows. If this process dies before, the reconciler tells the gate.
    async fn configured(&self, id: &EventId, event: Option<Event>) -> Result<Event, Error> {
        let event = event.ok_or_else(|| Error::EventNotFound(id.clone()))?;
        self.0.gate.configure(&event).await.map_err(|error| self.gate_error(id, error))?;
        self.forget_refusals(id, None);
        Ok(event)
    }

    /// Takes free seats off sale, all or none: how many changed. `seats` are ascending, each once, at least one.
    pub async fn block(&self, id: &EventId, seats: Vec<SeatId>) -> Result<u32, Error> {
        let engine = self.clone();
        let id = id.clone();
        self.critical("block", async move { engine.block_whole(&id, &seats).await }).await
    }

    async fn block_whole(&self, id: &EventId, seats: &[SeatId]) -> Result<u32, Error> {
        self.check_seats(id, seats).await?;
        // The gate first: nobody can reserve the seats while the vault writes. If this process dies in between, the
        // caller repeats, or the reconciler frees what the vault does not know to be blocked.
        let blocked = self.0.gate.block(id, seats).await.map_err(|error| self.gate_error(id, error))?;
        let (epoch, changed) = match blocked {
            Ok(changed) => changed,
            Err(refusal) => return Err(refused(id, refusal)),
        };
        match self.0.vault.block(id, epoch, seats).await.map_err(|error| self.vault_error(id, &error))? {
            Blocked::Done(mine) => {
                // Somebody may have unblocked and taken a seat while the vault wrote.
                let again = self.0.gate.block(id, seats).await.map_err(|error| self.gate_error(id, error))?;
                match again {
                    Ok(_) => Ok(changed),
                    Err(refusal) => {
                        if matches!(refusal, BlockRefusal::Taken(_)) && !mine.is_empty() {
                            self.unblock_both(id, epoch, &mine).await?;
                        }
                        Err(refused(id, refusal))
                    }
                }
            }
            Blocked::Sold(sold) => {
                // The gate did not know: it has drifted, and is rebuilt from the vault.
                tracing::warn!(event = %id, seats = sold.len(), "the gate took sold seats for free");
                self.force_rebuild(id).await;
                let taken =
                    |seat| TakenSeat { seat, state: SeatState::Sold, held_until: None, free_in: None };
                let seats = sold.into_iter().map(taken).collect();
                Err(Error::SeatUnavailable { level: Level::Vault, seats })
            }
        }
    }

    /// Puts blocked seats back on sale: how many changed. `seats` are ascending, each once, at least one.
    pub async fn unblock(&self, id: &EventId, seats: Vec<SeatId>) -> Result<u32, Error> {
        let engine = self.clone();
        let id = id.clone();
        self.critical("unblock", async move { engine.unblock_whole(&id, &seats).await }).await
    }

    async fn unblock_whole(&self, id: &EventId, seats: &[SeatId]) -> Result<u32, Error> {
        self.check_seats(id, seats).await?;
        let gate = self.0.gate.alive(id).await.map_err(|error| self.gate_error(id, error))?;
        self.unblock_both(id, gate.epoch, seats).await
    }

    /// The vault first: what it knows to be blocked, the gate never sells.
    async fn unblock_both(&self, id: &EventId, epoch: Epoch, seats: &[SeatId]) -> Result<u32, Error> {
        self.0.vault.unblock(id, epoch, seats).await.map_err(|error| self.vault_error(id, &error))?;
        // If this process dies here, the caller repeats, or the reconciler frees the seats.
        let changed = self.0.gate.unblock(id, seats).await.map_err(|error| self.gate_error(id, error))?;
        // Somebody may have blocked a seat again in between; the vault knows.
        let taken = self.0.vault.taken(id).await.map_err(|error| self.vault_error(id, &error))?;
        let again: Vec<SeatId> =
            taken.blocked.into_iter().filter(|seat| seats.binary_search(seat).is_ok()).collect();
        if !again.is_empty() {
            let _ = self.0.gate.block(id, &again).await.map_err(|error| self.gate_error(id, error))?;
        }
        self.forget_refusals(id, None);
        Ok(changed)
    }

    async fn check_seats(&self, id: &EventId, seats: &[SeatId]) -> Result<(), Error> {
        let house = self.0.catalog.house(id).await?;
        if seats.len() > SEATS_PER_BLOCK_MAX {
            return Err(EventError::Field("seat_ids", "must name at most 10,000 seats in one call").into());
        }
        let highest = seats.last().ok_or(crate::domain::SeatSetError::Empty)?;
        house.check(id, *highest)
    }
}

fn refused(id: &EventId, refusal: BlockRefusal) -> Error {
    match refusal {
        BlockRefusal::Taken(taken) => {
            Error::SeatUnavailable { level: Level::Gate, seats: taken.iter().map(taken_seat).collect() }
        }
        BlockRefusal::Quarantine(retry_after) => Error::GateRebuilding { event: id.clone(), retry_after },
    }
}
