//! One WebSocket, from its upgrade to its end: one small task, no queue, and no timer while all is well.

mod access;
#[cfg(test)]
mod booking_stub;
mod calls;
mod close;
mod command;
pub(crate) mod commander;
#[cfg(feature = "conformance")]
pub(crate) mod echo;
mod fields;
mod flood;
#[cfg(fuzzing)]
pub mod fuzzing;
mod line;
mod meter;
mod own;
#[cfg(test)]
mod protocol_tests;
mod refusal;
mod reply;
mod shared;
pub mod socket;
mod work;

use std::{future::pending, future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use seat_board::Position;
use serde::Serialize;
use telemetry::{Throttle, Tracer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{
    http::admission::Place,
    metrics::Metrics,
    rooms::{Bell, Encoding, Watcher, frames},
    upstream::Targets,
};
use close::{End, leave_after};
use commander::Commander;
use flood::Flood;
use line::{Event, Line};
use meter::Metered;
use shared::Shared;
use socket::Socket;

/// What the peer is given to take the goodbye and the close frame, and to close its side.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What all sessions share.
#[derive(Clone)]
pub struct Settings {
    /// Between two heartbeats, for the client to know (`TE_HEARTBEAT`).
    pub heartbeat: Duration,
    /// A peer that has not taken a byte for this long is let go (`TE_STALL_MAX`).
    pub stall_max: Duration,
    /// Within this all sessions end after draining began (`TE_DRAIN`).
    pub drain: Duration,
    /// Where frames and ends are counted.
    pub metrics: Metrics,
    /// Where commands are traced, and where outages are logged.
    pub reports: Reports,
}

/// What is told of commands beside metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// Begins their traces.
    pub tracer: Tracer,
    /// Of commands that were not served.
    pub outages: Arc<Throttle>,
}

/// What a session starts with.
pub struct Ticket {
    /// The place in the room of the event.
    pub watcher: Watcher,
    /// By subprotocol.
    pub encoding: Encoding,
    /// What the client has: epoch and version of its query.
    pub known: Option<Position>,
    /// Where commands go.
    pub targets: Targets,
    /// The place among all connections; free again when the session ends.
    pub place: Place,
    /// Shared by all sessions.
    pub settings: Arc<Settings>,
    /// What came behind the request for the upgrade.
    pub read_ahead: Bytes,
}

/// The first frame of every socket.
#[derive(Serialize)]
#[serde(tag = "type", rename = "hello")]
struct Hello<'a> {
    event_id: &'a str,
    heartbeat_ms: u128,
}

/// Serves the socket until it ends.
///
/// Thousands of these futures wait at a time, so what is needed only at the start and at the end is boxed: else each
/// would keep room for it.
pub fn run<S>(stream: S, ticket: Ticket) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = Box::pin(open(stream, ticket));
    async move {
        let (mut session, place) = opening.await;
        let end = session.serve().await;
        session.settings.metrics.closed(end.close_code(), end == End::SlowReader);
        if let Some(socket) = session.leave() {
            Box::pin(finish(socket, end)).await;
        }
        drop(place);
    }
}

async fn open<S>(stream: S, ticket: Ticket) -> (Session<Metered<S>>, Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ticket { watcher, encoding, known, targets, place, settings, read_ahead } = ticket;
    let event_id = watcher.event_id();
    let hello = Hello { event_id: &event_id, heartbeat_ms: settings.heartbeat.as_millis() };
    // A name and a number: this can not fail.
    let hello = frames::text(&serde_json::to_string(&hello).unwrap_or_default());
    settings.metrics.told("hello", hello.len());
    let socket = Socket::new(Metered::new(stream), read_ahead).await;
    let (mut bell, reader) = watcher.read(encoding, known);
    let line = Shared::new(Line::new(socket, reader, hello, settings.stall_max));
    bell.attach(line.clone());
    let flood = Flood::new();
    let session = Session { bell, line, event_id, targets, settings, commander: None, flood };
    (session, place)
}

struct Session<S> {
    bell: Bell,
    line: Arc<Shared<S>>,
    event_id: Arc<str>,
    targets: Targets,
    settings: Arc<Settings>,
    /// Made with the first command: who only watches pays a pointer for it.
    commander: Option<Box<Commander>>,
    flood: Flood,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn serve(&mut self) -> End {
        loop {
            let reads = self.commander.as_ref().is_none_or(|commander| !commander.is_full());
            let takes = self.line.takes();
            let event = select! {
                biased;
                call = self.bell.rings() => {
                    if call.gone {
                        return End::EventGone;
                    }
                    if call.draining {
                        self.line.leave_after(|| leave_after(self.settings.drain));
                    }
                    continue;
                }
                event = poll_fn(|cx| self.line.poll(cx, reads)) => event,
                text = next(&mut self.commander), if takes => {
                    let frame = frames::text(&text);
                    self.settings.metrics.told("reply", frame.len());
                    self.line.put(frame);
                    continue;
                }
            };
            let end = match event {
                Event::Cleared => None,
                Event::News => {
                    self.refresh();
                    None
                }
                Event::Message(message) => self.message(message),
                Event::End(end) => Some(end),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Leaves the room, which else would wait for a watcher that does not look any more. What is left is to be closed.
    fn leave(self) -> Option<Socket<S>> {
        self.line.close()
    }

    /// Has the reservations of this socket looked at where the others changed their seats.
    fn refresh(&mut self) {
        let Some(commander) = &mut self.commander else { return };
        if let Some(missing) = self.line.changed() {
            commander.hear(&missing);
        }
    }

    fn message(&mut self, message: Message) -> Option<End> {
        if !self.flood.admits() {
            return Some(End::Flood);
        }
        match message {
            Message::Text(text) => {
                let commander = self.commander.get_or_insert_with(|| {
                    self.line.attend();
                    let (targets, event_id) = (self.targets.clone(), Arc::clone(&self.event_id));
                    Box::new(Commander::new(targets, event_id, self.settings.reports.clone()))
                });
                commander.accept(&text);
                None
            }
            Message::Binary(_) => Some(End::Binary),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
            Message::Close(_) => Some(End::Peer),
        }
    }
}

/// The next private frame. The future of a commander is large, and most sockets have none: it is boxed while it waits.
async fn next(commander: &mut Option<Box<Commander>>) -> String {
    match commander {
        Some(commander) => Box::pin(commander.next()).await,
        None => pending().await,
    }
}

/// Says goodbye, closes, and waits a little for the peer to do the same.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>, end: End) {
    let finish = async {
        if let Some(close) = end.close_frame() {
            let mut goodbye = end.goodbye().map(|text| frames::text(&text));
            poll_fn(|cx| socket.poll_write(cx, || goodbye.take())).await?;
            poll_fn(|cx| socket.poll_close(cx, &close)).await?;
        }
        poll_fn(|cx| socket.poll_end(cx)).await?;
        Ok::<_, Error>(())
    };
    // Whatever fails here, the socket is closed next.
    let _ = timeout(CLOSE_WAIT, finish).await;
}

#[cfg(test)]
mod tests;
