use std::ops::Range;

use serde::Serialize;
use ticketengine::v1;

use super::{Error, event::json};
use crate::document::Document;

/// The seats of an event, ready to be served. It never changes.
#[derive(Debug)]
pub struct Layout {
    /// How many seats it has.
    pub seat_count: u32,
    /// Names and seats of the sections, in the order of the seats.
    sections: Vec<(String, Range<u32>)>,
    /// As JSON.
    pub document: Document,
}

#[derive(Serialize)]
struct LayoutJson<'a> {
    event_id: &'a str,
    seat_count: u32,
    sections: Vec<SectionJson<'a>>,
}

#[derive(Serialize)]
struct SectionJson<'a> {
    name: &'a str,
    first_seat: u32,
    rows: Vec<RowJson<'a>>,
}

#[derive(Serialize)]
struct RowJson<'a> {
    label: &'a str,
    first_seat: u32,
    seats: Vec<SeatJson<'a>>,
}

#[derive(Serialize)]
struct SeatJson<'a> {
    label: &'a str,
    price_category: u32,
    x_cm: i32,
    y_cm: i32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    accessible: bool,
}

impl Layout {
    /// Takes tens of milliseconds for a large house: not for a thread that serves sockets.
    pub(super) fn new(event_id: &str, layout: &v1::Layout) -> Result<Self, Error> {
        let (mut seat, mut sections) = (0, Vec::with_capacity(layout.sections.len()));
        for section in &layout.sections {
            let first_seat = seat;
            let rows = section.rows.iter().map(|row| RowJson::new(row, &mut seat)).collect();
            sections.push(SectionJson { name: &section.name, first_seat, rows });
        }
        let ends = sections.iter().skip(1).map(|section| section.first_seat).chain([seat]);
        let ranges = sections.iter().zip(ends);
        let ranges =
            ranges.map(|(section, end)| (section.name.to_owned(), section.first_seat..end)).collect();
        let document = json(&LayoutJson { event_id, seat_count: seat, sections })?;
        Ok(Self { seat_count: seat, sections: ranges, document })
    }

    /// The ids of all seats of some sections. The error is a name that no section has.
    pub fn seats_of<'a>(&self, names: &'a [String]) -> Result<Vec<Range<u32>>, &'a str> {
        let find = |name: &&String| self.sections.iter().find(|(known, _)| known == *name);
        let seats = names.iter().map(|name| find(&name).map(|(_, seats)| seats.clone()).ok_or(&**name));
        seats.collect()
    }
}

impl<'a> RowJson<'a> {
    fn new(row: &'a v1::Row, seat: &mut u32) -> Self {
        let first_seat = *seat;
        *seat = seat.saturating_add(row.seats.len().try_into().unwrap_or(u32::MAX));
        let seats = row.seats.iter().map(|seat| SeatJson {
            label: &seat.label,
            price_category: seat.price_category,
            x_cm: seat.x_cm,
            y_cm: seat.y_cm,
            accessible: seat.accessible,
        });
        Self { label: &row.label, first_seat, seats: seats.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> Layout {
        let seat =
            |label: &str| v1::Seat { label: label.into(), accessible: label == "2", ..v1::Seat::default() };
        let row = |label: &str| v1::Row { label: label.into(), seats: vec![seat("1"), seat("2")] };
        let section = |name: &str| v1::Section { name: name.into(), rows: vec![row("A"), row("B")] };
        let sections = ["Stalls", "Balcony", "Boxes"].map(section).into();
        Layout::new("gala", &v1::Layout { sections }).unwrap()
    }

    #[test]
    fn a_layout_as_json() {
        let layout = house();
        let text = std::str::from_utf8(&layout.document.plain).unwrap();
        let begin = r#"{"event_id":"gala","seat_count":12,"sections":[{"name":"Stalls","first_seat":0,"rows":[{"label":"A","first_seat":0,"seats":[{"label":"1","price_category":0,"x_cm":0,"y_cm":0},{"label":"2","price_category":0,"x_cm":0,"y_cm":0,"accessible":true}]},{"label":"B","first_seat":2,"#;
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn sections_are_ranges_of_seats() {
        let layout = house();
        let seats = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            layout.seats_of(&names).map_err(ToString::to_string)
        };
        assert_eq!(seats(&["Boxes", "Stalls"]), Ok(vec![8..12, 0..4]));
        assert_eq!(seats(&["Stalls", "stalls"]), Err("stalls".to_owned()));
        assert_eq!(seats(&[]), Ok(Vec::new()));
    }
}
