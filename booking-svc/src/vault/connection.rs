//! One connection: how statements are run on it, and whether it may go back to its pool.

use std::{collections::HashMap, time::Duration};

use bb8_postgres::tokio_postgres::{
    self, Client, IsolationLevel, Row, Statement as Prepared,
    types::{ToSql, Type},
};
use futures_util::join;

use super::{
    Error, Pooler,
    pool::Access,
    rows,
    sql::{self, Statement},
};

pub(super) type Params<'a> = [&'a (dyn ToSql + Sync)];

/// A connection to the server, or to a pooler in front of it.
pub(super) struct Connection {
    client: Client,
    session: Session,
    /// False while a statement is under way, and for ever after one that failed or whose caller went away.
    idle: bool,
    /// That of its server, where it was asked for.
    timeline: Option<i64>,
}

/// Whose the server's session is.
enum Session {
    /// Ours as long as the connection lasts: it was set up once, and keeps what was prepared.
    Own(HashMap<&'static str, Prepared>),
    /// A pooler lends one for each transaction: whatever stays in it meets others, and is not there next time.
    Lent {
        /// Begins a transaction with all that [`Session::Own`] is told once.
        start: String,
        idle_ms: u128,
    },
}

/// A transaction. Where it is not committed, its connection is thrown away.
pub(super) struct Transaction<'a> {
    open: tokio_postgres::Transaction<'a>,
    idle: &'a mut bool,
}

impl Connection {
    /// Sets a new connection up, so that the server gives up each statement after `limit_ms`.
    pub(super) async fn new(
        client: Client,
        pooler: Pooler,
        access: Access,
        limit_ms: u128,
    ) -> Result<Self, Error> {
        let session = match pooler {
            Pooler::None => {
                client.batch_execute(&sql::setup(access, limit_ms)).await?;
                Session::Own(HashMap::new())
            }
            Pooler::Transaction => {
                let start = format!("{}; {}", sql::start(access), sql::setup_local(limit_ms, limit_ms));
                Session::Lent { start, idle_ms: limit_ms }
            }
        };
        Ok(Self { client, session, idle: true, timeline: None })
    }

    /// Whether it can not be used any more.
    pub(super) fn is_broken(&self) -> bool {
        !self.idle || self.client.is_closed()
    }

    /// Runs one statement in a transaction of its own, in one round trip but for its first use on the connection.
    pub(super) async fn query(
        &mut self,
        statement: &'static Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Error> {
        self.idle = false;
        let rows = match &mut self.session {
            Session::Own(prepared) => {
                let prepared = prepare(&self.client, prepared, statement).await?;
                self.client.query(&prepared, params).await?
            }
            Session::Lent { start, .. } => whole(&self.client, start, statement, params).await?,
        };
        self.idle = true;
        Ok(rows)
    }

    /// Runs one statement without parameters, and then another one on the same server, in one round trip.
    pub(super) async fn query_both(
        &mut self,
        before: &'static Statement,
        statement: &'static Statement,
        params: &Params<'_>,
    ) -> Result<(Vec<Row>, Vec<Row>), Error> {
        self.idle = false;
        let client = &self.client;
        let (before, rows) = match &mut self.session {
            Session::Own(prepared) => {
                let before = prepare(client, prepared, before).await?;
                let prepared = prepare(client, prepared, statement).await?;
                join!(client.query(&before, &[]), client.query(&prepared, params))
            }
            Session::Lent { start, .. } => {
                let params = typed(statement, params);
                let (begun, before, rows, ended) = join!(
                    client.batch_execute(start),
                    client.query_typed(before.text, &[]),
                    client.query_typed(statement.text, &params),
                    client.batch_execute(sql::COMMIT),
                );
                begun.map_err(Error::not_begun)?;
                ended?;
                (before, rows)
            }
        };
        let answers = (before?, rows?);
        self.idle = true;
        Ok(answers)
    }

    /// Asks for the timeline of the server, which is 0 while it is a standby.
    pub(super) async fn read_timeline(&mut self) -> Result<i64, Error> {
        let answer = self.query(&sql::TIMELINE, &[]).await?;
        let row = answer.first().ok_or_else(|| Error::Corrupt("no answer about the timeline".into()))?;
        let timeline = rows::get(row, "timeline")?;
        self.timeline = Some(timeline);
        Ok(timeline)
    }

    /// The timeline, where it was asked for.
    pub(super) fn timeline(&self) -> Option<i64> {
        self.timeline
    }

    /// The settings with which the server may lose what it has acknowledged; empty where there is none.
    pub(super) async fn unsafe_settings(&mut self) -> Result<String, Error> {
        let answer = self.query(&sql::UNSAFE_SETTINGS, &[]).await?;
        let row = answer.first().ok_or_else(|| Error::Corrupt("no answer about durability".into()))?;
        rows::get(row, "found")
    }

    /// Begins a transaction whose statements may take `patience` each.
    pub(super) async fn begin(
        &mut self,
        isolation: IsolationLevel,
        patience: Duration,
    ) -> Result<Transaction<'_>, Error> {
        self.idle = false;
        let setup = match &self.session {
            Session::Own(_) => sql::statement_timeout_local(patience.as_millis()),
            Session::Lent { idle_ms, .. } => sql::setup_local(patience.as_millis(), *idle_ms),
        };
        let open = self.client.build_transaction().isolation_level(isolation).read_only(false).start();
        let open = open.await.map_err(Error::not_begun)?;
        open.batch_execute(&setup).await?;
        Ok(Transaction { open, idle: &mut self.idle })
    }
}

impl Transaction<'_> {
    /// Runs one of its statements.
    pub(super) async fn query(
        &self,
        statement: &'static Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Error> {
        Ok(self.open.query_typed(statement.text, &typed(statement, params)).await?)
    }

    /// Ends it; its connection is free again.
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.open.commit().await?;
        *self.idle = true;
        Ok(())
    }
}

async fn prepare(
    client: &Client,
    prepared: &mut HashMap<&'static str, Prepared>,
    statement: &'static Statement,
) -> Result<Prepared, Error> {
    if let Some(found) = prepared.get(statement.text) {
        return Ok(found.clone());
    }
    let made = client.prepare_typed(statement.text, statement.types).await?;
    prepared.insert(statement.text, made.clone());
    Ok(made)
}

/// A whole transaction of one statement. All of it is sent before the first answer is waited for: that is one round trip, and
/// a caller that goes away leaves no transaction open.
async fn whole(
    client: &Client,
    start: &str,
    statement: &'static Statement,
    params: &Params<'_>,
) -> Result<Vec<Row>, Error> {
    let params = typed(statement, params);
    // Each sends when it is polled first, and they are polled in this order.
    let (begun, rows, ended) = join!(
        client.batch_execute(start),
        client.query_typed(statement.text, &params),
        client.batch_execute(sql::COMMIT),
    );
    // Where it did not begin, what follows ran outside of it: on a standby, say, which must not answer.
    begun.map_err(Error::not_begun)?;
    let rows = rows?;
    ended?;
    Ok(rows)
}

fn typed<'a>(statement: &Statement, params: &Params<'a>) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().copied().zip(statement.types.iter().cloned()).collect()
}
