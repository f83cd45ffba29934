use serde::Deserialize;

use crate::domain::PriceCategory;

/// The content of a venue file, as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VenueFile {
    pub(super) event_id: String,
    pub(super) name: String,
    pub(super) venue_name: String,
    pub(super) currency: String,
    pub(super) hold_ttl_s: Option<u32>,
    pub(super) hold_max_s: Option<u32>,
    pub(super) seats_per_customer: Option<u32>,
    pub(super) sale_opens_at: Option<String>,
    pub(super) sale_closes_at: Option<String>,
    pub(super) price_categories: Vec<Price>,
    #[serde(default)]
    pub(super) spacing: Spacing,
    #[serde(default)]
    pub(super) shapes: Vec<Shape>,
    pub(super) sections: Vec<Section>,
}

/// A price category; rows name it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) name: String,
    pub(super) price_minor: i64,
}

impl From<Price> for PriceCategory {
    fn from(Price { name, price_minor }: Price) -> Self {
        Self { name, price_minor }
    }
}

/// The house's usual distances, and a row's own where it has them.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spacing {
    /// From the middle of a seat to its neighbour's.
    pub(super) seat_cm: Option<i32>,
    /// What an aisle adds.
    pub(super) aisle_cm: Option<i32>,
    /// From a row to the one behind it.
    pub(super) row_cm: Option<i32>,
}

/// Rows that several sections share.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) rows: Vec<RowEntry>,
}

/// A section: its own rows or a shape's, moved to `at_cm` and turned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) price: Option<String>,
    #[serde(default)]
    pub(super) at_cm: [i32; 2],
    #[serde(default)]
    pub(super) turn_deg: f64,
    pub(super) shape: Option<String>,
    pub(super) rows: Option<Vec<RowEntry>>,
}

/// A row, or several equal ones behind each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowEntry {
    pub(super) row: String,
    pub(super) seats: String,
    pub(super) price: Option<String>,
    #[serde(default)]
    pub(super) prices: Vec<PriceOverride>,
    pub(super) aisles_after: Option<String>,
    pub(super) accessible: Option<String>,
    pub(super) start_cm: Option<[i32; 2]>,
    pub(super) middle_cm: Option<[i32; 2]>,
    pub(super) radius_cm: Option<i32>,
    pub(super) middle_deg: Option<f64>,
    #[serde(default)]
    pub(super) spacing: Spacing,
}

/// Some of a row's seats cost something else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceOverride {
    pub(super) seats: String,
    pub(super) price: String,
}
