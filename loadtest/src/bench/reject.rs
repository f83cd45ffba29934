//! Many customers want a hundred hot seats that are all taken: what a flash sale mostly is.

use std::{sync::Arc, time::Duration};

use ticketengine::v1::{ReserveRequest, ReserveResponse};
use tonic::Status;

use super::{
    bare::BareProcess,
    contender::{Contender, rounds_plot, slice, unwanted_figure},
    house::{House, refused},
    lab::{CONNECTIONS, Lab, Target},
    load::Answer,
    outcome::{Bound, Figure, Outcome},
    reserver::{Pick, Won},
    rounds::alternate,
};
use crate::{cli::Server, error::Error, ledger::Record, process::Process};

/// The least share of the bare server's rate.
const RATIO_MIN: f64 = 0.75;
const HOT_SEATS: u32 = 100;
/// Longer than the whole run: the seats stay taken.
pub(crate) const LONG_HOLD: Duration = Duration::from_secs(3_000);

/// See the file.
pub(crate) async fn run(lab: &Lab) -> Result<Outcome, Error> {
    lab.progress.step("reject: making a full house");
    let house = House { seats: HOT_SEATS, limit: HOT_SEATS, hold_ttl: LONG_HOLD };
    let event = lab.create(house, 1).await?.remove(0);
    let record = take(lab, &event, 0..HOT_SEATS).await?;
    let refusal = one_more(lab, &event).await;
    let bare = BareProcess::start(&refusal).await?;

    let pick = Pick::Hot { event: Arc::from(event.as_str()), seats: HOT_SEATS };
    let redis = lab.processes_of(Server::Redis);
    let new = |name, number, connections, server: Option<Process>| {
        let processes = [server.into(), redis.clone()];
        Contender::new(name, Answer::Refused, number, connections, processes, &lab.customers, &pick)
    };
    let to_bare = bare.connect(CONNECTIONS).await?;
    let mut contenders = vec![new("bare", 1, &to_bare, bare.process())];
    contenders.push(new("level 0 on", 2, &lab.a.connections, lab.a.process));
    if let Some(b) = &lab.b {
        contenders.push(new("level 0 off", 3, &b.connections, b.process));
    }
    let rounds = alternate(contenders.len(), lab.pick(5, 2), async |number, round| {
        let contender = &mut contenders[number];
        lab.progress.step(format!("reject: round {}, {}", round + 1, contender.name));
        contender.slice(slice(lab.options.quick)).await
    });
    let rounds = rounds.await?;

    let mut figures =
        vec![Figure::spread("rejects / bare", rounds.ratio(1, 0), "").bounded(Bound::AtLeast(RATIO_MIN))];
    if contenders.len() > 2 {
        figures.push(Figure::spread("rejects / bare, level 0 off", rounds.ratio(2, 0), ""));
    }
    for (number, contender) in contenders.iter().enumerate() {
        figures.push(Figure::spread(contender.name, rounds.of(number), "calls/s"));
    }
    figures.push(unwanted_figure(contenders.iter().map(Contender::unwanted)));
    figures.push(Figure::single("refused by level 0", contenders[1].sample().board_share() * 100.0, "%"));
    figures.extend(contenders.iter().flat_map(Contender::cpu_figures));
    let names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
    let mut notes: Vec<_> = contenders.iter().flat_map(Contender::notes).collect();
    let granted: u64 = contenders.iter().map(|contender| contender.counts.granted).sum();
    if granted > 0 {
        notes.push(format!("{granted} calls were granted a seat that was taken."));
    }
    lab.progress.step("reject: audit");
    let audits = vec![lab.audit(&event, Some(&record)).await?];
    lab.forget(&[event]).await?;
    Ok(Outcome {
        scenario: "reject",
        about: format!(
            "Reserve of {HOT_SEATS} seats that are all held, by {} customers, closed loop on {CONNECTIONS} \
             connections; against a bare tonic server that gives the same answer",
            lab.customers.len()
        ),
        figures,
        plots: vec![rounds_plot("Rejects by round", "calls/s", &names, &rounds)],
        audits,
        notes,
    })
}

/// One customer takes seats of an event, one by one: who comes after it is refused.
pub(crate) async fn take(lab: &Lab, event: &str, seats: std::ops::Range<u32>) -> Result<Record, Error> {
    let ttl_ms = i64::try_from(LONG_HOLD.as_millis()).unwrap_or(i64::MAX);
    let mut record = lab.record(event);
    for seat in seats {
        let answer = reserve(lab, event, seat).await.map_err(refused("Reserve"))?;
        let (id, grant) = Won { customer: 0, answer }.into_grant(&lab.customers, ttl_ms);
        record.grants.insert(id, grant);
    }
    Ok(record)
}

/// What the service answers to one who comes too late.
async fn one_more(lab: &Lab, event: &str) -> Result<ReserveResponse, Status> {
    reserve(lab, event, 0).await
}

/// One Reserve of the first customer.
pub(crate) async fn reserve(lab: &Lab, event: &str, seat: u32) -> Result<ReserveResponse, Status> {
    reserve_seats(lab, &lab.a, event, vec![seat], 0).await
}

/// The same where nothing is refused without asking the gate: at the replica without level 0, where there is one.
pub(crate) async fn reserve_at_gate(lab: &Lab, event: &str, seat: u32) -> Result<ReserveResponse, Status> {
    reserve_seats(lab, lab.b.as_ref().unwrap_or(&lab.a), event, vec![seat], 0).await
}

/// Seats for one customer, as a task of its own: the customer and the answer.
pub(crate) fn reserve_many(
    lab: &Lab,
    event: &str,
    seats: Vec<u32>,
    customer: usize,
) -> impl Future<Output = Result<(usize, ReserveResponse), Error>> + Send + use<> {
    let call = reserve_seats(lab, &lab.a, event, seats, customer);
    async move { Ok((customer, call.await.map_err(refused("Reserve"))?)) }
}

fn reserve_seats(
    lab: &Lab,
    target: &Target,
    event: &str,
    seats: Vec<u32>,
    customer: usize,
) -> impl Future<Output = Result<ReserveResponse, Status>> + Send + use<> {
    let message = ReserveRequest {
        event_id: event.to_owned(),
        seat_ids: seats,
        request_id: format!("{:016x}", fastrand::u64(..)),
        customer_id: String::new(),
    };
    let request = lab.customers[customer].token.request_without_deadline(message);
    let mut client = target.connections.booking(customer);
    async move { Ok(client.reserve(request).await?.into_inner()) }
}
