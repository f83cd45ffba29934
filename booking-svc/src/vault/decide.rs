//! One question to the vault: a batch of decisions in one transaction, one round trip.

use std::time::Duration;

use bb8_postgres::tokio_postgres::{Row, types::ToSql};

use super::{Error, connection::Connection, in_time, rows, sql};
use crate::domain::{Decision, Epoch, Outcome, Verdict};

/// The vault's word on one decision of a batch.
pub(super) enum Answer {
    /// It is decided, or refused for a reason of its own.
    Settled(Result<Outcome, Error>),
    /// Another transaction has locked one of its seats; nothing was written.
    Busy,
}

/// Why a batch has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There was no connection: nothing was sent.
    #[error("not sent: {0}")]
    NotSent(Error),
    /// It may have happened or not: ask again.
    #[error("unknown: {0}")]
    Unknown(Error),
}

/// What to do about seats that another transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Locked {
    Wait,
    Skip,
}

/// Asks once. A connection that does not answer within `patience` is given up, never cancelled: a COMMIT that waits for
/// a synchronous replica would be acknowledged by a cancel.
pub(super) async fn ask(
    connection: &mut Connection,
    patience: Duration,
    decisions: &[&Decision],
    locked: Locked,
) -> Result<Vec<Answer>, Failure> {
    let columns = Columns::of(decisions);
    let wait = locked == Locked::Wait;
    let params: [&(dyn ToSql + Sync); 9] = [
        &columns.reservations,
        &columns.events,
        &columns.customers,
        &columns.requests,
        &columns.epochs,
        &columns.seats,
        &columns.payments,
        &columns.reasons,
        &wait,
    ];
    let answer =
        in_time(patience, connection.query(&sql::DECIDE, &params)).await.map_err(Failure::Unknown)?;
    if answer.len() != decisions.len() {
        let text = format!("{} answers to {} decisions", answer.len(), decisions.len());
        return Err(Failure::Unknown(Error::Corrupt(text)));
    }
    Ok(decisions.iter().zip(&answer).map(|(decision, row)| read(decision, row)).collect())
}

/// An epoch as the vault counts; one that it can not count to is never its own.
pub(super) fn number(epoch: Epoch) -> i64 {
    i64::try_from(epoch.0).unwrap_or(-1)
}

/// A batch as the arrays of `vault_decide`.
#[derive(Default)]
struct Columns<'a> {
    reservations: Vec<String>,
    events: Vec<&'a str>,
    customers: Vec<&'a str>,
    requests: Vec<&'a str>,
    epochs: Vec<i64>,
    seats: Vec<String>,
    payments: Vec<Option<&'a str>>,
    reasons: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(decisions: &[&'a Decision]) -> Self {
        let mut columns = Self::default();
        for decision in decisions {
            let (payment, reason) = match &decision.verdict {
                Verdict::Book(payment) => (Some(payment.as_str()), None),
                Verdict::Void(reason) => (None, Some(rows::reason(*reason))),
            };
            columns.reservations.push(decision.reservation.to_string());
            columns.events.push(decision.reservation.event.as_str());
            columns.customers.push(decision.customer.as_str());
            columns.requests.push(decision.request.as_str());
            columns.epochs.push(number(decision.epoch));
            columns.seats.push(format!("{{{}}}", decision.seats));
            columns.payments.push(payment);
            columns.reasons.push(reason);
        }
        columns
    }
}

fn read(decision: &Decision, row: &Row) -> Answer {
    Answer::Settled(match rows::get(row, "status") {
        Ok("decided") => outcome(decision, row),
        Ok("busy") => return Answer::Busy,
        Ok("epoch_stale") => match rows::epoch(row, "vault_epoch") {
            Ok(vault) => Err(Error::EpochStale { vault }),
            Err(error) => Err(error),
        },
        Ok("event_not_found") => Err(Error::EventNotFound(decision.reservation.event.clone())),
        Ok(status) => Err(Error::Corrupt(format!("status {status:?}"))),
        Err(error) => Err(error),
    })
}

fn outcome(decision: &Decision, row: &Row) -> Result<Outcome, Error> {
    let is_same = rows::get::<&str>(row, "customer_id")? == decision.customer.as_str()
        && rows::get::<&str>(row, "request_id")? == decision.request.as_str()
        && rows::seat_set(row)? == decision.seats;
    if is_same { rows::outcome(row) } else { Err(Error::Mismatch(decision.reservation.clone())) }
}
