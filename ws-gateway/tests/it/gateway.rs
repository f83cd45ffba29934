//! A gateway in this process, and who talks to it.

use std::{net::SocketAddr, time::Duration};

use axum::body::{Body, to_bytes};
use clap::{CommandFactory, FromArgMatches, Parser};
use http::{HeaderMap, Request, StatusCode};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, client::IntoClientRequest, handshake::client::Response as Upgraded},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use ws_gateway::{
    StartError,
    config::{Config, GatewayArgs},
};

use crate::stand_in::StandIn;

/// Nothing here takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running gateway; [`Self::stop`] ends it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) stopping: CancellationToken,
    server: JoinHandle<Result<(), StartError>>,
}

/// An answer that was read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    args: GatewayArgs,
}

impl Gateway {
    /// With options such as `["--drain", "1s"]`; what they leave open is as in the manual.
    pub(crate) async fn start(options: &[&str]) -> Self {
        // Not the environment of whoever runs the tests.
        let command = Options::command().mut_args(|arg| arg.env(None::<&str>));
        let matches = command.try_get_matches_from(["gateway"].iter().chain(options)).unwrap();
        let config = Config::try_from(Options::from_arg_matches(&matches).unwrap().args).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stopping) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serve = ws_gateway::serve(config, listener, stopping.clone().cancelled_owned());
        Self { address, server: TaskTracker::new().spawn(serve), stopping }
    }

    /// In front of a stand-in.
    pub(crate) async fn of(stand_in: &StandIn, options: &[&str]) -> Self {
        let url = stand_in.url();
        Self::start(&[&["--targets", &url], options].concat()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(self.request(path).body(Body::empty()).unwrap()).await
    }

    /// A GET, to be changed.
    pub(crate) fn request(&self, path: &str) -> http::request::Builder {
        Request::get(path).header("host", self.address.to_string())
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let (mut sender, connection) = handshake(TokioIo::new(self.connect().await)).await.unwrap();
        let answer = async {
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = to_bytes(Body::new(body), 1 << 20).await.unwrap().into();
            Answer { status: head.status, headers: head.headers, body }
        };
        tokio::select! {
            answer = answer => answer,
            _ = async { let _ = connection.await; std::future::pending::<()>().await } => unreachable!(),
            () = sleep(PATIENCE) => panic!("no answer"),
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Opens a socket; `headers` are added to the request.
    pub(crate) async fn socket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(WebSocketStream<TcpStream>, Upgraded), Answer> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let opened = client_async(request, self.connect().await);
        match timeout(PATIENCE, opened).await.expect("no answer") {
            Ok(opened) => Ok(opened),
            Err(tungstenite::Error::Http(answer)) => {
                let (head, body) = answer.into_parts();
                Err(Answer { status: head.status, headers: head.headers, body: body.unwrap_or_default() })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until it answers /readyz with a status.
    pub(crate) async fn until_ready(&self, status: u16) {
        let ready = async {
            while self.get("/readyz").await.status != status {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("never so");
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        timeout(PATIENCE, self.server).await.expect("does not end").unwrap().unwrap();
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// Code and reason of a refusal, with its HTTP status.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let reason = self.json()["error"]["reason"].as_str().unwrap().to_owned();
        (self.status.as_u16(), reason)
    }
}
