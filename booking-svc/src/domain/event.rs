use std::time::Duration;

use super::{Epoch, EventId, Layout, LayoutError, UnixMs};

/// An event as the vault knows it, without its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// What visitors call it.
    pub name: String,
    /// Where it takes place.
    pub venue_name: String,
    /// ISO 4217.
    pub currency: String,
    /// What seats cost; fixed at creation.
    pub price_categories: Vec<PriceCategory>,
    /// How many seats it has; fixed at creation.
    pub seat_count: u32,
    /// The rules of the sale.
    pub settings: SalesSettings,
    /// Whether sales are open, apart from the sale window.
    pub sales_open: bool,
    /// Raised with every change of what the gate needs to know (settings, open or closed).
    pub revision: u64,
    /// The vault's epoch: writes that carry another are refused.
    pub epoch: Epoch,
    /// By the vault's clock.
    pub created_at: UnixMs,
    /// By the vault's clock.
    pub updated_at: UnixMs,
}

/// A class of seats that cost the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PriceCategory {
    /// What visitors call it.
    pub name: String,
    /// In minor units of the event's currency.
    pub price_minor: i64,
}

/// The rules of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalesSettings {
    /// How long a reservation holds its seats.
    pub hold_ttl: Duration,
    /// The longest that Extend can stretch a reservation, counted from its grant.
    pub hold_max: Duration,
    /// How many seats a customer may hold and own in all.
    pub seats_per_customer: u32,
    /// Reserve is refused before.
    pub opens_at: Option<UnixMs>,
    /// Reserve is refused from then on.
    pub closes_at: Option<UnixMs>,
}

impl SalesSettings {
    /// The owner's 60-second lock.
    pub const HOLD_TTL_DEFAULT: Duration = Duration::from_secs(60);
    /// `hold_max` is this many times `hold_ttl` where it is not given.
    pub const HOLD_MAX_FACTOR_DEFAULT: u32 = 5;
    /// Where it is not given.
    pub const SEATS_PER_CUSTOMER_DEFAULT: u32 = 8;
    /// Bounds of `hold_ttl`; also the upper bound of the quarantine after a loss.
    pub const HOLD_TTL_RANGE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3_600)];
    /// Upper bound of `hold_max`.
    pub const HOLD_MAX_MAX: Duration = Duration::from_secs(86_400);
    /// Upper bound of `seats_per_customer`.
    pub const SEATS_PER_CUSTOMER_MAX: u32 = 10_000;

    /// Checks the bounds.
    pub fn check(&self) -> Result<(), EventError> {
        let [ttl_min, ttl_max] = Self::HOLD_TTL_RANGE;
        if !(ttl_min..=ttl_max).contains(&self.hold_ttl) {
            return Err(EventError::Field("hold_ttl", "must be between 1 s and 1 h"));
        }
        if !(self.hold_ttl..=Self::HOLD_MAX_MAX).contains(&self.hold_max) {
            return Err(EventError::Field("hold_max", "must be between hold_ttl and 24 h"));
        }
        if !(1..=Self::SEATS_PER_CUSTOMER_MAX).contains(&self.seats_per_customer) {
            return Err(EventError::Field("seats_per_customer", "must be between 1 and 10,000"));
        }
        match (self.opens_at, self.closes_at) {
            (Some(opens), Some(closes)) if opens >= closes => {
                Err(EventError::Field("sale_closes_at", "must be after sale_opens_at"))
            }
            _ => Ok(()),
        }
    }
}

impl Default for SalesSettings {
    fn default() -> Self {
        Self {
            hold_ttl: Self::HOLD_TTL_DEFAULT,
            hold_max: Self::HOLD_TTL_DEFAULT * Self::HOLD_MAX_FACTOR_DEFAULT,
            seats_per_customer: Self::SEATS_PER_CUSTOMER_DEFAULT,
            opens_at: None,
            closes_at: None,
        }
    }
}

/// An event that is to be created, with closed sales.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// What visitors call it.
    pub name: String,
    /// Where it takes place.
    pub venue_name: String,
    /// ISO 4217.
    pub currency: String,
    /// What seats cost.
    pub price_categories: Vec<PriceCategory>,
    /// The rules of the sale.
    pub settings: SalesSettings,
    /// The seats.
    pub layout: Layout,
}

/// Why an event can not be created or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A field breaks its rule.
    #[error("{0} {1}")]
    Field(&'static str, &'static str),
    /// The layout can not be sold.
    #[error("layout: {0}")]
    Layout(#[from] LayoutError),
}

impl NewEvent {
    /// The most price categories of an event.
    pub const PRICE_CATEGORIES_MAX: usize = 100;
    /// The highest price, so that sums stay far from overflow.
    pub const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;

    /// Checks everything that can be checked without a store.
    pub fn check(&self) -> Result<(), EventError> {
        check_name("name", &self.name)?;
        check_name("venue_name", &self.venue_name)?;
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(EventError::Field("currency", "must be an ISO 4217 code such as EUR"));
        }
        if !(1..=Self::PRICE_CATEGORIES_MAX).contains(&self.price_categories.len()) {
            return Err(EventError::Field("price_categories", "must hold between 1 and 100 categories"));
        }
        for category in &self.price_categories {
            check_name("price_categories.name", &category.name)?;
            if !(0..=Self::PRICE_MINOR_MAX).contains(&category.price_minor) {
                return Err(EventError::Field("price_categories.price_minor", "must be between 0 and 10^12"));
            }
        }
        self.settings.check()?;
        Ok(self.layout.check(self.price_categories.len())?)
    }
}

impl Event {
    /// Checks a new name for the event.
    pub fn check_name(name: &str) -> Result<(), EventError> {
        check_name("name", name)
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), EventError> {
    if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(EventError::Field(field, "must be 1 to 200 bytes without control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_hold_is_the_owners_sixty_seconds() {
        let settings = SalesSettings::default();
        assert_eq!(settings.hold_ttl, Duration::from_secs(60));
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn settings_out_of_bounds_are_named() {
        let bad = |change: fn(&mut SalesSettings)| {
            let mut settings = SalesSettings::default();
            change(&mut settings);
            match settings.check() {
                Err(EventError::Field(field, _)) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(bad(|s| s.hold_ttl = Duration::from_millis(999)), "hold_ttl");
        assert_eq!(bad(|s| s.hold_max = Duration::from_secs(59)), "hold_max");
        assert_eq!(bad(|s| s.seats_per_customer = 0), "seats_per_customer");
        assert_eq!(bad(|s| (s.opens_at, s.closes_at) = (Some(UnixMs(5)), Some(UnixMs(5)))), "sale_closes_at");
    }
}
