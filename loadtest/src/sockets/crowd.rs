//! The sockets, each with a task of its own and small buffers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        ClientRequestBuilder, Error as SocketError, Message, http::Uri, protocol::WebSocketConfig,
    },
};

use super::{
    sight::{Counts, Sight},
    writer::Change,
};
use crate::error::Error;

/// Fewer than a gateway allows an address by default, and far fewer than an address has ports.
const SOCKETS_PER_ADDRESS: usize = 900;
/// Handshakes at a time.
const OPENING_MAX: usize = 50;
const OPEN_WAIT: Duration = Duration::from_secs(20);
const READ_BUFFER_BYTES: usize = 1024;
/// A snapshot of a hundred thousand seats is the longest frame.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Where the sockets go.
#[derive(Clone)]
pub(super) struct Gateway {
    address: SocketAddr,
    request: ClientRequestBuilder,
}

/// Sockets that are read until the crowd is dropped.
pub(super) struct Crowd {
    gateway: Gateway,
    sights: Vec<Arc<Mutex<Sight>>>,
    tasks: JoinSet<()>,
}

impl Gateway {
    /// Looks up the address of a URL such as http://127.0.0.1:8080.
    pub(super) async fn find(url: &str, event: &str, binary: bool) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Gateway { address: url.to_owned(), why: why.to_owned() };
        let place = url.strip_prefix("http://").map(|place| place.trim_end_matches('/'));
        let place = place.ok_or_else(|| wrong("not an address such as http://127.0.0.1:8080"))?;
        let mut found = lookup_host(place).await.map_err(|error| wrong(&error.to_string()))?;
        let address = found.next().ok_or_else(|| wrong("the name has no address"))?;
        let uri = format!("ws://{place}/v1/events/{event}/seats").parse::<Uri>();
        let uri = uri.map_err(|error| wrong(&error.to_string()))?;
        let protocol = if binary { "ticketengine.v1.bin" } else { "ticketengine.v1.json" };
        Ok(Self { address, request: ClientRequestBuilder::new(uri).with_sub_protocol(protocol) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn open(self, number: usize) -> Result<WebSocketStream<TcpStream>, Error> {
        let failed = |why: String| Error::Gateway { address: self.address.to_string(), why };
        let opening = async {
            let stream = connect(self.address, number).await.map_err(|error| failed(error.to_string()))?;
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER_BYTES)
                .write_buffer_size(0)
                .max_message_size(Some(FRAME_BYTES_MAX))
                .max_frame_size(Some(FRAME_BYTES_MAX));
            let opened = client_async_with_config(self.request.clone(), stream, Some(config)).await;
            Ok(opened.map_err(|error| failed(explain(&error)))?.0)
        };
        let opened = timeout(OPEN_WAIT, opening).await;
        opened.unwrap_or_else(|_| Err(failed(format!("no answer within {OPEN_WAIT:?}"))))
    }
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new(gateway: Gateway) -> Self {
        Self { gateway, sights: Vec::new(), tasks: JoinSet::new() }
    }

    /// How many sockets were opened.
    pub(super) fn len(&self) -> usize {
        self.sights.len()
    }

    /// Opens sockets until there are so many.
    pub(super) async fn open(&mut self, count: usize) -> Result<(), Error> {
        let mut opening = JoinSet::new();
        let mut next = self.len();
        while self.len() < count {
            while next < count && opening.len() < OPENING_MAX {
                opening.spawn(self.gateway.clone().open(next));
                next += 1;
            }
            let Some(joined) = opening.join_next().await else { break };
            let Ok(opened) = joined else { continue };
            let sight = Arc::new(Mutex::new(Sight::opened()));
            self.tasks.spawn(read(opened?, Arc::clone(&sight)));
            self.sights.push(sight);
        }
        Ok(())
    }

    /// What they have seen by now.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.sights.iter().for_each(|sight| counts.add(&locked(sight)));
        counts
    }

    /// From now on remembers when changes come.
    pub(super) fn watch_arrivals(&self) {
        self.sights.iter().for_each(|sight| locked(sight).watch_arrivals());
    }

    /// How long each change took to each socket that it reached, from when it was asked for.
    pub(super) fn delays(&self, changes: &[Change]) -> Vec<Duration> {
        let mut delays = Vec::with_capacity(changes.len() * self.len());
        for sight in &self.sights {
            let sight = locked(sight);
            let arrived = changes.iter().filter_map(|change| Some(sight.arrival(change.at)? - change.called));
            delays.extend(arrived);
        }
        delays
    }
}

async fn read(mut stream: WebSocketStream<TcpStream>, sight: Arc<Mutex<Sight>>) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) => locked(&sight).text(&text),
            Message::Binary(bytes) => locked(&sight).binary(&bytes),
            // The pong that it asks for is written with the next flush.
            Message::Ping(_) if stream.flush().await.is_err() => break,
            _ => {}
        }
    }
    locked(&sight).closed();
}

/// From several addresses of this machine, where the gateway is on it.
async fn connect(address: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.ip().is_loopback() && address.is_ipv4() {
        let host = u8::try_from(1 + number / SOCKETS_PER_ADDRESS).unwrap_or(u8::MAX);
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0))?;
    }
    socket.connect(address).await
}

fn explain(error: &SocketError) -> String {
    match error {
        SocketError::Http(answer) => {
            let body = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default());
            format!("it answers {} {body}", answer.status())
        }
        error => error.to_string(),
    }
}

/// What a task left is whole also where it panicked.
fn locked(sight: &Mutex<Sight>) -> MutexGuard<'_, Sight> {
    sight.lock().unwrap_or_else(PoisonError::into_inner)
}
