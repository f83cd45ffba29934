//! Asks Sentinels who is primary.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bb8_redis::redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisConnectionInfo, pipe};
use tokio::time::timeout;

use super::{
    super::connection::Left,
    rounds::{Rounds, of_most},
    slots::Address,
};
use crate::gate::{Error, url};

/// How long one Sentinel may take for all of its answer, connecting included.
const ANSWER_WAIT: Duration = Duration::from_millis(300);

/// The Sentinels of one primary.
pub(super) struct Sentinels {
    sentinels: Vec<Client>,
    name: String,
    login: RedisConnectionInfo,
    /// What they last agreed on.
    known: Mutex<Option<Primary>>,
    looks: Rounds<Result<(), Error>>,
}

/// A primary, as Sentinels say.
#[derive(Clone)]
struct Primary {
    address: Address,
    /// Counts failovers: of two answers the higher one is the later one.
    epoch: u64,
    client: Client,
    left: Left,
}

impl Sentinels {
    pub(super) fn new(
        sentinels: &[ConnectionInfo],
        name: &str,
        login: &RedisConnectionInfo,
    ) -> Result<Self, Error> {
        let open = |info: &ConnectionInfo| Client::open(info.clone());
        Ok(Self {
            sentinels: sentinels.iter().map(open).collect::<Result<_, _>>()?,
            name: name.to_owned(),
            login: login.clone(),
            known: Mutex::default(),
            looks: Rounds::default(),
        })
    }

    /// Who is primary, by the Sentinels' word of now.
    pub(super) async fn primary(&self) -> Result<(Client, Left), Error> {
        self.look().await?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().map(|primary| (primary.client.clone(), primary.left.clone()));
        known.ok_or_else(|| Error::Unavailable("no Sentinel knows a primary".into()))
    }

    /// Asks them; those who ask meanwhile share the answer.
    pub(super) async fn look(&self) -> Result<(), Error> {
        self.looks.join(self.ask_all()).await
    }

    async fn ask_all(&self) -> Result<(), Error> {
        let ask = |sentinel| timeout(ANSWER_WAIT, self.ask(sentinel));
        let asked = of_most(self.sentinels.iter().map(ask), |answer| matches!(answer, Ok(Some(_)))).await;
        let answers: Vec<_> = asked.into_iter().filter_map(|answer| answer.ok()?).collect();
        let most = 2 * answers.len() > self.sentinels.len();
        let Some((epoch, address)) = answers.into_iter().max_by_key(|(epoch, _)| *epoch) else {
            return Err(Error::Unavailable(format!("no Sentinel names a primary {}", self.name)));
        };
        self.learn(epoch, address, most)
    }

    /// Forwards only: one that was cut off knows an older primary. Unless most of them say so: then they were set up anew.
    fn learn(&self, epoch: u64, address: Address, most: bool) -> Result<(), Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &mut *known {
            if known.address == address {
                known.epoch = known.epoch.max(epoch);
                return Ok(());
            }
            if epoch < known.epoch && !most {
                return Ok(());
            }
            tracing::warn!(from = ?known.address, to = ?address, "Sentinel names another primary");
            known.left.leave();
        }
        let info = url::node(&address.0, address.1, &self.login)
            .ok_or_else(|| Error::Unavailable(format!("Sentinel names no address: {address:?}")))?;
        *known = Some(Primary { address, epoch, client: Client::open(info)?, left: Left::default() });
        Ok(())
    }

    /// The primary by one Sentinel, and how many failovers it knows of.
    async fn ask(&self, sentinel: &Client) -> Option<(u64, Address)> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_WAIT));
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&config).await.ok()?;
        let mut questions = pipe();
        // The first already tells of a failover whose replicas still have to follow; the second knows its number.
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        questions.cmd("SENTINEL").arg("MASTER").arg(&self.name);
        match questions.query_async::<(Address, HashMap<String, String>)>(&mut connection).await {
            Ok((address, master)) => Some((master.get("config-epoch")?.parse().ok()?, address)),
            Err(error) => {
                tracing::debug!(%error, "a Sentinel does not say who is primary");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_answer_counts_only_when_most_give_it() {
        let login = RedisConnectionInfo::default();
        let sentinels = Sentinels::new(&[], "tickets", &login).unwrap();
        let known = || sentinels.known.lock().unwrap().as_ref().unwrap().address.1;
        for (epoch, port, most, expected) in
            [(3, 1, true, 1), (4, 2, false, 2), (3, 1, false, 2), (4, 2, true, 2), (0, 1, true, 1)]
        {
            sentinels.learn(epoch, ("h".into(), port), most).unwrap();
            assert_eq!(known(), expected, "epoch {epoch} says {port}");
        }
    }
}
