//! The socket of a session that says back what it hears, for the Autobahn cases. Settings, reading, writing and closing are
//! those of sessions but for the longest message.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::{
    close::End,
    finish,
    socket::{Socket, config},
};
use crate::rooms::frames;

/// Cases 9.1.6 and 9.2.6 send messages of 16 MiB, and others send them in one frame.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Echoes until the peer closes or breaks the protocol. The upgrade has been done.
pub async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let config = config().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = Socket::with(stream, Bytes::new(), config).await;
    let mut answer = None;
    let end = poll_fn(|cx| poll(&mut socket, &mut answer, cx)).await;
    finish(socket, end).await;
}

/// Writes, then reads, as the line of a session does.
fn poll<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    answer: &mut Option<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<End> {
    loop {
        if let Poll::Ready(Err(error)) = socket.poll_write(cx, || answer.take()) {
            return Poll::Ready(End::from(&error));
        }
        if answer.is_some() {
            // Its turn comes when what is being written is out.
            return Poll::Pending;
        }
        match ready!(socket.poll_read(cx)) {
            Some(Ok(Message::Text(text))) => *answer = Some(frames::text(&text)),
            Some(Ok(Message::Binary(bytes))) => *answer = Some(frames::binary(&bytes)),
            Some(Ok(Message::Close(_))) | None => return Poll::Ready(End::Peer),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Poll::Ready(End::from(&error)),
        }
    }
}
