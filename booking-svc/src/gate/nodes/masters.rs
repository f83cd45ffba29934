//! The nodes of Redlock: independent servers, each of which carries some events and votes about all.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bb8_redis::redis::{Client, ConnectionInfo, pipe};
use futures_util::future::join_all;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use telemetry::stores::PoolWaits;

use super::{
    super::connection::{Connection, Left, Mode},
    address,
    node::{Node, Room, Shard, Source},
};
use crate::{
    domain::{Epoch, EventId},
    gate::{
        Error, Options, keys,
        redlock::{Clock, first, majority},
    },
};

/// Between two looks at the nodes: so old may be what is known of who carries an event.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a node may take for a look.
const ANSWER_WAIT: Duration = Duration::from_millis(400);
/// How long a node may take to say how it is set up.
const CHECK_WAIT: Duration = Duration::from_secs(1);
/// A node that has not answered for so long, several looks in a row, carries nothing any more.
const SILENT_AFTER: Duration = Duration::from_millis(1_500);
/// Events that are asked for in one look; the next one asks for the next.
const EVENTS_PER_LOOK: usize = 500;

/// All nodes, by their names: so each replica has them in the same order.
pub(in crate::gate) struct Masters {
    prefix: Arc<str>,
    all: Vec<Master>,
    /// Of the events that somebody has asked for here.
    carriers: Mutex<HashMap<EventId, Carrier>>,
    /// How many events looks have asked for.
    looked: AtomicUsize,
    moves: watch::Sender<u64>,
}

/// A node.
pub(in crate::gate) struct Master {
    pub(in crate::gate) node: Arc<Node>,
    pub(in crate::gate) clock: Clock,
    /// When it did not answer to a look, and to none since.
    silent_since: Mutex<Option<Instant>>,
}

/// Who carries an event, as far as is known.
#[derive(Clone, Copy)]
struct Carrier {
    node: usize,
    /// Since which epoch; 0 where nobody said so.
    epoch: Epoch,
}

impl Master {
    /// Host and port, as the URL has them.
    pub(in crate::gate) fn name(&self) -> &str {
        self.node.shard().name()
    }

    /// Whether it has not answered for a while.
    pub(in crate::gate) fn is_silent(&self) -> bool {
        self.silent_since().is_some_and(|since| since.elapsed() > SILENT_AFTER)
    }

    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Masters {
    /// Finds them. Fails when less than a majority can be reached, or one is not as it has to be.
    pub(super) async fn connect(
        infos: &[ConnectionInfo],
        options: &Options,
        room: &Room,
        waits: &PoolWaits,
    ) -> Result<Self, Error> {
        let mut all = Vec::new();
        for info in infos {
            let (host, port) =
                address(info).ok_or_else(|| Error::Misconfigured("a node needs a host".into()))?;
            let client = Client::open(info.clone())?;
            let source = Source::Fixed { client, mode: Mode::Alone, left: Left::default() };
            let shard = Shard::named(&format!("{host}:{port}"));
            let node = Arc::new(Node::new(shard, source, room, waits.clone(), options.wait));
            all.push(Master { node, clock: Clock::default(), silent_since: Mutex::default() });
        }
        all.sort_by(|a, b| a.name().cmp(b.name()));
        let prefix = options.prefix.as_str().into();
        let masters = Self {
            prefix,
            all,
            carriers: Mutex::default(),
            looked: AtomicUsize::new(0),
            moves: watch::Sender::new(0),
        };
        super::first(|| masters.look()).await?;
        masters.check(options).await?;
        Ok(masters)
    }

    /// Each node has to keep what it is given, and to be a server of its own. One that does not answer now may come later.
    async fn check(&self, options: &Options) -> Result<(), Error> {
        let opened: Vec<_> = self.all.iter().map(|master| timeout(CHECK_WAIT, master.node.check())).collect();
        let mut names = HashMap::new();
        for (master, checked) in self.all.iter().zip(join_all(opened).await) {
            match checked.unwrap_or_else(|_| Err(Error::Unavailable("it does not answer in time".into()))) {
                Ok((care, incarnation)) => {
                    super::warn(care, options);
                    if let Some(other) = names.insert(incarnation, master.name()) {
                        let name = master.name();
                        let why =
                            format!("{other} and {name} are the same server; each vote needs one of its own");
                        return Err(Error::Misconfigured(why));
                    }
                }
                Err(error @ Error::Misconfigured(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(node = master.name(), %error, "a node of Redlock does not answer");
                }
            }
        }
        Ok(())
    }

    pub(in crate::gate) fn all(&self) -> &[Master] {
        &self.all
    }

    pub(in crate::gate) fn named(&self, name: &str) -> Option<&Master> {
        self.all.iter().find(|master| master.name() == name)
    }

    /// Which node carries the event, as far as is known.
    pub(in crate::gate) fn carrier(&self, event: &EventId) -> usize {
        self.carriers().get(event).map_or_else(|| first(event, self.all.len()), |known| known.node)
    }

    /// The same for who is about to ask it: from now on looks ask for the event, too.
    pub(super) fn followed(&self, event: &EventId) -> usize {
        let mut carriers = self.carriers();
        if let Some(known) = carriers.get(event) {
            return known.node;
        }
        let node = first(event, self.all.len());
        carriers.insert(event.clone(), Carrier { node, epoch: Epoch(0) });
        node
    }

    /// Somebody has said who carries the event. The latest epoch is right.
    pub(in crate::gate) fn learn(&self, event: &EventId, epoch: Epoch, name: &str) {
        let Some(node) = self.all.iter().position(|master| master.name() == name) else {
            tracing::error!(%event, name, "TE_REDIS_URL of another replica names a node that ours does not");
            return;
        };
        let before = self.carrier(event);
        let mut carriers = self.carriers();
        if carriers.get(event).is_some_and(|known| known.epoch >= epoch) {
            return;
        }
        carriers.insert(event.clone(), Carrier { node, epoch });
        drop(carriers);
        if node != before {
            tracing::info!(%event, %epoch, carrier = name, "another node carries the event");
            self.moves.send_modify(|moves| *moves += 1);
        }
    }

    /// Rises whenever an event goes to another node.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    /// Whether the event's carrier is gone for now, and others could take over.
    pub(in crate::gate) fn is_to_be_replaced(&self, event: &EventId) -> bool {
        let answer = self.all.iter().filter(|master| !master.is_silent()).count();
        self.all[self.carrier(event)].is_silent() && answer >= majority(self.all.len())
    }

    /// Asks all nodes who carries what, and for their clocks. Fails where less than a majority answers.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let (began, events) = (Instant::now(), self.next_events());
        let looks = self.all.iter().map(|master| self.look_at(master, &events));
        let (mut answers, mut why) = (0, Error::Unavailable("no node answers".into()));
        for (master, answer) in self.all.iter().zip(join_all(looks).await) {
            let mut silent_since = master.silent_since();
            match answer {
                Ok(()) => {
                    answers += 1;
                    *silent_since = None;
                }
                Err(error) => {
                    silent_since.get_or_insert(began);
                    why = error;
                }
            }
        }
        if answers >= majority(self.all.len()) { Ok(()) } else { Err(why) }
    }

    /// Some of the events, in turn: however many there are, a look costs a node little.
    fn next_events(&self) -> Vec<EventId> {
        let carriers = self.carriers();
        let count = carriers.len().min(EVENTS_PER_LOOK);
        let before = self.looked.fetch_add(count, Ordering::Relaxed) % carriers.len().max(1);
        carriers.keys().cycle().skip(before).take(count).cloned().collect()
    }

    /// A node that tells its time is there, also where it is slow to tell who carries what.
    async fn look_at(&self, master: &Master, events: &[EventId]) -> Result<(), Error> {
        let slow = || Error::Unavailable("it does not answer in time".into());
        let time = timeout(ANSWER_WAIT, self.time_of(master)).await;
        let connection = time.unwrap_or_else(|_| Err(slow()))?;
        let told = timeout(ANSWER_WAIT, self.carriers_by(&connection, events)).await;
        if let Err(error) = told.unwrap_or_else(|_| Err(slow())) {
            tracing::debug!(node = master.name(), %error, "a node does not say who carries what");
        }
        Ok(())
    }

    async fn time_of(&self, master: &Master) -> Result<Connection, Error> {
        let connection = master.node.get().await?;
        let asked = Instant::now();
        let mut ask = pipe();
        // TIME is answered while an AOF is loaded, PING is not.
        ask.cmd("PING").cmd("TIME");
        let (_, (seconds, micros)): (String, (i64, i64)) = connection.pipeline(&ask).await?;
        master.clock.read(asked, seconds * 1000 + micros / 1000);
        Ok(connection)
    }

    async fn carriers_by(&self, connection: &Connection, events: &[EventId]) -> Result<(), Error> {
        let mut ask = pipe();
        for event in events {
            let [vote, _] = keys::votes(&self.prefix, event);
            ask.cmd("HMGET").arg(vote).arg(&["epoch", "carrier"]);
        }
        let votes: Vec<(Option<u64>, Option<String>)> = connection.pipeline(&ask).await?;
        for (event, vote) in events.iter().zip(votes) {
            if let (Some(epoch), Some(carrier)) = vote {
                self.learn(event, Epoch(epoch), &carrier);
            }
        }
        Ok(())
    }

    fn carriers(&self) -> MutexGuard<'_, HashMap<EventId, Carrier>> {
        self.carriers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
