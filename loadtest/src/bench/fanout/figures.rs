//! What the slices say.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::{
    outcome::{Axis, Bound, Figure, Kind, Plot, Series},
    rounds::Spread,
};

/// Of write(2), in deliveries per second of CPU.
const RATIO_MIN: f64 = 0.7;
const DELAY_P99_MS_MAX: f64 = 150.0;
const IDLE_KIB_MAX: f64 = 6.0;
/// Points of the curve of delays.
const CURVE: [f64; 9] = [0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999];

/// One side for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// Frames that came to sockets.
    pub(super) deliveries: u64,
    /// What that cost.
    pub(super) cpu: Duration,
    /// How long it took.
    pub(super) wall: Duration,
}

impl Slice {
    fn us_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries.max(1) as f64
    }

    fn rate(&self) -> f64 {
        self.deliveries as f64 / self.wall.as_secs_f64()
    }
}

/// What was measured.
pub(super) struct Measured {
    /// Bytes of an idle socket.
    pub(super) idle: f64,
    /// The gateway and write(2), one after the other.
    pub(super) pairs: Vec<[Slice; 2]>,
    /// From the calls to the frames, in microseconds: Reserve and Confirm.
    pub(super) delays: [Histogram<u64>; 2],
}

/// All of them, in the order in which they are shown.
pub(super) fn figures(measured: &Measured) -> Vec<Figure> {
    let each = |value: &dyn Fn(&[Slice; 2]) -> f64| {
        Spread::of(&measured.pairs.iter().map(value).collect::<Vec<_>>())
    };
    let ratio = each(&|[gateway, write]| write.us_each() / gateway.us_each());
    let [reserve, confirm] = &measured.delays;
    let p99 =
        |name, delays| Figure::single(name, ms(delays, 0.99), "ms").bounded(Bound::AtMost(DELAY_P99_MS_MAX));
    vec![
        Figure::spread("deliveries a CPU-second / write(2)", ratio, "").bounded(Bound::AtLeast(RATIO_MIN)),
        Figure::spread("the gateway's CPU a million", each(&|[gateway, _]| gateway.us_each()), "s"),
        Figure::spread("write(2)'s CPU a million", each(&|[_, write]| write.us_each()), "s"),
        Figure::spread("deliveries", each(&|[gateway, _]| gateway.rate()), "/s"),
        Figure::single("Confirm to frame, p50", ms(confirm, 0.5), "ms"),
        p99("Confirm to frame, p99", confirm),
        Figure::single("Reserve to frame, p50", ms(reserve, 0.5), "ms"),
        p99("Reserve to frame, p99", reserve),
        Figure::single("an idle socket", measured.idle / 1024.0, "KiB").bounded(Bound::AtMost(IDLE_KIB_MAX)),
    ]
}

/// For the report.
pub(super) fn plots(measured: &Measured) -> Vec<Plot> {
    vec![cost(&measured.pairs), delay(&measured.delays)]
}

fn ms(delays: &Histogram<u64>, part: f64) -> f64 {
    if delays.is_empty() { f64::NAN } else { delays.value_at_quantile(part) as f64 / 1_000.0 }
}

fn axis(label: &str, log: bool) -> Axis {
    Axis { label: label.to_owned(), log }
}

fn cost(pairs: &[[Slice; 2]]) -> Plot {
    let series = |name: &str, side: usize| {
        let points = (1..).zip(pairs).map(|(number, pair)| [f64::from(number), pair[side].us_each()]);
        Series { name: name.to_owned(), points: points.collect() }
    };
    Plot {
        title: "CPU of a delivery by round".to_owned(),
        x: axis("round", false),
        y: axis("CPU (us)", false),
        kind: Kind::Bars,
        series: vec![series("gateway", 0), series("write(2)", 1)],
    }
}

fn delay([reserve, confirm]: &[Histogram<u64>; 2]) -> Plot {
    let series = |name: &str, delays: &Histogram<u64>| {
        let points = CURVE.map(|part| [1.0 / (1.0 - part), ms(delays, part)]).to_vec();
        Series { name: name.to_owned(), points }
    };
    Plot {
        title: "From the call to the frame at the socket, by percentile".to_owned(),
        x: axis("percentile", true),
        y: axis("delay (ms)", false),
        kind: Kind::Lines,
        series: vec![series("Reserve", reserve), series("Confirm", confirm)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_takes_twice_the_time_is_half_as_good() {
        let slice =
            |ms| Slice { deliveries: 100_000, cpu: Duration::from_millis(ms), wall: Duration::from_secs(1) };
        let mut delays = Histogram::new(3).unwrap();
        delays.record(140_000).unwrap();
        let measured = Measured {
            idle: 6_144.0,
            pairs: vec![[slice(800), slice(400)]; 3],
            delays: [delays.clone(), delays],
        };
        let figures = figures(&measured);
        let values: Vec<_> = figures.iter().map(|figure| (figure.value * 10.0).round() / 10.0).collect();
        assert_eq!(values, [0.5, 8.0, 4.0, 100_000.0, 140.0, 140.0, 140.0, 140.0, 6.0]);
        let kept: Vec<_> =
            figures.iter().filter_map(|it| it.bound.map(|bound| bound.holds(it.value))).collect();
        assert_eq!(kept, [false, true, true, true]);
    }
}
