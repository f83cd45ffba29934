//! Independent Redis servers, of which a majority has to agree.

use futures_util::future::join_all;

use super::{PASSWORD, Redis};
use crate::{
    STORE_LIMIT,
    clock::{Clock, Clocks},
    wait_until,
};

/// One of them.
pub struct Master {
    /// Its server.
    pub redis: Redis,
    /// Its clock.
    pub clock: Clock,
}

/// All of them. No one knows of the others.
pub struct Masters {
    /// In the order in which the service has them.
    pub nodes: Vec<Master>,
    _clocks: Clocks,
}

impl Masters {
    /// Starts so many.
    pub async fn start(count: usize) -> Self {
        let clocks = Clocks::compile();
        let started = (0..count).map(|_| async {
            let (place, clock) = clocks.place();
            Master { redis: Redis::start_in(place).await, clock }
        });
        let mut nodes = join_all(started).await;
        nodes.sort_by_key(|node| node.redis.port().address().to_string());
        Self { nodes, _clocks: clocks }
    }

    /// Their URL for the service.
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.redis.port().address().to_string()).collect();
        format!("redlock://ticketengine:{PASSWORD}@{}", nodes.join(","))
    }

    /// Who carries the event, by the latest of what those who answer have promised to.
    pub async fn carrier_of(&self, prefix: &str, event: &str) -> Option<usize> {
        let vote = format!("{prefix}:{{{event}}}:vote");
        let mut latest: Option<(u64, String)> = None;
        for node in &self.nodes {
            let asked = node.redis.ask(&["HMGET", &vote, "epoch", "carrier"]).await;
            if let Ok((Some(epoch), Some(carrier))) = asked {
                latest = latest.max(Some((epoch, carrier)));
            }
        }
        let (_, carrier) = latest?;
        self.nodes.iter().position(|node| node.redis.port().address().to_string() == carrier)
    }

    /// Waits until somebody carries the event whose gate is open, and who is not `before`.
    pub async fn wait_for_carrier(&self, prefix: &str, event: &str, before: Option<usize>) -> usize {
        let mut carrier = None;
        wait_until("another node carries the event", STORE_LIMIT, async || {
            carrier = self.carrier_of(prefix, event).await.filter(|carrier| Some(*carrier) != before);
            let Some(node) = carrier else { return false };
            let meta = format!("{prefix}:{{{event}}}:meta");
            let asked = self.nodes[node].redis.ask(&["HMGET", &meta, "epoch", "frozen"]).await;
            matches!(asked, Ok((Some::<u64>(_), None::<u64>)))
        })
        .await;
        carrier.unwrap()
    }
}
