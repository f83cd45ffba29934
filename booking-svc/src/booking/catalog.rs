//! What never changes of an event: its seats and prices, read from the vault once.

use std::sync::Arc;

use moka::{future::Cache, policy::EvictionPolicy};

use super::{Error, Priced};
use crate::{
    domain::{Event, EventId, Layout, SeatId, SeatSet},
    vault::{self, Vault},
};

/// Seats in memory at most, summed over events: about 100 bytes each.
const SEATS_CACHED_MAX: u64 = 1_000_000;

/// The fixed part of an event.
pub(super) struct House {
    pub(super) seat_count: u32,
    pub(super) layout: Arc<Layout>,
    currency: Arc<str>,
    /// By seat, in minor units.
    prices: Box<[i64]>,
}

/// A bounded cache of houses; those that are asked for at the same time are read once.
#[derive(Clone)]
pub(super) struct Catalog {
    vault: Vault,
    houses: Cache<EventId, Arc<House>>,
}

impl Catalog {
    pub(super) fn new(vault: Vault) -> Self {
        Self { vault, houses: houses() }
    }

    pub(super) async fn house(&self, id: &EventId) -> Result<Arc<House>, Error> {
        if let Some(house) = self.houses.get(id).await {
            return Ok(house);
        }
        // On the heap: all calls would keep room for it.
        let loaded = Box::pin(self.houses.try_get_with_by_ref(id, self.load(id)));
        loaded.await.map_err(|error: Arc<vault::Error>| Error::from_vault(&error))
    }

    async fn load(&self, id: &EventId) -> Result<Arc<House>, vault::Error> {
        let found = self.vault.house(id).await?;
        let (event, layout) = found.ok_or_else(|| vault::Error::EventNotFound(id.clone()))?;
        Ok(Arc::new(House::new(&event, layout)))
    }
}

/// What was asked for last stays. By moka's own policy a large house that is new would have to be asked for more often than
/// all that it displaces together: never, and each call would read it from the vault.
fn houses() -> Cache<EventId, Arc<House>> {
    Cache::builder()
        .weigher(|_, house: &Arc<House>| house.seat_count)
        .max_capacity(SEATS_CACHED_MAX)
        .eviction_policy(EvictionPolicy::lru())
        .build()
}

impl House {
    fn new(event: &Event, layout: Layout) -> Self {
        let price = |category: u16| {
            event.price_categories.get(usize::from(category)).map_or(0, |category| category.price_minor)
        };
        Self {
            seat_count: event.seat_count,
            currency: event.currency.as_str().into(),
            prices: layout.seats().map(|(_, _, _, seat)| price(seat.price_category)).collect(),
            layout: Arc::new(layout),
        }
    }

    /// Refuses seats that the event does not have.
    pub(super) fn check(&self, event: &EventId, highest: SeatId) -> Result<(), Error> {
        if highest.0 < self.seat_count {
            return Ok(());
        }
        Err(Error::SeatNotFound { event: event.clone(), seat: highest, seat_count: self.seat_count })
    }

    /// Puts the price to something that has these seats.
    pub(super) fn price<T>(&self, item: T, seats: &SeatSet) -> Priced<T> {
        let total_minor = seats.iter().filter_map(|seat| self.prices.get(seat.0 as usize)).sum();
        Priced { item, total_minor, currency: Arc::clone(&self.currency) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_large_house_is_kept_although_the_memory_is_full_of_houses_in_use() {
        let house = |seat_count| {
            let layout = Arc::new(Layout { sections: Vec::new() });
            Arc::new(House { seat_count, layout, currency: "EUR".into(), prices: Box::default() })
        };
        let (houses, new) = (houses(), "new".parse::<EventId>().unwrap());
        let used: Vec<EventId> = (0..100).map(|n| format!("used-{n}").parse().unwrap()).collect();
        for id in &used {
            houses.insert(id.clone(), house(10_000)).await;
        }
        for _ in 0..20 {
            for id in &used {
                assert!(houses.get(id).await.is_some());
            }
            houses.run_pending_tasks().await;
        }
        houses.insert(new.clone(), house(100_000)).await;
        houses.run_pending_tasks().await;
        assert!(houses.contains_key(&new), "it would be read from the vault again and again");
        assert!(houses.weighted_size() <= SEATS_CACHED_MAX);
    }
}
