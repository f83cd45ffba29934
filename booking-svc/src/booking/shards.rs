//! What looks after a shard of the gate: boards, sweeper, reconciler. Each shard has its own, so that one that does not answer
//! holds up no other.

use std::{collections::HashMap, sync::Arc};

use opentelemetry::metrics::Meter;
use tokio_util::sync::CancellationToken;

use super::{Engine, healing::Listed, metrics::Swept};
use crate::gate::Shard;

impl Engine {
    /// Starts the loops of each shard that comes, and ends those of each that goes.
    pub(super) fn start_shards(&self, meter: &Meter) {
        let swept = self.0.options.sweep_every.map(|_| Swept::start(meter)).unwrap_or_default();
        let engine = self.clone();
        self.0.daemons.spawn("shards", async move {
            let (mut shards, mut running) = (engine.0.gate.shards(), HashMap::new());
            let follow = async {
                loop {
                    engine.keep_running(&shards.now(), &mut running, &swept);
                    shards.changed().await;
                }
            };
            engine.0.daemons.stopping().run_until_cancelled(follow).await;
        });
    }

    fn keep_running(&self, shards: &[Shard], running: &mut HashMap<Shard, CancellationToken>, swept: &Swept) {
        running.retain(|shard, gone| {
            let stays = shards.contains(shard);
            if !stays {
                gone.cancel();
                swept.forget(shard);
                self.0.metrics.forget_shard(shard);
            }
            stays
        });
        for shard in shards {
            running.entry(shard.clone()).or_insert_with(|| self.start_shard(shard, swept));
        }
        // Events may have gone from one shard to another.
        self.0.boards.look_again();
    }

    fn start_shard(&self, shard: &Shard, swept: &Swept) -> CancellationToken {
        let gone = self.0.daemons.stopping().child_token();
        let (feed, over) = (self.clone().feed_boards(shard.clone()), gone.clone());
        self.0.daemons.spawn("boards", async move { over.run_until_cancelled(feed).await });
        self.start_sweeper(shard, swept, &gone);
        self.start_reconciler(shard, &gone);
        gone
    }

    /// The events of a shard.
    pub(super) fn events_of(&self, shard: &Shard) -> Arc<[Listed]> {
        let all = self.0.events.now();
        if !self.0.gate.is_sharded() {
            return all;
        }
        all.iter().filter(|event| self.0.gate.serves(shard, &event.id)).cloned().collect()
    }
}
