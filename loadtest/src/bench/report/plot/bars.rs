//! A bar at each point. Points stand side by side in their order, whatever lies between them.

use maud::{Markup, html};

use super::{BOTTOM, LEFT, RIGHT, Scale, bar_class, frame, ground, hint, px, shows, tick_text, values};
use crate::bench::{
    outcome::{Plot, Series},
    report::number,
};

/// The part of a place that its bars fill.
const FILLED: f64 = 0.8;
/// A bar is never wider.
const BAR_MAX: f64 = 44.0;
/// A bar that is wide enough for the text says how high it is: the width of a letter.
const LETTER: f64 = 6.8;
/// Between a bar and its text.
const ABOVE: f64 = 5.0;
/// Texts below the axis at the most.
const TEXTS_MAX: usize = 10;

/// None where no point can be shown.
pub(super) fn draw(plot: &Plot) -> Option<Markup> {
    let vertical = Scale::vertical(&plot.y, &values(plot, 1))?;
    let mut stands = values(plot, 0);
    stands.sort_by(f64::total_cmp);
    stands.dedup();
    let place = (RIGHT - LEFT) / stands.len() as f64;
    let width = (place * FILLED / plot.series.len() as f64).min(BAR_MAX);
    let middle = |at: usize| LEFT + place * (at as f64 + 0.5);
    let every = stands.len().div_ceil(TEXTS_MAX);
    Some(html! {
        (frame(plot, &vertical))
        @for (at, stand) in stands.iter().enumerate().step_by(every) {
            (tick_text(middle(at), &number::short(*stand)))
        }
        @for (of, series) in plot.series.iter().enumerate() {
            @let from = (of as f64 - plot.series.len() as f64 / 2.0) * width;
            @for point in series.points.iter().filter(|point| shows(plot, point)) {
                @if let Ok(at) = stands.binary_search_by(|stand| stand.total_cmp(&point[0])) {
                    (bar(&vertical, series, of, (middle(at) + from, width), point))
                }
            }
        }
        (ground())
    })
}

fn bar(vertical: &Scale, series: &Series, of: usize, (x, width): (f64, f64), point: &[f64; 2]) -> Markup {
    let (base, end) = (vertical.base(), vertical.place(point[1]));
    let (top, height) = (base.min(end).min(BOTTOM), (base - end).abs());
    // A hair of ground between neighbours.
    let gap = if width > 6.0 { 1.0 } else { 0.0 };
    let text = number::short(point[1]);
    html! {
        rect.(bar_class(of)) x=(px(x + gap)) y=(px(top)) width=(px(width - 2.0 * gap)) height=(px(height)) {
            (hint(&series.name, point))
        }
        @if width >= LETTER * text.chars().count() as f64 {
            text.value x=(px(x + width / 2.0)) y=(px(top - ABOVE)) text-anchor="middle" { (text) }
        }
    }
}
