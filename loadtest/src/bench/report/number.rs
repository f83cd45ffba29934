//! Numbers for people.

use crate::bench::outcome::{Bound, Figure};

/// Digits that count in a figure with a unit.
const DIGITS: i32 = 3;
/// How many more places are shown of a value that would else look like the bound that it misses.
const MORE_PLACES_MAX: i32 = 3;
/// Smaller parts than this place shows are nothing.
const PLACES_MAX: i32 = 4;
/// Whole numbers up to here are shown as they are.
const EXACT_MAX: f64 = 1e6;
/// What stands for a number that there is none of.
const NONE: &str = "–";

/// The value of a figure with its unit.
pub(super) fn measured(figure: &Figure) -> String {
    let bound = figure.bound.map(limit);
    let mut places = places(figure.value, figure.unit);
    let most = places + MORE_PLACES_MAX;
    while places < most && bound.is_some_and(|bound| looks_like(figure.value, places, bound)) {
        places += 1;
    }
    with_unit(fixed(figure.value, places), figure.unit)
}

/// The number in a bound.
pub(super) fn limit(bound: Bound) -> f64 {
    let (Bound::AtLeast(limit) | Bound::AtMost(limit)) = bound;
    limit
}

/// The least and the most of a figure.
pub(super) fn spread(figure: &Figure) -> String {
    let one = |value| fixed(value, places(value, figure.unit));
    figure.spread.map_or_else(String::new, |[least, most]| format!("{} – {}", one(least), one(most)))
}

/// What a figure has to be.
pub(super) fn bound(figure: &Figure) -> String {
    let (sign, bound) = match figure.bound {
        Some(Bound::AtLeast(least)) => ('≥', least),
        Some(Bound::AtMost(most)) => ('≤', most),
        None => return String::new(),
    };
    with_unit(format!("{sign} {}", exact(bound)), figure.unit)
}

/// At a tick of an axis, or at a bar: short.
pub(super) fn short(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let rounded = rounded(scaled, places(scaled, "unit").max(0));
    format!("{}{suffix}", exact(rounded))
}

/// A number with its thousands apart and no rounding.
fn exact(value: f64) -> String {
    if value.is_finite() { grouped(&value.to_string()) } else { NONE.to_owned() }
}

/// How many places are shown after the point; less than none rounds to tens, hundreds and so on.
fn places(value: f64, unit: &str) -> i32 {
    let size = value.abs();
    // A ratio.
    if unit.is_empty() {
        return if size < 10.0 { 2 } else { i32::from(size < 100.0) };
    }
    if size == 0.0 || size.fract() == 0.0 && size < EXACT_MAX {
        return 0;
    }
    (DIGITS - 1 - size.log10().floor() as i32).min(PLACES_MAX)
}

fn rounded(value: f64, places: i32) -> f64 {
    // Dividing by a whole number is exact where multiplying by a fraction is not.
    if places >= 0 {
        let scale = 10_f64.powi(places);
        (value * scale).round() / scale
    } else {
        let scale = 10_f64.powi(-places);
        (value / scale).round() * scale
    }
}

fn looks_like(value: f64, places: i32, bound: f64) -> bool {
    value != bound && rounded(value, places) == bound
}

fn fixed(value: f64, places: i32) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let shown = usize::try_from(places).unwrap_or(0);
    grouped(&format!("{:.shown$}", rounded(value, places)))
}

fn with_unit(number: String, unit: &str) -> String {
    match unit {
        "" => number,
        unit if unit.starts_with(['/', '%']) => number + unit,
        unit => number + " " + unit,
    }
}

/// A comma after each three digits of the whole part.
fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, unit: &'static str, bound: Option<Bound>) -> Figure {
        Figure { name: String::new(), value, unit, spread: Some([value * 0.9, value * 1.1]), bound }
    }

    #[test]
    fn numbers_are_for_people() {
        let cases = [
            (92_113.4, "/s", "92,100/s"),
            (92_113.4, "calls/s", "92,100 calls/s"),
            (2.314_9, "ms", "2.31 ms"),
            (0.783, "", "0.78"),
            (1.0, "", "1.00"),
            (12.34, "", "12.3"),
            (10_000.0, "sockets", "10,000 sockets"),
            (1_234_567.0, "deliveries/s", "1,230,000 deliveries/s"),
            (144.6, "MiB", "145 MiB"),
            (0.000_4, "ms", "0.0004 ms"),
            (0.0, "ms", "0 ms"),
            (99.96, "%", "100.0%"),
            (f64::NAN, "ms", "– ms"),
        ];
        for (value, unit, text) in cases {
            assert_eq!(measured(&figure(value, unit, None)), text);
        }
    }

    #[test]
    fn a_value_does_not_look_like_the_bound_that_it_misses() {
        assert_eq!(measured(&figure(0.748, "", Some(Bound::AtLeast(0.75)))), "0.748");
        assert_eq!(measured(&figure(0.749_96, "", Some(Bound::AtLeast(0.75)))), "0.74996");
        assert_eq!(measured(&figure(0.75, "", Some(Bound::AtLeast(0.75)))), "0.75");
        assert_eq!(measured(&figure(3.001, "ms", Some(Bound::AtMost(3.0)))), "3.001 ms");
        assert_eq!(measured(&figure(49_990.5, "/s", Some(Bound::AtLeast(50_000.0)))), "49,990/s");
    }

    #[test]
    fn bounds_and_spreads_are_short() {
        let ratio = figure(0.8, "", Some(Bound::AtLeast(1.5)));
        assert_eq!((bound(&ratio).as_str(), spread(&ratio).as_str()), ("≥ 1.5", "0.72 – 0.88"));
        let delay = figure(100.0, "ms", Some(Bound::AtMost(150.0)));
        assert_eq!((bound(&delay).as_str(), spread(&delay).as_str()), ("≤ 150 ms", "90 – 110"));
        assert_eq!(bound(&figure(1.0, "ms", None)), "");
    }

    #[test]
    fn ticks_are_short() {
        let texts = [0.1, 0.25, 1.0, 1_000.0, 10_000.0, 92_113.0, 100_000.0, 2.5e6, 0.0].map(short);
        assert_eq!(texts, ["0.1", "0.25", "1", "1,000", "10k", "92.1k", "100k", "2.5M", "0"]);
    }
}
