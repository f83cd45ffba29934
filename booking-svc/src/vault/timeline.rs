//! Which primary is the latest. One that was paused over a failover believes in itself when it wakes: its commits wait for ever, for its
//! standby has left it, but its reads would be of before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Error, connection::Connection, in_time, pool::Manager};

/// Between two questions to each host: a primary of before may be read for so long after it woke.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long a host may take to answer, a new connection included.
const ASK_WAIT: Duration = Duration::from_millis(500);

/// The latest timeline that a primary has named: each promotion begins one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Latest(Arc<AtomicI64>);

impl Latest {
    /// Takes note of a primary's timeline.
    ///
    /// # Errors
    /// Another primary has a later one.
    pub(super) fn see(&self, timeline: i64) -> Result<(), Error> {
        let latest = self.0.fetch_max(timeline, Ordering::Relaxed);
        if timeline >= latest {
            return Ok(());
        }
        Err(Error::Unavailable(format!(
            "a primary of before a failover: its timeline is {timeline}, another's is {latest}. Fence it; where the database \
             was made anew, restart this program"
        )))
    }

    /// Whether no later one is known.
    pub(super) fn is(&self, timeline: i64) -> bool {
        timeline >= self.0.load(Ordering::Relaxed)
    }

    /// Goes on asking each host: nobody hears of a promotion from connections that hold.
    pub(super) async fn watch(self, hosts: Manager, stop: CancellationToken) {
        let mut connections: Vec<Option<Connection>> = (0..hosts.count()).map(|_| None).collect();
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let asking = connections.iter_mut().enumerate().map(|(host, kept)| ask(&hosts, host, kept));
            // Who does not answer names none, and a primary of before is told by the others.
            for timeline in join_all(asking).await.into_iter().flatten() {
                let _ = self.see(timeline);
            }
        }
    }
}

/// The connection is kept where it answered.
async fn ask(hosts: &Manager, host: usize, kept: &mut Option<Connection>) -> Result<i64, Error> {
    let held = kept.take().filter(|connection| !connection.is_broken());
    let answer = in_time(ASK_WAIT, async {
        let mut connection = match held {
            Some(connection) => connection,
            None => hosts.open_at(host).await?,
        };
        let timeline = connection.read_timeline().await?;
        Ok((connection, timeline))
    });
    let (connection, timeline) = answer.await?;
    *kept = Some(connection);
    Ok(timeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_of_before_is_refused_once_a_later_one_was_seen() {
        let latest = Latest::default();
        latest.see(0).unwrap(); // A standby names none.
        latest.see(3).unwrap();
        assert!(latest.is(3));
        latest.see(4).unwrap();
        assert!(!latest.is(3) && latest.is(4));
        assert!(latest.see(3).unwrap_err().to_string().contains("its timeline is 3, another's is 4"));
    }
}
