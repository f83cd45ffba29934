//! Points that are joined.

use std::fmt::Write;

use maud::{Markup, html};

use super::{BOTTOM, Scale, frame, ground, hint, line_class, px, shows, tick_text, values};
use crate::bench::outcome::{Plot, Series};

/// A line with more points than this has no dots: they would touch.
const DOTS_MAX: usize = 16;
/// How long the ticks below the axis are.
const TICK: f64 = 4.0;

/// None where no point can be shown.
pub(super) fn draw(plot: &Plot) -> Option<Markup> {
    let horizontal = Scale::horizontal(&plot.x, &values(plot, 0))?;
    let vertical = Scale::vertical(&plot.y, &values(plot, 1))?;
    Some(html! {
        (frame(plot, &vertical))
        @for tick in horizontal.ticks() {
            @let x = horizontal.place(tick.value);
            line.axis x1=(px(x)) y1=(px(BOTTOM)) x2=(px(x)) y2=(px(BOTTOM + TICK)) {}
            (tick_text(x, &tick.text))
        }
        (ground())
        @for (at, series) in plot.series.iter().enumerate() {
            @let points = places(plot, series, &horizontal, &vertical);
            path.(line_class(at)) d=(path(&points)) {}
            @if points.len() <= DOTS_MAX {
                @for (x, y, point) in &points {
                    circle.(format!("dot {}", line_class(at))) cx=(px(*x)) cy=(px(*y)) r="3" {
                        (hint(&series.name, point))
                    }
                }
            }
        }
    })
}

/// Where each point is that can be shown.
fn places(plot: &Plot, series: &Series, horizontal: &Scale, vertical: &Scale) -> Vec<(f64, f64, [f64; 2])> {
    let shown = series.points.iter().filter(|point| shows(plot, point));
    shown.map(|point| (horizontal.place(point[0]), vertical.place(point[1]), *point)).collect()
}

/// Points that fall on the one before are left out: a histogram has thousands.
fn path(points: &[(f64, f64, [f64; 2])]) -> String {
    let mut path = String::new();
    let mut last = (String::new(), String::new());
    for (x, y, _) in points {
        let here = (px(*x), px(*y));
        if here != last {
            let command = if path.is_empty() { 'M' } else { 'L' };
            // Writing to a string does not fail.
            let _ = write!(path, "{command}{} {}", here.0, here.1);
            last = here;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_the_same_place_are_drawn_once() {
        let points = [(1.0, 2.0), (1.01, 2.01), (3.0, 4.0)].map(|(x, y)| (x, y, [x, y]));
        assert_eq!(path(&points), "M1.0 2.0L3.0 4.0");
    }
}
