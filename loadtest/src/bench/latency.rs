//! How long customers wait at ten thousand calls a second, of which one in a hundred can succeed. An open loop.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use ticketengine::v1::{ReserveRequest, booking_service_client::BookingServiceClient};
use tonic::transport::Channel;

use super::{
    bare::BareProcess,
    house::House,
    lab::{CONNECTIONS, Lab},
    load::{Answer, IN_FLIGHT_MAX, Open, Opened, open},
    outcome::{Axis, Bound, Figure, Kind, Outcome, Plot, Series},
    reject::{LONG_HOLD, reserve, take},
    reserver::{Customer, Dispenser, Sample, Won, answer_of},
};
use crate::{client::Connections, error::Error};

/// Calls a second.
const RATE: u32 = 10_000;
/// One call in so many asks for a free seat; the others for taken ones.
const FREE_EVERY: u64 = 100;
const HOT_SEATS: u32 = 100;
const P95_MS_MAX: f64 = 3.0;
const P99_MS_MAX: f64 = 8.0;
/// One refusal in so many is read in full.
const SAMPLE_EVERY: u64 = 64;
/// Points of the curve, as quantiles.
const CURVE: [f64; 12] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999];

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    lab.progress.step("latency: making a house");
    let load = lab.pick(load(20, 3), load(5, 1));
    let free = u32::try_from(u64::from(RATE) * load.length.as_secs() / FREE_EVERY).unwrap_or(0) + 1;
    let house = House { seats: HOT_SEATS + free, limit: 1_000, hold_ttl: LONG_HOLD };
    let event = lab.create(house, 1).await?.remove(0);
    let mut record = take(lab, &event, 0..HOT_SEATS).await?;

    let bare = BareProcess::start(&reserve(lab, &event, 0).await).await?;
    let to_bare = bare.connect(CONNECTIONS).await?;
    lab.progress.step("latency: the bare server");
    let short = Open { length: load.length / 2, ..load };
    let ceiling = Crowd::new(lab, &event, &to_bare, free).run(short).await?;
    lab.progress.step("latency: ours");
    let crowd = Crowd::new(lab, &event, &lab.a.connections, free);
    let seen = crowd.run(load).await?;

    let ttl_ms = i64::try_from(LONG_HOLD.as_millis()).unwrap_or(i64::MAX);
    let won = std::mem::take(&mut *crowd.won.lock().unwrap_or_else(PoisonError::into_inner));
    record.grants.extend(won.into_iter().map(|won| won.into_grant(&lab.customers, ttl_ms)));
    lab.progress.step("latency: audit");
    let audits = vec![lab.audit(&event, Some(&record)).await?];
    lab.forget(&[event]).await?;
    let sample = crowd.sample.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Outcome {
        scenario: "latency",
        about: format!(
            "Reserve, open loop at {RATE} calls a second on {CONNECTIONS} connections, 1 in {FREE_EVERY} for a free \
             seat; each latency counts from when the call should have begun"
        ),
        figures: figures(&seen, &ceiling, &sample),
        plots: vec![curve(&seen, &ceiling), over_time(&seen)],
        audits,
        notes: notes(&seen, &sample),
    })
}

const fn load(seconds: u64, warm_up: u64) -> Open {
    let (length, warm_up) = (Duration::from_secs(seconds), Duration::from_secs(warm_up));
    Open { rate: RATE, length, warm_up, lanes: CONNECTIONS as usize }
}

fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1_000.0
}

fn figures(seen: &Opened, ceiling: &Opened, sample: &Sample) -> Vec<Figure> {
    let at = |quantile| ms(&seen.latency, quantile);
    let answered = seen.counts.granted + seen.counts.refused;
    vec![
        Figure::single("p95", at(0.95), "ms").bounded(Bound::AtMost(P95_MS_MAX)),
        Figure::single("p99", at(0.99), "ms").bounded(Bound::AtMost(P99_MS_MAX)),
        Figure::single("p50", at(0.5), "ms"),
        Figure::single("p99.9", at(0.999), "ms"),
        Figure::single("worst", seen.latency.max() as f64 / 1_000.0, "ms"),
        Figure::single("p99 of those granted", ms(&seen.granted, 0.99), "ms"),
        Figure::single("answered", answered as f64 / seen.took.as_secs_f64(), "calls/s"),
        Figure::single("begun late", seen.overdue as f64, "calls"),
        Figure::single("without an answer", seen.lost as f64, "calls").bounded(Bound::AtMost(0.0)),
        Figure::single("failed", seen.counts.failures() as f64, "calls").bounded(Bound::AtMost(0.0)),
        Figure::single("refused by level 0", sample.board_share() * 100.0, "%"),
        Figure::single("bare server: p50", ms(&ceiling.latency, 0.5), "ms"),
        Figure::single("bare server: p99", ms(&ceiling.latency, 0.99), "ms"),
    ]
}

fn notes(seen: &Opened, sample: &Sample) -> Vec<String> {
    let complaint = seen.counts.complaint().map(|complaint| format!("Calls failed: {complaint}."));
    let other =
        sample.other.as_ref().map(|other| format!("Refused for another reason than a taken seat: {other}."));
    let bound =
        format!("At most {IN_FLIGHT_MAX} calls are in flight; those that wait for a place are begun late.");
    complaint.into_iter().chain(other).chain([bound]).collect()
}

fn axis(label: &str, log: bool) -> Axis {
    Axis { label: label.to_owned(), log }
}

fn curve(seen: &Opened, ceiling: &Opened) -> Plot {
    let line = |name: &str, latency: &Histogram<u64>| Series {
        name: name.to_owned(),
        points: CURVE.map(|quantile| [1.0 / (1.0 - quantile), ms(latency, quantile)]).into(),
    };
    Plot {
        title: format!("Latency by percentile at {RATE} calls/s"),
        x: axis("percentile", true),
        y: axis("latency (ms)", true),
        kind: Kind::Lines,
        series: vec![
            line("all calls", &seen.latency),
            line("granted", &seen.granted),
            line("bare server", &ceiling.latency),
        ],
    }
}

fn over_time(seen: &Opened) -> Plot {
    let line = |name: &str, quantile| {
        let windows = seen.windows.iter().enumerate().filter(|(_, window)| !window.is_empty());
        let points = windows
            .map(|(number, window)| [Opened::window_begin(number).as_secs_f64(), ms(window, quantile)]);
        Series { name: name.to_owned(), points: points.collect() }
    };
    Plot {
        title: "Latency over time".into(),
        x: axis("time (s)", false),
        y: axis("latency (ms)", true),
        kind: Kind::Lines,
        series: vec![line("p50", 0.5), line("p95", 0.95), line("p99", 0.99), line("worst", 1.0)],
    }
}

/// The callers, who share everything.
struct Crowd {
    event: Arc<str>,
    clients: Vec<BookingServiceClient<Channel>>,
    customers: Arc<[Customer]>,
    free: Arc<Dispenser>,
    names: AtomicU64,
    /// One call in a hundred wins: a lock is cheap enough.
    won: Mutex<Vec<Won>>,
    sample: Mutex<Sample>,
}

impl Crowd {
    fn new(lab: &Lab, event: &str, connections: &Connections, free: u32) -> Arc<Self> {
        Arc::new(Self {
            event: event.into(),
            clients: (0..connections.count()).map(|number| connections.booking(number)).collect(),
            customers: Arc::clone(&lab.customers),
            free: Dispenser::new(&[event.to_owned()], HOT_SEATS..HOT_SEATS + free),
            names: AtomicU64::new(fastrand::u64(..u64::MAX / 2)),
            won: Mutex::default(),
            sample: Mutex::default(),
        })
    }

    async fn run(self: &Arc<Self>, load: Open) -> Result<Opened, Error> {
        let crowd = Arc::clone(self);
        open(load, move |number, lane| {
            let crowd = Arc::clone(&crowd);
            async move { crowd.call(number, lane).await }
        })
        .await
    }

    async fn call(&self, number: u64, lane: usize) -> Answer {
        let wants_free = number.is_multiple_of(FREE_EVERY);
        let free = if wants_free { self.free.next() } else { None };
        let seat = free.map_or_else(|| fastrand::u32(0..HOT_SEATS), |(_, seat)| seat);
        let message = ReserveRequest {
            event_id: (*self.event).into(),
            seat_ids: vec![seat],
            request_id: format!("{:x}", self.names.fetch_add(1, Ordering::Relaxed)),
            customer_id: String::new(),
        };
        let customer = fastrand::usize(0..self.customers.len());
        let request = self.customers[customer].token.request_without_deadline(message);
        match self.clients[lane].clone().reserve(request).await {
            Ok(answer) => {
                let won = Won { customer, answer: answer.into_inner() };
                self.won.lock().unwrap_or_else(PoisonError::into_inner).push(won);
                Answer::Granted
            }
            Err(status) => {
                let answer = answer_of(&status);
                if number % SAMPLE_EVERY == 1 && answer == Answer::Refused {
                    self.sample.lock().unwrap_or_else(PoisonError::into_inner).read(status);
                }
                answer
            }
        }
    }
}
