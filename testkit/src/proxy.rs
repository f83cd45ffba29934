//! A TCP proxy in front of a store, to break its network.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{STORE_LIMIT, ports::Port, wait_until};

/// What is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How often another port is tried.
const BIND_ATTEMPTS_MAX: usize = 5;
/// A store that has been silent for so long has said all that it has to say about a request.
const SILENCE: Duration = Duration::from_millis(50);

/// What the network does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    Refuse,
    BlackHole,
    Delay(Duration),
    /// Cuts the connection whose request has these bytes in it, once the store has had the request.
    CutReply(Arc<[u8]>),
}

/// The network between the engine and a store. Ends with its connections when dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    port: Port,
    _accepting: JoinSet<()>,
}

struct Shared {
    upstream: String,
    mode: watch::Sender<Mode>,
    /// Clients that get no connection, and lose those that they have.
    refused: watch::Sender<Vec<IpAddr>>,
    /// Counts the cuts: a connection ends when it sees a change.
    cuts: watch::Sender<u32>,
    open: AtomicUsize,
    replies_cut: AtomicUsize,
    listening: watch::Sender<bool>,
}

impl Proxy {
    /// Starts one that passes everything on to `upstream` (host:port).
    pub async fn start(upstream: impl ToString) -> Self {
        let shared = Arc::new(Shared {
            upstream: upstream.to_string(),
            mode: watch::Sender::new(Mode::Pass),
            refused: watch::Sender::default(),
            cuts: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            replies_cut: AtomicUsize::new(0),
            listening: watch::Sender::new(false),
        });
        let (port, listener) = listen().await;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(shared.clone(), port.address(), Some(listener)));
        let proxy = Self { shared, port, _accepting: accepting };
        proxy.listening(true).await;
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Everything gets through, and at once.
    pub async fn pass(&self) {
        self.set(Mode::Pass).await;
    }

    /// As if nothing ran there: connections are cut, new ones refused.
    pub async fn refuse(&self) {
        self.set(Mode::Refuse).await;
        self.cut().await;
    }

    /// As if a cable was pulled: connections stay, new ones are accepted, nothing gets through. What was sent meanwhile
    /// arrives after [`Self::pass`], as TCP would have it.
    pub async fn black_hole(&self) {
        self.set(Mode::BlackHole).await;
    }

    /// As if these clients, and no others, were on the far side of a broken network. Replaces those of before.
    pub fn refuse_from(&self, clients: Vec<IpAddr>) {
        self.shared.refused.send_replace(clients);
    }

    /// Everything takes so much longer, each way.
    pub async fn delay(&self, each_way: Duration) {
        self.set(Mode::Delay(each_way)).await;
    }

    /// Cuts all connections now. New ones are treated by the mode.
    pub async fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
        wait_until("the proxy's connections are cut", STORE_LIMIT, async || self.connections() == 0).await;
    }

    /// Once: the next request with `needle` in it reaches the store, and its connection is cut before the reply gets
    /// back. `needle` should be something that only this request has, such as a reservation's id. All others pass.
    pub async fn cut_reply_to(&self, needle: impl AsRef<[u8]>) {
        assert!(!needle.as_ref().is_empty(), "the needle names a request");
        self.set(Mode::CutReply(needle.as_ref().into())).await;
    }

    /// How many replies were cut off so far.
    pub fn replies_cut(&self) -> usize {
        self.shared.replies_cut.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    async fn set(&self, mode: Mode) {
        let listen = mode != Mode::Refuse;
        self.shared.mode.send_replace(mode);
        self.listening(listen).await;
    }

    async fn listening(&self, wanted: bool) {
        let mut listening = self.shared.listening.subscribe();
        timeout(STORE_LIMIT, listening.wait_for(|is| *is == wanted)).await.unwrap().unwrap();
    }
}

/// On a port of its own; on another where a stranger took that between the look and the bind.
async fn listen() -> (Port, TcpListener) {
    for _ in 0..BIND_ATTEMPTS_MAX {
        let port = Port::take();
        if let Ok(listener) = TcpListener::bind(port.address()).await {
            return (port, listener);
        }
    }
    panic!("no port to listen on");
}

async fn accept(shared: Arc<Shared>, address: SocketAddr, mut bound: Option<TcpListener>) {
    let mut mode = shared.mode.subscribe();
    let mut connections = JoinSet::new();
    loop {
        mode.wait_for(|mode| *mode != Mode::Refuse).await.unwrap();
        let listener = match bound.take() {
            Some(listener) => listener,
            None => TcpListener::bind(address).await.unwrap(),
        };
        shared.listening.send_replace(true);
        loop {
            tokio::select! {
                _ = mode.wait_for(|mode| *mode == Mode::Refuse) => break,
                client = listener.accept() => {
                    // Without a file for it, say: the client is gone again.
                    let Ok((client, _)) = client else { continue };
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    // From here on it sees each cut, whenever its task begins.
                    let cuts = shared.cuts.subscribe();
                    connections.spawn(connection(shared.clone(), client, cuts));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        shared.listening.send_replace(false);
    }
}

async fn connection(shared: Arc<Shared>, client: TcpStream, mut cuts: watch::Receiver<u32>) {
    let (from, mut refused) = (client.peer_addr().map(|address| address.ip()), shared.refused.subscribe());
    tokio::select! {
        biased;
        _ = cuts.changed() => {}
        _ = refused.wait_for(|refused| from.as_ref().is_ok_and(|from| refused.contains(from))) => {}
        () = forward(&shared, client) => {}
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

async fn forward(shared: &Shared, client: TcpStream) {
    let Ok(store) = TcpStream::connect(&shared.upstream).await else { return };
    // A delay is asked for by name.
    client.set_nodelay(true).unwrap();
    store.set_nodelay(true).unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_store, to_store) = store.into_split();
    let caught = watch::Sender::new(false);
    tokio::select! {
        () = requests(shared, from_client, to_store, &caught) => {}
        () = replies(shared, from_store, to_client, &caught) => {}
    }
}

async fn requests(
    shared: &Shared,
    mut client: OwnedReadHalf,
    mut store: OwnedWriteHalf,
    caught: &watch::Sender<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    // The end of the last chunk: a needle may lie across two.
    let mut tail = Vec::new();
    while let Ok(length @ 1..) = client.read(&mut chunk).await {
        travel(shared).await;
        tail.extend_from_slice(&chunk[..length]);
        if trap_springs(shared, &tail) {
            caught.send_replace(true);
        }
        tail.drain(..tail.len().saturating_sub(needle_len(shared)));
        if store.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

async fn replies(
    shared: &Shared,
    mut store: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    caught: &watch::Sender<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = store.read(&mut chunk).await {
        travel(shared).await;
        if *caught.borrow() {
            // Whatever it says now is lost. Other requests on this connection may be answered first.
            while let Ok(Ok(1..)) = timeout(SILENCE, store.read(&mut chunk)).await {}
            shared.replies_cut.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if client.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

/// Takes as long as the mode says, which may change on the way.
async fn travel(shared: &Shared) {
    let mut mode = shared.mode.subscribe();
    let now = mode.wait_for(|mode| *mode != Mode::BlackHole).await.unwrap().clone();
    if let Mode::Delay(delay) = now {
        sleep(delay).await;
    }
}

/// Springs once: the mode is to pass afterwards.
fn trap_springs(shared: &Shared, request: &[u8]) -> bool {
    shared.mode.send_if_modified(|mode| {
        let springs = matches!(mode, Mode::CutReply(needle)
            if request.windows(needle.len()).any(|window| *window == **needle));
        if springs {
            *mode = Mode::Pass;
        }
        springs
    })
}

/// How much of a chunk's end may be the beginning of a needle.
fn needle_len(shared: &Shared) -> usize {
    if let Mode::CutReply(needle) = &*shared.mode.borrow() { needle.len() - 1 } else { 0 }
}
