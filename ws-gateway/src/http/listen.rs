use std::{convert::Infallible, io::Write, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_stream::StreamExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpIncoming;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::admission::{Admission, Connection};
use crate::{
    limits::{
        ACCEPT_RETRY, CONNECTION_GRACE, HEADERS_MAX, HEADERS_WAIT, HTTP_BUFFER_BYTES_MAX, TCP_KEEPALIVE,
    },
    metrics::Metrics,
};

/// What those hear whom there is no room for, not even to be read.
const TURNED_AWAY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Takes connections in and serves HTTP on them, until one becomes a socket.
pub(crate) struct Listener {
    /// Answers.
    pub(crate) router: Router,
    /// Counts.
    pub(crate) admission: Admission,
    pub(crate) metrics: Metrics,
    /// Owns the connections while they speak HTTP.
    pub(crate) connections: TaskTracker,
    /// How long they may.
    pub(crate) time_max: Duration,
}

/// Who is at the other end. Every request has it.
#[derive(Clone)]
pub(super) struct Peer {
    /// The client, or a proxy.
    pub(super) address: IpAddr,
    /// Counts for as long as the connection is open.
    pub(super) connection: Arc<Connection>,
}

impl Listener {
    /// Accepts until `stop`; then connections end after the answer that is under way.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let mut accepted =
            TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
        while let Some(Some(accepted)) = stop.run_until_cancelled(accepted.next()).await {
            match accepted {
                Ok(stream) => self.take_in(stream, &stop),
                Err(error) => {
                    warn!(%error, "can not accept connections");
                    // Without a pause a full file table keeps a core busy.
                    stop.run_until_cancelled(sleep(ACCEPT_RETRY)).await;
                }
            }
        }
    }

    fn take_in(&self, stream: TcpStream, stop: &CancellationToken) {
        // Without a peer it has gone already.
        let Ok(peer) = stream.peer_addr() else { return };
        match self.admission.connect(peer.ip()) {
            Ok(connection) => {
                let peer = Peer { address: peer.ip(), connection };
                let served = serve(stream, peer, self.router.clone(), stop.clone(), self.time_max);
                self.connections.spawn(served);
            }
            Err(full) => {
                self.metrics.refused("CONNECTIONS".to_owned());
                debug!(peer = %peer.ip(), ?full, "turned a connection away");
                // One attempt, nothing waits: who does not get it sees a closed connection.
                let _ = stream.into_std().and_then(|mut stream| stream.write_all(TURNED_AWAY));
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, stop: CancellationToken, time_max: Duration) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also bounds how long a silent or an idle connection stays.
        .header_read_timeout(HEADERS_WAIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HTTP_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // A broken connection is the peer's business.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = sleep(time_max) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A peer that takes its answer byte by byte does not keep the place for ever.
    let _ = timeout(CONNECTION_GRACE, connection).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::Instant,
    };

    use super::*;
    use crate::http::admission::Bounds;

    const TIME_MAX: Duration = Duration::from_millis(300);

    /// A client of a server with a small and a large answer.
    async fn client() -> (TcpStream, Admission, tokio_util::sync::DropGuard) {
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/large", get(async || vec![0_u8; 32 << 20]));
        let bounds = Bounds { sockets_max: 1, sockets_per_address_max: 1, peers_are_clients: true };
        let admission = Admission::new(bounds);
        let connections = TaskTracker::new();
        let server = Listener {
            router,
            admission: admission.clone(),
            metrics: Metrics::unseen(),
            connections: connections.clone(),
            time_max: TIME_MAX,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stop = CancellationToken::new();
        connections.spawn(server.serve(listener, stop.clone()));
        (client, admission, stop.drop_guard())
    }

    #[tokio::test]
    async fn a_busy_connection_ends_too() {
        let (mut client, _, _stop) = client().await;
        let (begun, mut answers, mut buffer) = (Instant::now(), 0, [0; 4096]);
        while client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {
            match client.read(&mut buffer).await {
                Ok(1..) => answers += 1,
                Ok(0) | Err(_) => break,
            }
            sleep(Duration::from_millis(20)).await;
            assert!(begun.elapsed() < TIME_MAX * 4, "still open");
        }
        assert!(answers > 3 && begun.elapsed() >= TIME_MAX, "{answers} in {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn who_does_not_take_an_answer_loses_the_connection() {
        let (mut client, admission, _stop) = client().await;
        client.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        sleep(TIME_MAX).await;
        assert_eq!(admission.connections(), 1);
        sleep(CONNECTION_GRACE + TIME_MAX).await;
        assert_eq!(admission.connections(), 0);
    }
}
