use std::{convert::Infallible, future::poll_fn, time::Duration};

use tokio::sync::Semaphore;

use super::*;

/// A body of one frame and of trailers, as a unary answer is.
struct Unary(Option<Bytes>, bool);

impl HttpBody for Unary {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.0.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let first = !std::mem::replace(&mut self.1, true);
        Poll::Ready(first.then(|| Ok(Frame::trailers(http::HeaderMap::new()))))
    }
}

/// An answer of so many bytes that holds the one place there is, and whether its connection was cut.
fn answer(bytes: usize) -> (Body, Arc<Semaphore>, Line) {
    let (places, line) = (Arc::new(Semaphore::new(1)), Line::default());
    let place = Arc::clone(&places).try_acquire_owned().unwrap();
    let body = Body::new(Unary(Some(Bytes::from(vec![7; bytes])), false));
    let answer = until_taken(Response::new(body), [Some(place), None], line.clone(), &Tasks::default());
    (answer.into_body(), places, line)
}

async fn frame(body: &mut Body) -> Option<Frame<Bytes>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.map(Result::unwrap)
}

#[tokio::test(start_paused = true)]
async fn an_answer_keeps_its_places_until_the_last_byte_is_let_go() {
    let (mut body, places, line) = answer(100_000);
    let mut bytes = frame(&mut body).await.unwrap().into_data().unwrap();
    assert!(frame(&mut body).await.unwrap().is_trailers());
    assert!(frame(&mut body).await.is_none());
    drop(body);
    // HTTP/2 sends it piece by piece.
    drop(bytes.split_to(99_999));
    assert_eq!(places.available_permits(), 0);
    drop(bytes);
    assert_eq!(places.available_permits(), 1);
    sleep(2 * ANSWER_WAIT).await;
    assert!(!line.is_cut(), "it was taken in time");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_an_answer_in_time_is_cut_off() {
    for read in [false, true] {
        let (mut body, places, line) = answer(100_000);
        let _bytes = if read { frame(&mut body).await } else { None };
        sleep(ANSWER_WAIT - Duration::from_millis(1)).await;
        assert!(!line.is_cut());
        sleep(Duration::from_millis(2)).await;
        assert!(line.is_cut());
        assert_eq!(places.available_permits(), 0, "until the connection is gone, and the answer with it");
    }
}

#[tokio::test]
async fn a_refusal_has_no_clock() {
    let clocks = Tasks::default();
    let refusal = Status::unavailable("full").into_http();
    let answer = until_taken(refusal, [None, None], Line::default(), &clocks);
    assert!(answer.body().is_end_stream());
    assert!(clocks.stop(Duration::ZERO).await);
}
