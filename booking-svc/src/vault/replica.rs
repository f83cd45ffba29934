//! A read replica of PostgreSQL: lists and houses are read there, if it is not too far behind. Nobody decides by what it says, and
//! a session on it can not write.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bb8_postgres::{
    bb8::ManageConnection,
    tokio_postgres::{Row, types::PgLsn},
};
use opentelemetry::metrics::Meter;
use telemetry::stores::Operations;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Options, Pooler,
    connection::Params,
    first, in_time,
    pool::{self, Access, Manager, Pool},
    rows,
    sql::{self, Statement},
};
use crate::tasks::Tasks;

/// An answer has all that was committed so long before the call; else the primary is asked.
const AGE_MAX: Duration = Duration::from_secs(5);
/// Between two marks: how far the primary is.
const MARK_EVERY: Duration = Duration::from_millis(500);
/// Marks that are kept: those younger than [`AGE_MAX`].
const MARKS_MAX: usize = 16;
/// How long a list waits for the replica, a connection included.
pub(super) const LIST_WAIT: Duration = Duration::from_millis(200);
/// The same for the seats of a house: 100,000 take a second or two.
pub(super) const HOUSE_WAIT: Duration = Duration::from_secs(2);
/// A replica that failed or is behind is left alone for so long.
const REST: Duration = Duration::from_secs(1);

const _: () = assert!(MARK_EVERY.as_millis() * MARKS_MAX as u128 > AGE_MAX.as_millis());

/// Where lists may be read. Cheap to clone.
#[derive(Clone)]
pub(super) struct Replica {
    pool: Pool,
    operations: Operations,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How far the primary was, oldest first.
    marks: VecDeque<Mark>,
    /// Not asked before.
    rests_until: Option<Instant>,
}

struct Mark {
    at: Instant,
    position: Position,
}

/// How much of which database a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    cluster: i64,
    database: String,
    wal: PgLsn,
}

impl Replica {
    /// The one that the settings name. It may be down. One that is up and has another database is refused.
    pub(super) async fn open(
        options: &Options,
        primary: &Pool,
        operations: &Operations,
        daemons: &Tasks,
        meter: &Meter,
    ) -> Result<Option<Self>, Error> {
        let Some(url) = &options.read_url else { return Ok(None) };
        let named = |error| match error {
            Error::Url(text) => Error::ReadUrl(text),
            other => other,
        };
        let manager = Manager::new(options, url, Access::Read, HOUSE_WAIT).map_err(named)?;
        match check(options, url, &manager, primary).await {
            Err(error @ (Error::ReadUrl(_) | Error::Pooler(_))) => return Err(error),
            Err(error) => tracing::warn!(%error, "the read replica does not answer; the primary is asked"),
            Ok(()) => {}
        }
        let size = options.asking();
        let pool = Pool::new(manager.later(size, LIST_WAIT), size, meter, "postgresql-read");
        let replica = Self { pool, operations: operations.clone(), state: Arc::default() };
        let marking = replica.clone().mark(primary.clone(), options.query_timeout, daemons.stopping());
        daemons.spawn("vault marks", marking);
        Ok(Some(replica))
    }

    /// What the replica says. None: ask the primary.
    pub(super) async fn ask(
        &self,
        patience: Duration,
        statement: &'static Statement,
        params: &Params<'_>,
    ) -> Option<Vec<Row>> {
        if !self.state().may_be_asked() {
            return None;
        }
        let wanted = Instant::now().checked_sub(AGE_MAX)?;
        let work = in_time(patience, async {
            let mut connection = self.pool.get().await?;
            // In this order: what the second reads is not older than what the first says.
            let (position, rows) = connection.query_both(&sql::POSITION, statement, params).await?;
            self.state().compare(wanted, &position_of(position)?)?;
            Ok(rows)
        });
        match self.operations.time("read", work).await {
            Ok(rows) => Some(rows),
            Err(error) => {
                tracing::warn!(%error, "the read replica is no use for now; the primary is asked");
                self.state().rests_until = Some(Instant::now() + REST);
                None
            }
        }
    }

    /// Goes on asking the primary how far it is.
    async fn mark(self, primary: Pool, patience: Duration, stop: CancellationToken) {
        let mut ticks = interval(MARK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // Before it is asked: all that was committed by then is in its answer.
            let at = Instant::now();
            // Without an answer the last marks grow old, and then the replica is not asked.
            if let Ok(position) = in_time(patience, position(&primary)).await {
                self.state().add(Mark { at, position });
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Not while it rests, and not before the first mark.
    fn may_be_asked(&self) -> bool {
        !self.marks.is_empty() && self.rests_until.is_none_or(|until| Instant::now() >= until)
    }

    fn add(&mut self, mark: Mark) {
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// Whether a server that is so far has all that was committed at `wanted`.
    fn compare(&self, wanted: Instant, replica: &Position) -> Result<(), Error> {
        let mark = self.marks.iter().find(|mark| mark.at >= wanted);
        let primary = &mark.ok_or_else(|| Error::Unavailable("the primary does not answer".into()))?.position;
        if !primary.is_same(replica) {
            return Err(Error::ReadUrl(OTHER.into()));
        }
        if replica.wal < primary.wal {
            return Err(Error::Unavailable(format!("it is more than {AGE_MAX:?} behind")));
        }
        Ok(())
    }
}

const OTHER: &str = "it leads to another database than TE_DATABASE_URL";

impl Position {
    fn is_same(&self, other: &Self) -> bool {
        (self.cluster, &self.database) == (other.cluster, &other.database)
    }
}

async fn check(options: &Options, url: &str, manager: &Manager, primary: &Pool) -> Result<(), Error> {
    let mut connection = manager.connect().await?;
    let replica = position_of(connection.query(&sql::POSITION, &[]).await?)?;
    if !position(primary).await?.is_same(&replica) {
        return Err(Error::ReadUrl(OTHER.into()));
    }
    if options.pooler == Pooler::None && pool::lends(options, url, Access::Read).await? {
        return Err(Error::Pooler("set TE_DATABASE_POOLER=transaction"));
    }
    Ok(())
}

async fn position(server: &Pool) -> Result<Position, Error> {
    position_of(server.get().await?.query(&sql::POSITION, &[]).await?)
}

fn position_of(answer: Vec<Row>) -> Result<Position, Error> {
    let row = first(answer).ok_or_else(|| Error::Corrupt("no position".into()))?;
    Ok(Position {
        cluster: rows::get(&row, "cluster")?,
        database: rows::get(&row, "database")?,
        wal: rows::get(&row, "wal")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wal: u64) -> Position {
        Position { cluster: 1, database: "te".into(), wal: wal.into() }
    }

    #[test]
    fn a_replica_has_to_be_as_far_as_the_primary_was_at_the_moment_that_counts() {
        let (mut state, now) = (State::default(), Instant::now());
        assert!(matches!(state.compare(now, &at(9)), Err(Error::Unavailable(_))), "nothing is known");
        for n in 0..40 {
            state.add(Mark { at: now + MARK_EVERY * n, position: at(n.into()) });
        }
        assert_eq!(state.marks.len(), MARKS_MAX);
        let wanted = now + MARK_EVERY * 30;
        assert_eq!(state.compare(wanted, &at(30)), Ok(()));
        assert!(matches!(state.compare(wanted, &at(29)), Err(Error::Unavailable(_))), "it is behind");
        assert!(matches!(state.compare(now + MARK_EVERY * 40, &at(99)), Err(Error::Unavailable(_))));
        let other = Position { database: "other".into(), ..at(99) };
        assert!(matches!(state.compare(wanted, &other), Err(Error::ReadUrl(_))));
    }
}
