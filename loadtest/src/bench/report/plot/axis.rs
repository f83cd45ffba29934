//! From values to places, and the ticks between.

use super::{BOTTOM, LEFT, RIGHT, TOP};
use crate::bench::{outcome::Axis, report::number};

/// Ticks of a linear axis at the most.
const TICKS_MAX: f64 = 6.0;
/// From so many decades on only the decades have ticks.
const DECADES_BARE: usize = 3;
/// Decades with ticks at the most; beyond, every second has one, and so on.
const DECADES_MAX: i32 = 7;
/// What an axis is called whose x is 1 / (1 - quantile).
const PERCENTILE: &str = "percentile";
/// Quantiles that people look for, by the name of each.
const QUANTILES: [(f64, &str); 7] = [
    (2.0, "p50"),
    (10.0, "p90"),
    (100.0, "p99"),
    (1e3, "p99.9"),
    (1e4, "p99.99"),
    (1e5, "p99.999"),
    (1e6, "p99.9999"),
];
/// A tick this near beyond the end of an axis is still on it, in parts of the tick.
const NEAR: f64 = 1e-9;

/// A place on an axis, with its text.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) text: String,
}

/// An axis with its range.
#[derive(Debug)]
pub(super) struct Scale {
    kind: Kind,
    /// The values at both ends.
    from: f64,
    to: f64,
    /// Where both ends are in the picture.
    start: f64,
    end: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
    Percentile,
}

impl Scale {
    /// The horizontal axis, as wide as the values. None where there are none.
    pub(super) fn horizontal(axis: &Axis, values: &[f64]) -> Option<Self> {
        let (least, most) = ends(values)?;
        let kind = match axis.log {
            true if axis.label.contains(PERCENTILE) => Kind::Percentile,
            true => Kind::Log,
            false => Kind::Linear,
        };
        // A single value stands in the middle.
        let (from, to) = match kind {
            _ if least < most => (least, most),
            Kind::Linear => (least - 1.0, most + 1.0),
            _ => (least / 2.0, most * 2.0),
        };
        Some(Self { kind, from, to, start: LEFT, end: RIGHT })
    }

    /// The vertical axis: from zero to a round number, or from one of 1, 2, 5, 10 and so on to another. None where there are no values.
    pub(super) fn vertical(axis: &Axis, values: &[f64]) -> Option<Self> {
        let (least, most) = ends(values)?;
        let (kind, from, to) = if axis.log {
            (Kind::Log, below(least), at_or_above(most))
        } else {
            let (least, most) = (least.min(0.0), if most > 0.0 { most } else { least.min(0.0) + 1.0 });
            let step = step(most - least);
            (Kind::Linear, (least / step).floor() * step, (most / step).ceil() * step)
        };
        Some(Self { kind, from, to, start: BOTTOM, end: TOP })
    }

    /// Where a value is.
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = match self.kind {
            Kind::Linear => (value - self.from) / (self.to - self.from),
            Kind::Log | Kind::Percentile => (value / self.from).ln() / (self.to / self.from).ln(),
        };
        self.start + part * (self.end - self.start)
    }

    /// Where bars stand.
    pub(super) fn base(&self) -> f64 {
        if self.kind == Kind::Linear { self.place(0.0) } else { self.start }
    }

    /// What to write along the axis, ascending.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let within = |value: f64| {
            let slack = value.abs() * NEAR;
            value >= self.from - slack && value <= self.to + slack
        };
        if self.kind == Kind::Percentile {
            let known = QUANTILES.into_iter().filter(|(value, _)| within(*value));
            return known.map(|(value, text)| Tick { value, text: text.to_owned() }).collect();
        }
        let shown = |values: Vec<f64>| {
            let ticks = values.into_iter().filter(|value| within(*value));
            ticks.map(|value| Tick { value, text: number::short(value) }).collect()
        };
        if self.kind == Kind::Linear {
            return shown(self.steps());
        }
        let bare: Vec<Tick> = shown(self.decades(&[1.0]));
        if bare.len() < DECADES_BARE { shown(self.decades(&[1.0, 2.0, 5.0])) } else { bare }
    }

    fn steps(&self) -> Vec<f64> {
        let step = step(self.to - self.from);
        let first = (self.from / step).ceil();
        let count = ((self.to / step).floor() - first).clamp(0.0, 2.0 * TICKS_MAX) as u32;
        (0..=count).map(|at| (first + f64::from(at)) * step).collect()
    }

    /// Powers of ten, times each of `parts`.
    fn decades(&self, parts: &[f64]) -> Vec<f64> {
        let (first, last) = (self.from.log10().floor() as i32, self.to.log10().ceil() as i32);
        let every = (last - first) / DECADES_MAX + 1;
        let powers = (first..=last).filter(|power| power % every == 0).map(|power| 10_f64.powi(power));
        powers.flat_map(|power| parts.iter().map(move |part| part * power)).collect()
    }
}

fn ends(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    Some((least, most))
}

/// The least round step that gives few enough ticks.
fn step(range: f64) -> f64 {
    let rough = range / (TICKS_MAX - 1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let part = [1.0, 2.0, 2.5, 5.0].into_iter().find(|part| part * power >= rough * (1.0 - NEAR));
    part.unwrap_or(10.0) * power
}

/// The most of 1, 2, 5, 10 and so on that is less: even the least value stands above the axis.
fn below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let part = [5.0, 2.0, 1.0].into_iter().find(|part| part * power < value * (1.0 - NEAR));
    part.unwrap_or(0.5) * power
}

/// The least of 1, 2, 5, 10 and so on that is no less.
fn at_or_above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let part = [1.0, 2.0, 5.0].into_iter().find(|part| part * power >= value * (1.0 - NEAR));
    part.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(label: &str, log: bool) -> Axis {
        Axis { label: label.to_owned(), log }
    }

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn logarithmic_axes_have_ticks_at_decades() {
        let scale = Scale::horizontal(&axis("seats", true), &[100.0, 10_000.0, 100_000.0]).unwrap();
        assert_eq!(texts(&scale), ["100", "1,000", "10k", "100k"]);
        let far = Scale::vertical(&axis("ms", true), &[0.02, 4.0, 700.0]).unwrap();
        assert_eq!(texts(&far), ["0.01", "0.1", "1", "10", "100", "1,000"]);
        assert!((far.place(0.01) - BOTTOM).abs() < 1e-6 && (far.place(1000.0) - TOP).abs() < 1e-6);
        let near = Scale::vertical(&axis("ms", true), &[3.0, 7.0]).unwrap();
        assert_eq!(texts(&near), ["2", "5", "10"]);
        let round = Scale::vertical(&axis("ms", true), &[1.0, 10.0]).unwrap();
        assert!(round.place(1.0) < BOTTOM && (round.place(10.0) - TOP).abs() < 1e-6);
        let long = Scale::vertical(&axis("ms", true), &[1e-6, 1e9]).unwrap();
        assert!(long.ticks().len() <= 8, "{:?}", long.ticks());
    }

    #[test]
    fn percentiles_have_their_names() {
        let scale = Scale::horizontal(&axis("percentile", true), &[1.0, 12.5, 1000.0]).unwrap();
        assert_eq!(texts(&scale), ["p50", "p90", "p99", "p99.9"]);
        let places: Vec<f64> = [1.0, 10.0, 100.0, 1000.0].map(|value| scale.place(value)).into();
        let third = (RIGHT - LEFT) / 3.0;
        for (at, place) in places.iter().enumerate() {
            assert!((place - LEFT - third * at as f64).abs() < 1e-6, "{places:?}");
        }
    }

    #[test]
    fn linear_axes_have_round_ticks_from_zero() {
        let scale = Scale::vertical(&axis("calls/s", false), &[71_000.0, 93_000.0]).unwrap();
        assert_eq!(texts(&scale), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!((scale.base(), scale.place(100_000.0)), (BOTTOM, TOP));
        let small = Scale::vertical(&axis("ms", false), &[0.3]).unwrap();
        assert_eq!(texts(&small), ["0", "0.1", "0.2", "0.3"]);
    }

    #[test]
    fn odd_values_have_an_axis_too() {
        assert!(Scale::vertical(&axis("", false), &[]).is_none());
        for log in [false, true] {
            for values in [&[5.0][..], &[5.0, 5.0]] {
                let scale = Scale::horizontal(&axis("", log), values).unwrap();
                assert!((scale.place(5.0) - f64::midpoint(LEFT, RIGHT)).abs() < 1e-6);
            }
        }
        let nothing = Scale::vertical(&axis("", false), &[0.0, 0.0]).unwrap();
        assert_eq!(nothing.place(0.0), BOTTOM);
        let below = Scale::vertical(&axis("", false), &[-3.0, 4.0]).unwrap();
        assert!(below.base() < BOTTOM && below.base() > TOP);
    }
}
