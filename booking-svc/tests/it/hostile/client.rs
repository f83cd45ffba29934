//! A client of HTTP/2 that does what it is told, and knows nothing of gRPC.

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{Builder, SendRequest},
};
use http::{Request, Response};
use tokio::{net::TcpStream, task::JoinSet};
use tonic::{Code, Status};

use super::frames::message;

/// A connection. It answers pings, and reads no more than its windows let in.
pub(super) struct Client {
    pub(super) calls: SendRequest<Bytes>,
    /// Drives it; ends with it. Aborted when dropped.
    pub(super) connection: JoinSet<()>,
}

impl Client {
    /// Each stream may send `window_bytes` before the client has read them.
    pub(super) async fn connect(address: &str, window_bytes: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = Builder::new();
        builder.initial_window_size(window_bytes).initial_max_send_streams(2_000);
        let (calls, driver) = builder.handshake(stream).await.unwrap();
        let mut connection = JoinSet::new();
        connection.spawn(async move { drop(driver.await) });
        Self { calls, connection }
    }

    /// Begins a call; its body is the test's to send.
    pub(super) async fn begin(&self, path: &str, headers: &[(&str, &str)]) -> Begun {
        let mut request = Request::post(format!("http://service{path}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut calls = self.calls.clone().ready().await.unwrap();
        let (answer, body) = calls.send_request(request.body(()).unwrap(), false).unwrap();
        Begun { answer, body }
    }

    /// Makes a call with a message.
    pub(super) async fn call(&self, path: &str, bytes: &[u8]) -> Begun {
        let mut begun = self.begin(path, &[]).await;
        begun.body.send_data(message(false, bytes).into(), true).unwrap();
        begun
    }
}

/// A call under way.
pub(super) struct Begun {
    pub(super) answer: h2::client::ResponseFuture,
    pub(super) body: SendStream<Bytes>,
}

impl Begun {
    /// The headers of the answer, and its body, unread.
    pub(super) async fn answered(self) -> Result<Response<RecvStream>, h2::Error> {
        self.answer.await
    }

    /// The code of a refusal.
    pub(super) async fn refused(self) -> Code {
        let answer = self.answered().await.unwrap();
        Status::from_header_map(answer.headers()).expect("a refusal").code()
    }
}
