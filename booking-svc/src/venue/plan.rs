//! Where seats stand. The plan's x grows to the right, its y away from the stage; angles are counted from y towards x.

use std::f64::consts::TAU;

use super::{
    Problem,
    file::{RowEntry, Section, Spacing},
};

/// A seat's neighbour is about as far in most theatres.
const SEAT_CM_DEFAULT: i32 = 52;
/// Two people can pass.
const AISLE_CM_DEFAULT: i32 = 110;
/// Knees have room.
const ROW_CM_DEFAULT: i32 = 95;
/// No house is larger than 2 km.
const PLACE_CM_MAX: i32 = 100_000;
/// No two seats of a row are further apart.
const SPACING_CM_MAX: i32 = 10_000;

/// A section's place: its rows are moved there, and turned.
pub(super) struct Ground {
    at: [f64; 2],
    turn: f64,
}

impl Ground {
    pub(super) fn new(section: &Section) -> Result<Self, Problem> {
        let [x, y] = point("at_cm", section.at_cm)?;
        Ok(Self { at: [x, y], turn: degrees("turn_deg", section.turn_deg)? })
    }

    /// From the section's plan to the house's, to the centimetre.
    fn place(&self, [x, y]: [f64; 2]) -> [i32; 2] {
        let (sin, cos) = self.turn.sin_cos();
        let [right, back] = [x * cos + y * sin, y * cos - x * sin];
        [(self.at[0] + right).round() as i32, (self.at[1] + back).round() as i32]
    }
}

/// How the seats of a row stand.
pub(super) struct Line {
    form: Form,
    /// How far each seat is from the first, along the row.
    along: Vec<f64>,
    row_cm: f64,
}

enum Form {
    Straight {
        first: [f64; 2],
    },
    /// Round the section's origin.
    Curved {
        radius: f64,
        middle: f64,
    },
}

impl Line {
    /// Of a row with so many seats; `aisles` are the seats that have an aisle behind them, ascending.
    pub(super) fn new(
        entry: &RowEntry,
        house: Spacing,
        seats: usize,
        aisles: &[usize],
    ) -> Result<Self, Problem> {
        let own = entry.spacing;
        let seat = spacing("seat_cm", own.seat_cm.or(house.seat_cm), SEAT_CM_DEFAULT)?;
        let aisle = spacing("aisle_cm", own.aisle_cm.or(house.aisle_cm), AISLE_CM_DEFAULT)?;
        let row_cm = spacing("row_cm", own.row_cm.or(house.row_cm), ROW_CM_DEFAULT)?;
        let before = |index| aisles.partition_point(|&after| after < index);
        let along: Vec<f64> =
            (0..seats).map(|index| index as f64 * seat + before(index) as f64 * aisle).collect();
        let length = along.last().copied().unwrap_or(0.0);
        let form = match (entry.start_cm, entry.middle_cm, entry.radius_cm) {
            (Some(start), None, None) => Form::Straight { first: point("start_cm", start)? },
            (None, Some(middle), None) => {
                let [x, y] = point("middle_cm", middle)?;
                Form::Straight { first: [x - length / 2.0, y] }
            }
            (None, None, Some(radius)) => {
                let radius = bounded("radius_cm", radius, 1, PLACE_CM_MAX)?;
                if length + seat > radius * TAU {
                    return Err(Problem::LongerThanCircle);
                }
                Form::Curved { radius, middle: degrees("middle_deg", entry.middle_deg.unwrap_or(0.0))? }
            }
            _ => return Err(Problem::Place),
        };
        if entry.radius_cm.is_none() && entry.middle_deg.is_some() {
            return Err(Problem::MiddleOfStraightRow);
        }
        Ok(Self { form, along, row_cm })
    }

    /// The places of the seats of the `nth` of several equal rows.
    pub(super) fn places(&self, nth: usize, ground: &Ground) -> impl Iterator<Item = [i32; 2]> {
        let back = nth as f64 * self.row_cm;
        let half = self.along.last().copied().unwrap_or(0.0) / 2.0;
        self.along.iter().map(move |along| {
            ground.place(match self.form {
                Form::Straight { first: [x, y] } => [x + along, y + back],
                Form::Curved { radius, middle } => {
                    let radius = radius + back;
                    let (sin, cos) = (middle + (along - half) / radius).sin_cos();
                    [radius * sin, radius * cos]
                }
            })
        })
    }
}

fn point(field: &'static str, [x, y]: [i32; 2]) -> Result<[f64; 2], Problem> {
    let coordinate = |value| bounded(field, value, -PLACE_CM_MAX, PLACE_CM_MAX);
    Ok([coordinate(x)?, coordinate(y)?])
}

fn spacing(field: &'static str, value: Option<i32>, default: i32) -> Result<f64, Problem> {
    bounded(field, value.unwrap_or(default), 1, SPACING_CM_MAX)
}

fn bounded(field: &'static str, value: i32, least: i32, most: i32) -> Result<f64, Problem> {
    if (least..=most).contains(&value) {
        Ok(value.into())
    } else {
        Err(Problem::Bounds { field, least, most })
    }
}

/// In radians.
fn degrees(field: &'static str, value: f64) -> Result<f64, Problem> {
    if value.abs() <= 360.0 {
        Ok(value.to_radians())
    } else {
        Err(Problem::Bounds { field, least: -360, most: 360 })
    }
}
