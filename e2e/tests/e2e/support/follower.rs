//! A client that stays: it comes back after every fault, as the client module of the page does.

use std::time::Duration;

use rand::Rng;
use testkit::frame::Frame;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    socket::{Opening, Socket},
    view::{Tally, View},
};

/// The pause before each attempt is random and below this: full jitter.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// For the first frame, which says how long the others may take.
const HELLO_LIMIT: Duration = Duration::from_secs(20);
/// A silence of so many heartbeats.
const SILENCE_HEARTBEATS: f64 = 2.5;

/// A section and its first seat.
pub(crate) type Watched = (&'static str, u32);

/// What a follower has by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) packed: Vec<u8>,
    pub(crate) tally: Tally,
}

/// Follows an event until it is dropped.
pub(crate) struct Follower {
    pub(crate) name: String,
    /// Without one it watches the whole house.
    pub(crate) section: Option<Watched>,
    seen: watch::Receiver<Seen>,
    _task: JoinSet<()>,
}

impl Follower {
    /// Follows through the first of the gateways that answers, in their order.
    pub(crate) fn start(
        name: String,
        gateways: Vec<String>,
        event: &'static str,
        protocol: &'static str,
        section: Option<Watched>,
    ) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        let mut task = JoinSet::new();
        task.spawn(follow(sender, gateways, event, protocol, section));
        Self { name, section, seen, _task: task }
    }

    /// What it has by now.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

async fn follow(
    seen: watch::Sender<Seen>,
    gateways: Vec<String>,
    event: &str,
    protocol: &str,
    section: Option<Watched>,
) {
    let mut view = View::from_seat(section.map_or(0, |(_, first_seat)| first_seat));
    for gateway in gateways.iter().cycle() {
        let opening = Opening {
            event,
            protocols: &[protocol],
            known: view.position(),
            section: section.map(|(name, _)| name),
            ..Opening::default()
        };
        if let Ok(mut socket) = Socket::open(gateway, &opening).await {
            view.tally.connections += 1;
            read(&mut socket, &mut view, &seen).await;
        }
        let pause = rand::rng().random_range(Duration::ZERO..PAUSE_MAX);
        sleep(pause).await;
    }
}

/// Reads until the socket ends, is silent for too long, or something was lost.
async fn read(socket: &mut Socket, view: &mut View, seen: &watch::Sender<Seen>) {
    let mut silence_max = HELLO_LIMIT;
    while let Ok(Ok(frame)) = timeout(silence_max, socket.next()).await {
        if let Frame::Hello { heartbeat, .. } = &frame {
            silence_max = heartbeat.mul_f64(SILENCE_HEARTBEATS);
        }
        let taken = view.take(&frame);
        seen.send_modify(|seen| {
            seen.tally = view.tally;
            seen.packed.clear();
            seen.packed.extend_from_slice(view.packed());
        });
        if taken.is_err() {
            return;
        }
    }
}
