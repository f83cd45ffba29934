//! The sockets: how they are opened.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use super::{delays::Recording, reader::Reader, sight::Counts};
use crate::error::Error;

/// Fewer than a gateway allows an address by default, and far fewer than an address has ports.
const SOCKETS_PER_ADDRESS: usize = 900;
/// Handshakes at a time.
const OPENING_MAX: usize = 50;
const OPEN_WAIT: Duration = Duration::from_secs(20);
/// The answer to a request for a socket, with what comes right behind it.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Where sockets go, and how they begin.
#[derive(Clone)]
pub(crate) struct Gateway {
    address: SocketAddr,
    /// None: they are sockets from the beginning.
    request: Option<String>,
}

/// Sockets that are read until the crowd is dropped.
pub(crate) struct Crowd {
    gateway: Gateway,
    reader: Reader,
    /// One of so many is read at once.
    prompt_every: usize,
}

impl Gateway {
    /// Looks up the address of a URL such as http://127.0.0.1:8080.
    pub(crate) async fn find(url: &str, event: &str, binary: bool) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Gateway { address: url.to_owned(), why: why.to_owned() };
        let place = url.strip_prefix("http://").map(|place| place.trim_end_matches('/'));
        let place = place.ok_or_else(|| wrong("not an address such as http://127.0.0.1:8080"))?;
        let mut found = lookup_host(place).await.map_err(|error| wrong(&error.to_string()))?;
        let address = found.next().ok_or_else(|| wrong("the name has no address"))?;
        let protocol = if binary { "ticketengine.v1.bin" } else { "ticketengine.v1.json" };
        let request = format!(
            "GET /v1/events/{event}/seats HTTP/1.1\r\nHost: {place}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\nSec-WebSocket-Key: "
        );
        Ok(Self { address, request: Some(request) })
    }

    /// Something that writes frames to whoever connects.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, request: None }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A socket, and what came behind the answer to its request.
    async fn open(self, number: usize) -> Result<(TcpStream, Vec<u8>), Error> {
        let failed = |why: String| Error::Gateway { address: self.address.to_string(), why };
        let opening = async {
            let mut stream =
                connect(self.address, number).await.map_err(|error| failed(error.to_string()))?;
            let Some(request) = &self.request else { return Ok((stream, Vec::new())) };
            let request = format!("{request}{}\r\n\r\n", generate_key());
            let answer = ask(&mut stream, &request).await.map_err(|error| failed(error.to_string()))?;
            let (head, rest) = answer;
            if !head.starts_with("HTTP/1.1 101 ") {
                return Err(failed(format!("it answers {head}{}", String::from_utf8_lossy(&rest))));
            }
            Ok((stream, rest))
        };
        let opened = timeout(OPEN_WAIT, opening).await;
        opened.unwrap_or_else(|_| Err(failed(format!("no answer within {OPEN_WAIT:?}"))))
    }
}

impl Crowd {
    /// Nobody yet. One of `prompt_every` sockets will be read at once, and its delays count; the others are read now and then.
    ///
    /// Errors: the system gives no thread or no poll.
    pub(crate) fn new(gateway: Gateway, prompt_every: usize) -> Result<Self, Error> {
        Ok(Self { gateway, reader: Reader::start().map_err(Error::Sockets)?, prompt_every })
    }

    /// How many sockets were opened.
    pub(crate) fn len(&self) -> usize {
        self.reader.len()
    }

    /// Opens sockets until there are so many.
    pub(crate) async fn open(&mut self, count: usize) -> Result<(), Error> {
        let mut opening = JoinSet::new();
        let mut next = self.len();
        while next < count || !opening.is_empty() {
            while next < count && opening.len() < OPENING_MAX {
                opening.spawn(self.gateway.clone().open(next));
                next += 1;
            }
            let Some(Ok(opened)) = opening.join_next().await else { continue };
            let (stream, rest) = opened?;
            let prompt = self.len().is_multiple_of(self.prompt_every);
            let added = stream.into_std().and_then(|stream| self.reader.add(stream, &rest, prompt));
            added.map_err(Error::Sockets)?;
        }
        Ok(())
    }

    /// What they have seen by now.
    pub(crate) fn counts(&self) -> Counts {
        self.reader.counts()
    }

    /// How many frames have come.
    pub(crate) fn deliveries(&self) -> u64 {
        self.reader.deliveries()
    }

    /// From now on remembers when changes come. What was remembered until now.
    pub(crate) fn record(&self) -> Option<Recording> {
        self.reader.record()
    }

    /// Waits until `done`, at most `limit`. False: it is not done.
    pub(crate) async fn wait(&self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            match done(self) {
                true => return true,
                false if Instant::now() >= end => return false,
                false => sleep(POLL_EVERY).await,
            }
        }
    }
}

/// Sends a request. The head of the answer, and what came behind it.
async fn ask(stream: &mut TcpStream, request: &str) -> io::Result<(String, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if let Some(end) = answer.windows(END.len()).position(|bytes| bytes == END) {
            let rest = answer.split_off(end + END.len());
            return Ok((String::from_utf8_lossy(&answer).into_owned(), rest));
        }
        if answer.len() > ANSWER_BYTES_MAX || stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// From several addresses of this machine, where the gateway is on it.
async fn connect(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.ip().is_loopback() && address.is_ipv4() {
        let host = u8::try_from(1 + number / SOCKETS_PER_ADDRESS).unwrap_or(u8::MAX);
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0))?;
    }
    socket.connect(address).await
}
