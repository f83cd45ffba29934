//! A careless hop between a gateway and a replica: while it is told to, it loses and doubles messages of WatchSeats streams.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, body::Body as AxumBody, extract::Request, response::Response};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use rand::Rng;
use testkit::ports::Port;
use tokio::task::JoinSet;
use tonic::{
    Status,
    body::Body,
    codegen::Service,
    service::Routes,
    transport::{Channel, Endpoint, Server},
};

/// Of the messages of a stream, how many get lost, and how many come twice.
const LOST: f64 = 0.2;
const DOUBLED: f64 = 0.1;
/// A flag and a length stand before each message.
const HEAD_BYTES: usize = 5;
/// The first byte of a message with changes: only those have a place in an order.
const CHANGES: u8 = 0x12;

/// The hop. Ends with its connections when dropped.
pub(crate) struct Hop {
    port: Port,
    loses: Arc<AtomicBool>,
    _serving: JoinSet<()>,
}

impl Hop {
    /// Passes all calls on to `replica`.
    pub(crate) async fn start(replica: SocketAddr) -> Self {
        let port = Port::take();
        let loses = Arc::new(AtomicBool::new(false));
        let channel = Endpoint::new(format!("http://{replica}")).unwrap().connect_lazy();
        let state = (channel, loses.clone());
        let router = Router::new().fallback(move |request: Request| forward(state.clone(), request));
        let address = port.address();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            Server::builder().add_routes(Routes::from(router)).serve(address).await.unwrap();
        });
        Self { port, loses, _serving: serving }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Whether messages get lost from now on.
    pub(crate) fn lose(&self, loses: bool) {
        self.loses.store(loses, Ordering::Relaxed);
    }
}

async fn forward((mut channel, loses): (Channel, Arc<AtomicBool>), request: Request) -> Response {
    let watches = request.uri().path().ends_with("/WatchSeats");
    let answered = async {
        poll_fn(|context| channel.poll_ready(context)).await?;
        channel.call(request.map(Body::new)).await
    };
    let answer = answered.await.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http());
    answer.map(|body| if watches { AxumBody::new(careless(body, loses)) } else { AxumBody::new(body) })
}

/// The body, without what gets lost on the way.
fn careless(body: Body, loses: Arc<AtomicBool>) -> impl http_body::Body<Data = Bytes, Error = Status> {
    let frames = stream::unfold((body, BytesMut::new()), move |(mut body, mut rest)| {
        let loses = loses.clone();
        async move {
            let frame = body.frame().await?;
            let frame = frame.map(|frame| match frame.into_data() {
                Ok(data) => {
                    rest.extend_from_slice(&data);
                    http_body::Frame::data(pass(&mut rest, loses.load(Ordering::Relaxed)))
                }
                Err(trailers) => trailers,
            });
            Some((frame, (body, rest)))
        }
    });
    StreamBody::new(frames.boxed())
}

/// Takes the whole messages from the front of `rest`, and says what of them goes on.
fn pass(rest: &mut BytesMut, loses: bool) -> Bytes {
    let mut passed = BytesMut::new();
    while rest.len() >= HEAD_BYTES {
        let length = HEAD_BYTES + (&rest[1..HEAD_BYTES]).get_u32() as usize;
        if rest.len() < length {
            break;
        }
        let message = rest.split_to(length);
        let careless = loses && message.get(HEAD_BYTES) == Some(&CHANGES);
        let copies = match rand::rng().random::<f64>() {
            fate if careless && fate < LOST => 0,
            fate if careless && fate < LOST + DOUBLED => 2,
            _ => 1,
        };
        for _ in 0..copies {
            passed.extend_from_slice(&message);
        }
    }
    passed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_go_on_and_only_changes_get_lost() {
        let message = |kind: u8| [0, 0, 0, 0, 2, kind, 7];
        let mut rest = BytesMut::from(&[message(CHANGES), message(0x0a)].concat()[..10]);
        assert_eq!(pass(&mut rest, false), message(CHANGES)[..]);
        rest.extend_from_slice(&message(0x0a)[3..]);
        assert_eq!(pass(&mut rest, true), message(0x0a)[..], "a snapshot is never lost");
        let mut all = BytesMut::from(&message(CHANGES).repeat(1_000)[..]);
        let left = pass(&mut all, true).len() / message(CHANGES).len();
        assert!(left != 1_000 && (800..1_000).contains(&left), "{left} of 1000, doubled ones among them");
    }
}
