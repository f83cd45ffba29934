//! From a venue file to an event.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Error, Problem, ROWS_PER_ENTRY_MAX, SEATS_PER_ROW_MAX,
    file::{Price, RowEntry, Section, Shape, Spacing, VenueFile},
    labels::expand,
    plan::{Ground, Line},
};
use crate::domain::{
    Layout, NewEvent, Row, SEATS_PER_EVENT_MAX, SalesSettings, Seat, Section as Part, UnixMs,
};

/// Spells the file out.
pub(super) fn build(file: VenueFile) -> Result<NewEvent, Error> {
    let id = file.event_id.parse().map_err(|error| Problem::EventId(error).at("event_id"))?;
    let settings = settings(&file)?;
    let layout = House::new(&file)?.layout(&file.sections)?;
    Ok(NewEvent {
        id,
        name: file.name,
        venue_name: file.venue_name,
        currency: file.currency,
        price_categories: file.price_categories.into_iter().map(Into::into).collect(),
        settings,
        layout,
    })
}

fn settings(file: &VenueFile) -> Result<SalesSettings, Error> {
    let default = SalesSettings::default();
    let seconds = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let hold_ttl = seconds(file.hold_ttl_s).unwrap_or(default.hold_ttl);
    Ok(SalesSettings {
        hold_ttl,
        hold_max: seconds(file.hold_max_s).unwrap_or_else(|| {
            (hold_ttl * SalesSettings::HOLD_MAX_FACTOR_DEFAULT).min(SalesSettings::HOLD_MAX_MAX)
        }),
        seats_per_customer: file.seats_per_customer.unwrap_or(default.seats_per_customer),
        opens_at: instant("sale_opens_at", file.sale_opens_at.as_deref())?,
        closes_at: instant("sale_closes_at", file.sale_closes_at.as_deref())?,
    })
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<UnixMs>, Error> {
    let Some(text) = text else { return Ok(None) };
    match OffsetDateTime::parse(text, &Rfc3339) {
        // Years 0 to 9999: far from overflow.
        Ok(time) => Ok(Some(UnixMs(time.unix_timestamp() * 1_000 + i64::from(time.millisecond())))),
        Err(_) => Err(Problem::Time(text.to_owned()).at(field)),
    }
}

/// What sections refer to, and how many seats there are so far.
struct House<'a> {
    prices: HashMap<&'a str, u16>,
    shapes: HashMap<&'a str, &'a Shape>,
    spacing: Spacing,
    seats: usize,
}

impl<'a> House<'a> {
    fn new(file: &'a VenueFile) -> Result<Self, Error> {
        let mut prices = HashMap::new();
        for (index, Price { name, .. }) in file.price_categories.iter().enumerate() {
            // `NewEvent::check` refuses a file with so many categories.
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            if prices.insert(name.as_str(), index).is_some() {
                return Err(Problem::Twice(name.clone()).at("price_categories"));
            }
        }
        let mut shapes = HashMap::new();
        for shape in &file.shapes {
            if shapes.insert(shape.name.as_str(), shape).is_some() {
                return Err(Problem::Twice(shape.name.clone()).at("shapes"));
            }
        }
        let used: HashSet<_> = file.sections.iter().filter_map(|section| section.shape.as_deref()).collect();
        if let Some(unused) = file.shapes.iter().find(|shape| !used.contains(shape.name.as_str())) {
            return Err(Problem::Unused.at(format!("shape {:?}", unused.name)));
        }
        Ok(Self { prices, shapes, spacing: file.spacing, seats: 0 })
    }

    fn layout(mut self, sections: &'a [Section]) -> Result<Layout, Error> {
        let sections = sections.iter().map(|section| self.section(section)).collect::<Result<_, _>>()?;
        Ok(Layout { sections })
    }

    fn section(&mut self, section: &'a Section) -> Result<Part, Error> {
        let place = || format!("section {:?}", section.name);
        let entries = match (&section.rows, &section.shape) {
            (Some(rows), None) => rows,
            (None, Some(name)) => match self.shapes.get(name.as_str()) {
                Some(shape) => &shape.rows,
                None => return Err(Problem::NoSuchShape(name.clone()).at(place())),
            },
            _ => return Err(Problem::RowsOrShape.at(place())),
        };
        let ground = Ground::new(section).map_err(|problem| problem.at(place()))?;
        let mut rows = Vec::new();
        for entry in entries {
            let added = self.rows(entry, section.price.as_deref(), &ground);
            rows.extend(added.map_err(|problem| problem.at(format!("{}, row {:?}", place(), entry.row)))?);
        }
        Ok(Part { name: section.name.clone(), rows })
    }

    /// The rows that an entry stands for.
    fn rows(&mut self, entry: &RowEntry, price: Option<&str>, ground: &Ground) -> Result<Vec<Row>, Problem> {
        let labels = list("row", &entry.row, ROWS_PER_ENTRY_MAX)?;
        let seats = self.seats(entry, price)?;
        self.seats += labels.len() * seats.labels.len();
        if self.seats > SEATS_PER_EVENT_MAX {
            return Err(Problem::TooManySeats);
        }
        let line = Line::new(entry, self.spacing, seats.labels.len(), &seats.aisles)?;
        let row = |(nth, label)| {
            let places = line.places(nth, ground).enumerate();
            let seats = places.map(|(index, [x_cm, y_cm])| Seat {
                label: seats.labels[index].clone(),
                price_category: seats.prices[index],
                x_cm,
                y_cm,
                accessible: seats.accessible[index],
            });
            Row { label, seats: seats.collect() }
        };
        Ok(labels.into_iter().enumerate().map(row).collect())
    }

    fn seats(&self, entry: &RowEntry, price: Option<&str>) -> Result<Seats, Problem> {
        let labels = list("seats", &entry.seats, SEATS_PER_ROW_MAX)?;
        let named: HashMap<&str, usize> = labels.iter().map(String::as_str).zip(0..).collect();
        let find = |field, text: Option<&str>| find(&named, field, text);

        let price = entry.price.as_deref().or(price).ok_or(Problem::NoPrice)?;
        let mut prices = vec![self.price(price)?; labels.len()];
        let mut priced = HashSet::new();
        for other in &entry.prices {
            let price = self.price(&other.price)?;
            for index in find("prices", Some(&other.seats))? {
                if !priced.insert(index) {
                    return Err(Problem::Twice(labels[index].clone()));
                }
                prices[index] = price;
            }
        }
        let mut accessible = vec![false; labels.len()];
        for index in find("accessible", entry.accessible.as_deref())? {
            accessible[index] = true;
        }
        let mut aisles = find("aisles_after", entry.aisles_after.as_deref())?;
        aisles.sort_unstable();
        Ok(Seats { labels, prices, accessible, aisles })
    }

    fn price(&self, name: &str) -> Result<u16, Problem> {
        self.prices.get(name).copied().ok_or_else(|| Problem::NoSuchPrice(name.to_owned()))
    }
}

/// The seats of a row from its first to its last, and the places of its aisles among them.
struct Seats {
    labels: Vec<String>,
    prices: Vec<u16>,
    accessible: Vec<bool>,
    aisles: Vec<usize>,
}

/// The places in the row of the seats that a list names.
fn find(
    seats: &HashMap<&str, usize>,
    field: &'static str,
    text: Option<&str>,
) -> Result<Vec<usize>, Problem> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let place = |label: String| match seats.get(label.as_str()) {
        Some(&index) => Ok(index),
        None => Err(Problem::NoSuchSeat { field, label }),
    };
    list(field, text, seats.len())?.into_iter().map(place).collect()
}

fn list(field: &'static str, text: &str, max: usize) -> Result<Vec<String>, Problem> {
    expand(text, max).map_err(|error| Problem::Labels { field, error })
}
