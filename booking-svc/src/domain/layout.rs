use std::collections::HashSet;

use super::SeatId;

/// The most seats of one event.
pub const SEATS_PER_EVENT_MAX: usize = 100_000;
/// The longest name of a section and label of a row or a seat.
pub const LABEL_BYTES_MAX: usize = 64;

/// The seats of an event in the order of their numbers: sections, then rows, then seats.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    /// The parts of the house.
    pub sections: Vec<Section>,
}

/// A part of the house that visitors know by name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Section {
    /// Such as "Stalls"; unique in the event.
    pub name: String,
    /// From the stage outwards, as a rule.
    pub rows: Vec<Row>,
}

/// A row of a section.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// Such as "C"; unique in its section.
    pub label: String,
    /// From left to right, as a rule.
    pub seats: Vec<Seat>,
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seat {
    /// The number on the seat; unique in its row.
    pub label: String,
    /// Index into the event's price categories.
    pub price_category: u16,
    /// Position on the plan, in centimetres, to the right.
    pub x_cm: i32,
    /// Position on the plan, in centimetres, away from the stage.
    pub y_cm: i32,
    /// A place for a wheelchair user or a companion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accessible: bool,
}

/// Why a layout can not be sold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No seat at all.
    #[error("the layout has no seats")]
    Empty,
    /// More than [`SEATS_PER_EVENT_MAX`].
    #[error("the layout has {0} seats; an event has at most {SEATS_PER_EVENT_MAX}")]
    TooManySeats(usize),
    /// Two sections, rows or seats can not be told apart.
    #[error("{0} stands twice in the layout")]
    Duplicate(String),
    /// A name or label is empty, over [`LABEL_BYTES_MAX`], or has control characters.
    #[error("{0:?} is not a label: 1 to {LABEL_BYTES_MAX} bytes without control characters")]
    BadLabel(String),
    /// A seat's category is not among the event's.
    #[error("{0} names a price category that the event does not have")]
    UnknownCategory(String),
}

impl Layout {
    /// Checks the layout against the number of the event's price categories.
    pub fn check(&self, categories: usize) -> Result<(), LayoutError> {
        match self.seat_count() {
            0 => return Err(LayoutError::Empty),
            count if count > SEATS_PER_EVENT_MAX => return Err(LayoutError::TooManySeats(count)),
            _ => {}
        }
        let mut sections = HashSet::new();
        for section in &self.sections {
            unique(&mut sections, &section.name, || section.name.clone())?;
            let mut rows = HashSet::new();
            for row in &section.rows {
                unique(&mut rows, &row.label, || format!("{}, row {}", section.name, row.label))?;
                let mut seats = HashSet::new();
                for seat in &row.seats {
                    let name = || format!("{}, row {}, seat {}", section.name, row.label, seat.label);
                    unique(&mut seats, &seat.label, name)?;
                    if usize::from(seat.price_category) >= categories {
                        return Err(LayoutError::UnknownCategory(name()));
                    }
                }
            }
        }
        Ok(())
    }

    /// How many seats there are.
    pub fn seat_count(&self) -> usize {
        self.sections.iter().flat_map(|section| &section.rows).map(|row| row.seats.len()).sum()
    }

    /// All seats with their section and row, in the order of their numbers.
    pub fn seats(&self) -> impl Iterator<Item = (SeatId, &Section, &Row, &Seat)> {
        let rows =
            self.sections.iter().flat_map(|section| section.rows.iter().map(move |row| (section, row)));
        rows.flat_map(|(section, row)| row.seats.iter().map(move |seat| (section, row, seat)))
            .zip(0..)
            .map(|((section, row, seat), id)| (SeatId(id), section, row, seat))
    }
}

fn unique<'a>(
    seen: &mut HashSet<&'a str>,
    label: &'a str,
    name: impl Fn() -> String,
) -> Result<(), LayoutError> {
    if label.is_empty() || label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
        return Err(LayoutError::BadLabel(label.to_owned()));
    }
    if seen.insert(label) { Ok(()) } else { Err(LayoutError::Duplicate(name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(label: &str) -> Seat {
        Seat { label: label.into(), price_category: 0, x_cm: 0, y_cm: 0, accessible: false }
    }

    fn house(seats: &[Seat]) -> Layout {
        let row = |label: &str| Row { label: label.into(), seats: seats.to_vec() };
        Layout { sections: vec![Section { name: "Stalls".into(), rows: vec![row("A"), row("B")] }] }
    }

    #[test]
    fn seats_are_numbered_densely_in_order() {
        let house = house(&[seat("1"), seat("2")]);
        let seats: Vec<_> =
            house.seats().map(|(id, _, row, seat)| (id.0, &*row.label, &*seat.label)).collect();
        assert_eq!(seats, [(0, "A", "1"), (1, "A", "2"), (2, "B", "1"), (3, "B", "2")]);
        assert_eq!(house.check(1), Ok(()));
    }

    #[test]
    fn a_layout_says_what_is_wrong_and_where() {
        assert_eq!(house(&[]).check(1), Err(LayoutError::Empty));
        let twice = house(&[seat("1"), seat("1")]).check(1);
        assert_eq!(twice, Err(LayoutError::Duplicate("Stalls, row A, seat 1".into())));
        let unknown = house(&[seat("1")]).check(0);
        assert_eq!(unknown, Err(LayoutError::UnknownCategory("Stalls, row A, seat 1".into())));
        assert!(matches!(house(&[seat("")]).check(1), Err(LayoutError::BadLabel(_))));
        let many = house(&(0..60_000).map(|n| seat(&n.to_string())).collect::<Vec<_>>()).check(1);
        assert_eq!(many, Err(LayoutError::TooManySeats(120_000)));
    }
}
