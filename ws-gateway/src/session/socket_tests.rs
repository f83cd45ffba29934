//! What a peer sees when it takes one byte at a time, and when it does not take any.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;
use crate::rooms::frames;

/// Takes one byte at a write, and says "later" before each.
struct Drip {
    stream: DuplexStream,
    ready: bool,
}

impl AsyncRead for Drip {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Drip {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn client(stream: DuplexStream) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

/// Writes and reads as a session does, until the peer closes; gives back what it said. There is one frame at first and
/// another for each message: so there is one when a pong is half written.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>, frames: Vec<Bytes>) -> Vec<Message> {
    let mut frames = frames.into_iter();
    let (mut heard, mut sent) = (Vec::new(), 0);
    poll_fn(|cx| {
        loop {
            let next = || {
                let frame = if sent <= heard.len() { frames.next() } else { None };
                sent += usize::from(frame.is_some());
                frame
            };
            if let Poll::Ready(written) = socket.poll_write(cx, next) {
                written.unwrap();
            }
            match ready!(socket.poll_read(cx)) {
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(()),
                Some(message) => heard.push(message.unwrap()),
            }
        }
    })
    .await;
    poll_fn(|cx| socket.poll_end(cx)).await.unwrap();
    heard
}

#[tokio::test]
async fn frames_and_pongs_never_mix_on_a_peer_that_takes_single_bytes() {
    let (near, far) = duplex(64);
    let socket = Socket::new(Drip { stream: near, ready: false }, Bytes::new()).await;
    let texts: Vec<String> = (0..60).map(|number| number.to_string().repeat(1 + number * 7)).collect();
    let ready_frames = texts.iter().map(|text| frames::text(text)).collect();
    let server = serve(socket, ready_frames);

    let far = async {
        let (mut sink, mut stream) = client(far).await.split();
        let (mut got, mut pongs) = (Vec::new(), 0_u8);
        let pings = async {
            for number in 0..60_u8 {
                sink.send(Message::Ping(vec![number; usize::from(number)].into())).await.unwrap();
                tokio::task::yield_now().await;
            }
            sink
        };
        let taken = async {
            // A pong that waits is replaced by a later one: the last one must come.
            while pongs < 60 || got.len() < 60 {
                match stream.next().await.unwrap().unwrap() {
                    Message::Text(text) => got.push(text.as_str().to_owned()),
                    Message::Pong(payload) => pongs = payload.len() as u8 + 1,
                    other => panic!("{other:?}"),
                }
            }
            stream
        };
        let (mut sink, mut stream) = tokio::join!(pings, taken);
        sink.close().await.unwrap();
        assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))));
        assert!(stream.next().await.is_none());
        got
    };
    let (heard, got) = tokio::join!(server, far);
    assert_eq!(got, texts);
    assert_eq!(heard.len(), 60);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_not_read_from() {
    let (near, mut far) = duplex(256);
    let mut socket = Socket::new(near, Bytes::new()).await;
    let big = frames::text(&"x".repeat(10_000));
    let mut frames = vec![big.clone()].into_iter();
    // Ten masked pings, with a mask of zeros.
    far.write_all(&[0x89, 0x80, 0, 0, 0, 0].repeat(10)).await.unwrap();
    poll_fn(|cx| {
        assert!(socket.poll_write(cx, || frames.next()).is_pending());
        assert!(socket.is_blocked() && socket.took() && !socket.took());
        assert!(socket.poll_read(cx).is_pending());
        Poll::Ready(())
    })
    .await;

    // Once it reads, the frame comes whole, and then the pongs.
    let mut got = vec![0; big.len() + 2];
    let serve = poll_fn(|cx| {
        loop {
            let _ = socket.poll_write(cx, || None).map(Result::unwrap);
            let _ = ready!(socket.poll_read(cx)).unwrap().unwrap();
        }
    });
    tokio::select! {
        () = serve => {}
        read = far.read_exact(&mut got) => { read.unwrap(); }
    }
    assert_eq!((&got[..big.len()], &got[big.len()..]), (&big[..], &[0x8A, 0][..]));
}

#[tokio::test]
async fn a_close_frame_comes_behind_what_is_being_written() {
    let (near, far) = duplex(64);
    let mut socket = Socket::new(Drip { stream: near, ready: false }, Bytes::new()).await;
    let mut ready_frames = vec![frames::text("first"), frames::text("second")].into_iter();
    let close = CloseFrame { code: 4000.into(), reason: "SLOW_READER".into() };
    let server = async {
        poll_fn(|cx| {
            assert!(socket.poll_write(cx, || ready_frames.next()).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| socket.poll_close(cx, &close)).await.unwrap();
        poll_fn(|cx| socket.poll_end(cx)).await.unwrap();
    };
    let far = async {
        let mut far = client(far).await;
        assert_eq!(far.next().await.unwrap().unwrap(), Message::Text("first".into()));
        assert_eq!(far.next().await.unwrap().unwrap(), Message::Close(Some(close.clone())));
    };
    tokio::join!(server, far);
}

#[tokio::test]
async fn what_came_behind_the_upgrade_is_read_first() {
    let (near, mut far) = duplex(256);
    let head = Bytes::from_static(&[0x81, 0x82, 0, 0, 0, 0, b'h']);
    let mut socket = Socket::new(near, head).await;
    far.write_all(b"i").await.unwrap();
    let message = poll_fn(|cx| socket.poll_read(cx)).await.unwrap().unwrap();
    assert_eq!(message, Message::Text("hi".into()));
}
