//! Answers that may be large: a call keeps its places until its client has taken the answer,
//! and who does not take it in time loses the connection. Else answers that nobody reads would fill the memory.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame};
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle, time::sleep};
use tonic::{Status, body::Body};

use super::connection::Line;
use crate::{identity::Rpc, limits::ANSWER_WAIT, tasks::Tasks};

/// What a call has taken of the service.
pub(super) type Places = [Option<OwnedSemaphorePermit>; 2];

/// A place that a handler wants to keep until its answer is taken: an extension of the response.
#[derive(Clone)]
pub(super) struct Place(#[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>);

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(permit))
    }
}

/// Whether answers to it may be large. Streams are left out: they last as long as their clients like, and are pulled.
pub(super) fn may_be_large(rpc: Rpc) -> bool {
    matches!(rpc, Rpc::GetSeatMap | Rpc::GetEvent | Rpc::ListEvents | Rpc::ListBookings)
}

/// The answer with its places, and the clock that runs for its client.
pub(super) fn until_taken(
    mut answer: Response<Body>,
    places: Places,
    line: Line,
    clocks: &Tasks,
) -> Response<Body> {
    if answer.body().is_end_stream() {
        return answer;
    }
    let place = answer.extensions_mut().remove();
    let clock = clocks.spawn("answer", async move {
        sleep(ANSWER_WAIT).await;
        tracing::debug!(wait = ?ANSWER_WAIT, "a client does not take an answer; its connection ends");
        line.cut();
    });
    let held = Arc::new(Held { clock, _places: places, _place: place });
    answer.map(|body| Body::new(Taken { body, held }))
}

/// What a call keeps until its answer is taken. Dropped when neither the body nor HTTP/2 has a byte of it any more.
struct Held {
    clock: JoinHandle<()>,
    _places: Places,
    _place: Option<Place>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clock.abort();
    }
}

/// An answer on its way.
struct Taken {
    body: Body,
    held: Arc<Held>,
}

/// Bytes of an answer. HTTP/2 lets go of them when the socket has taken them.
struct Part {
    bytes: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Taken {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| {
            frame.map_data(|bytes| Bytes::from_owner(Part { bytes, _held: Arc::clone(&self.held) }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
