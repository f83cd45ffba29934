//! Houses of which every seat is taken, what a refusal costs there, and what a win costs in an empty one.

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use crate::{
    bench::{
        bare::BareProcess,
        contender::Contender,
        house::{House, refused},
        lab::Lab,
        load::{Answer, Slice},
        outcome::Audited,
        reject::{LONG_HOLD, reserve, reserve_many},
        reserver::{Pick, Won},
        rounds::{Rounds, Spread, alternate},
    },
    cli::Server,
    client::Connections,
    error::Error,
    ledger::Record,
};

/// As many as the scenario `reject` has, and the smallest house.
pub(super) const HOT_SEATS: u32 = 100;
/// Seats taken in one call, when a house is filled: the most of one reservation.
const FILL_SEATS: u32 = 50;
const FILLS_AT_ONCE: usize = 32;
/// Wins of one house, one after the other.
const WINS: u32 = 100;

/// An event that is full, and what its customers were told.
pub(super) struct Full {
    /// How many.
    pub(super) seats: u32,
    /// Its id.
    pub(super) event: String,
    /// For its audit.
    pub(super) record: Record,
}

/// An event of which every seat is held.
pub(super) async fn fill(lab: &Lab, seats: u32) -> Result<Full, Error> {
    let house = House { seats, limit: 10_000, hold_ttl: LONG_HOLD };
    let event = lab.create(house, 1).await?.remove(0);
    let mut record = lab.record(&event);
    let (mut fills, mut next) = (JoinSet::new(), 0);
    let ttl_ms = i64::try_from(LONG_HOLD.as_millis()).unwrap_or(i64::MAX);
    loop {
        while next < seats && fills.len() < FILLS_AT_ONCE {
            let these: Vec<_> = (next..seats.min(next + FILL_SEATS)).collect();
            let customer = (next / FILL_SEATS) as usize % lab.customers.len();
            fills.spawn(reserve_many(lab, &event, these, customer));
            next += FILL_SEATS;
        }
        let Some(done) = fills.join_next().await else { break };
        let (customer, answer) = done.map_err(|_| Error::LoadStuck)??;
        let (id, grant) = Won { customer, answer }.into_grant(&lab.customers, ttl_ms);
        record.grants.insert(id, grant);
    }
    Ok(Full { seats, event, record })
}

/// Refusals of all contenders.
pub(super) struct Rejects {
    /// The bare server, then each house with its hot seats alone, then the larger ones with all of theirs.
    rounds: Rounds,
    /// CPU time a call in microseconds, of the server and Redis; in the same order.
    cpu_us: Vec<f64>,
    houses: usize,
    /// Calls that were not refused.
    pub(super) unwanted: u64,
}

impl Rejects {
    /// The bare server's rate through that of a house: what a call costs, in calls of the bare server.
    pub(super) fn cost(&self, house: usize) -> Spread {
        self.rounds.ratio(0, house + 1)
    }

    /// The same where any of a larger house's seats may be wanted.
    pub(super) fn cost_anywhere(&self, house: usize) -> Spread {
        self.rounds.ratio(0, self.houses + house)
    }

    /// CPU time a call in a house, in microseconds.
    pub(super) fn cpu_us(&self, house: usize) -> f64 {
        self.cpu_us[house + 1]
    }
}

/// Refusals in each house, in turn with the bare server.
pub(super) async fn rejects(
    lab: &Lab,
    bare: &BareProcess,
    to_bare: &Connections,
    houses: &[Full],
) -> Result<Rejects, Error> {
    let redis = lab.processes_of(Server::Redis);
    let pick = |house: &Full, seats| Pick::Hot { event: Arc::from(house.event.as_str()), seats };
    let hot = houses.iter().map(|house| pick(house, HOT_SEATS));
    let any = houses.iter().skip(1).map(|house| pick(house, house.seats));
    let wanted: Vec<_> = hot.chain(any).collect();
    let first = wanted.first().ok_or(Error::LoadStuck)?;
    let mut contenders = vec![Contender::new(
        "bare",
        Answer::Refused,
        1,
        to_bare,
        [bare.process().into(), redis.clone()],
        &lab.customers,
        first,
    )];
    for (number, pick) in (2..).zip(&wanted) {
        let processes = [lab.a.process.into(), redis.clone()];
        contenders.push(Contender::new(
            "ours",
            Answer::Refused,
            number,
            &lab.a.connections,
            processes,
            &lab.customers,
            pick,
        ));
    }
    let slice = lab.pick(Slice::of_ms(400, 1_500), Slice::of_ms(100, 300));
    let rounds = alternate(contenders.len(), lab.pick(3, 2), async |number, round| {
        lab.progress.step(format!("growth: refusals, {} houses, round {}", houses.len(), round + 1));
        contenders[number].slice(slice).await
    });
    let rounds = rounds.await?;
    let cpu_us = contenders.iter().map(Contender::system_cpu_us).collect();
    let unwanted = contenders.iter().map(Contender::unwanted).sum();
    Ok(Rejects { rounds, cpu_us, houses: houses.len(), unwanted })
}

/// Wins one seat after the other: microseconds each.
pub(super) async fn wins(lab: &Lab, event: &str, audits: &mut Vec<Audited>) -> Result<Spread, Error> {
    let ttl_ms = i64::try_from(LONG_HOLD.as_millis()).unwrap_or(i64::MAX);
    let (mut record, mut took_us) = (lab.record(event), Vec::new());
    for seat in 0..WINS {
        let begin = Instant::now();
        let answer = reserve(lab, event, seat).await.map_err(refused("Reserve"))?;
        took_us.push(begin.elapsed().as_secs_f64() * 1e6);
        let (id, grant) = Won { customer: 0, answer }.into_grant(&lab.customers, ttl_ms);
        record.grants.insert(id, grant);
    }
    audits.push(lab.audit(event, Some(&record)).await?);
    let all = Spread::of(&took_us);
    // The worst of a hundred says more of the machine than of the house.
    took_us.sort_by(f64::total_cmp);
    let range = [took_us[took_us.len() / 10], took_us[took_us.len() * 9 / 10]];
    Ok(Spread { range, ..all })
}
