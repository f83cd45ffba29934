//! Plots as SVG. Colours and type are the page's, by class, so that they follow light and dark.
//! Written by hand: a plotting crate would put fixed colours into each shape.

mod axis;
mod bars;
mod lines;

use maud::{Markup, html};

use axis::Scale;

use super::number;
use crate::bench::outcome::{Kind, Plot};

/// The picture's size, in its own units. On a phone it is shown a little smaller, on a desk a little larger.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 262.0;
/// Where the axes are.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 408.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 218.0;
/// Between an axis and the text at its ticks.
const GAP: f64 = 7.0;
/// From the horizontal axis down to the base of its ticks' text, and of its name.
const TICK_TEXT: f64 = 19.0;
const AXIS_NAME: f64 = 39.0;
/// From the top of the axis up to the base of the vertical axis's name.
const ABOVE: f64 = 12.0;
/// Colours that the page has. Later series take them again, in dashes.
const COLOURS: usize = 6;

/// A plot with its title and legend.
pub(super) fn figure(plot: &Plot) -> Markup {
    let drawn = match plot.kind {
        Kind::Lines => lines::draw(plot),
        Kind::Bars => bars::draw(plot),
    };
    html! {
        figure.plot {
            figcaption { (plot.title) }
            @if plot.series.len() > 1 {
                ul.legend {
                    @for (at, series) in plot.series.iter().enumerate() {
                        li { (swatch(plot.kind, at)) (series.name) }
                    }
                }
            }
            @if let Some(drawn) = drawn {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(plot.title) { (drawn) }
            } @else {
                p.empty { "Nothing was measured." }
            }
        }
    }
}

/// What stands for a series in the legend.
fn swatch(kind: Kind, at: usize) -> Markup {
    html! {
        svg.swatch viewBox="0 0 18 10" aria-hidden="true" {
            @match kind {
                Kind::Lines => line.(line_class(at)) x1="0" y1="5" x2="18" y2="5" {},
                Kind::Bars => rect.(bar_class(at)) x="4" y="0" width="10" height="10" rx="2" {},
            }
        }
    }
}

fn line_class(at: usize) -> String {
    let dashed = if at < COLOURS { "" } else { " dashed" };
    format!("line c{}{dashed}", at % COLOURS)
}

fn bar_class(at: usize) -> String {
    let pale = if at < COLOURS { "" } else { " pale" };
    format!("bar c{}{pale}", at % COLOURS)
}

/// A coordinate: a tenth of a unit is less than a pixel.
fn px(at: f64) -> String {
    format!("{at:.1}")
}

/// The vertical axis with its grid, and the names of both.
fn frame(plot: &Plot, vertical: &Scale) -> Markup {
    html! {
        @for tick in vertical.ticks() {
            @let y = px(vertical.place(tick.value));
            line.grid x1=(px(LEFT)) y1=(y) x2=(px(RIGHT)) y2=(y) {}
            text.tick x=(px(LEFT - GAP)) y=(y) dy="0.32em" text-anchor="end" { (tick.text) }
        }
        text.name x="0" y=(px(TOP - ABOVE)) { (plot.y.label) }
        text.name x=(px(RIGHT)) y=(px(BOTTOM + AXIS_NAME)) text-anchor="end" { (plot.x.label) }
    }
}

/// The horizontal axis itself, over the grid and under what is drawn.
fn ground() -> Markup {
    html! { line.axis x1=(px(LEFT)) y1=(px(BOTTOM)) x2=(px(RIGHT)) y2=(px(BOTTOM)) {} }
}

/// Text at a tick of the horizontal axis. At the ends it is kept within the picture.
fn tick_text(x: f64, text: &str) -> Markup {
    let half = text.chars().count() as f64 * 3.2;
    let x = x.min(WIDTH - half);
    html! { text.tick x=(px(x)) y=(px(BOTTOM + TICK_TEXT)) text-anchor="middle" { (text) } }
}

/// All values of one coordinate that an axis can show.
fn values(plot: &Plot, coordinate: usize) -> Vec<f64> {
    let points = plot.series.iter().flat_map(|series| &series.points);
    points.filter(|point| shows(plot, point)).map(|point| point[coordinate]).collect()
}

/// A logarithmic axis has no place for zero, and no axis one for what is not a number.
fn shows(plot: &Plot, point: &[f64; 2]) -> bool {
    let fits = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
    fits(point[0], plot.x.log) && fits(point[1], plot.y.log)
}

/// What the browser says of a point under the pointer.
fn hint(series: &str, point: &[f64; 2]) -> Markup {
    html! { title { (series) ": " (number::short(point[1])) " at " (number::short(point[0])) } }
}
