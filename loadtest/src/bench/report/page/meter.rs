//! A small bar that shows how far a value is from its bound.

use maud::{Markup, html};

use crate::bench::{
    outcome::Bound,
    report::{number, verdict::Verdict},
};

/// The picture's size, in its own units.
const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 14.0;
/// The bar's thickness.
const THICK: f64 = 6.0;
/// Where the bound is marked, in parts of the width: there is room to be better and to be worse.
const MARK: f64 = 2.0 / 3.0;

/// How far a value is from its bound: the mark is the bound, the whole width one and a half of it.
pub(super) fn meter(value: f64, bound: Bound, verdict: Verdict) -> Markup {
    let class = match verdict {
        Verdict::Ok => "ok",
        Verdict::Missed => "missed",
    };
    let top = (HEIGHT - THICK) / 2.0;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
            rect.track x="0" y=(top) width=(WIDTH) height=(THICK) rx="3" {}
            rect.(class) x="0" y=(top) width=(format_args!("{:.1}", filled(value, number::limit(bound)))) height=(THICK) rx="3" {}
            line.mark x1=(WIDTH * MARK) y1="0" x2=(WIDTH * MARK) y2=(HEIGHT) {}
        }
    }
}

/// How wide the bar is.
fn filled(value: f64, limit: f64) -> f64 {
    let part = value / limit * MARK;
    if part.is_finite() { part.clamp(0.0, 1.0) * WIDTH } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_stays_in_the_picture() {
        let widths = [(0.75, 0.75), (9.0, 0.75), (-1.0, 0.75), (f64::NAN, 0.75), (1.0, 0.0)]
            .map(|(value, limit)| filled(value, limit));
        assert_eq!(widths, [80.0, 120.0, 0.0, 0.0, 0.0]);
    }
}
