//! How many bytes a peer may send: tungstenite tells of whole messages only, and a peer can send fragments without end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::limits::MESSAGE_BYTES_MAX;

/// 64 KiB a second.
const BYTES_PER_SECOND: u32 = 64 << 10;
/// At once.
const BURST_BYTES: u32 = 256 << 10;
/// What a read counts at least: it costs more than its bytes.
const READ_BYTES_MIN: u32 = 128;

// Whoever may send a message may send several in a row.
const _: () = assert!(BURST_BYTES as usize >= 10 * MESSAGE_BYTES_MAX);

/// The peer sends more than it may.
#[derive(Debug, thiserror::Error)]
#[error("more than {BYTES_PER_SECOND} bytes a second")]
pub(super) struct TooMuch;

impl TooMuch {
    /// Whether this is why a read failed.
    pub(super) fn is_in(error: &io::Error) -> bool {
        error.get_ref().and_then(|error| error.downcast_ref::<Self>()).is_some()
    }
}

/// A stream whose reads fail once with [`TooMuch`]. After that they pass: what is left to read is thrown away.
pub(super) struct Metered<S> {
    stream: S,
    /// A bucket of tokens, as the time at which it would be full. None: it has failed.
    full_at: Option<Instant>,
}

impl<S> Metered<S> {
    /// Nothing was read yet.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, full_at: Some(Instant::now()) }
    }
}

/// How long it takes until so many bytes are forgotten.
fn time_of(bytes: u32) -> Duration {
    Duration::from_secs(1) * bytes / BYTES_PER_SECOND
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = Instant::now();
        if self.full_at.is_some_and(|full_at| full_at >= now + time_of(BURST_BYTES)) {
            self.full_at = None;
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = u32::try_from(buffer.filled().len() - before).unwrap_or(u32::MAX);
        self.full_at = self.full_at.map(|full_at| full_at.max(now) + time_of(bytes.max(READ_BYTES_MIN)));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, repeat};

    use super::*;

    /// Reads until it fails; how often it did not.
    async fn reads(metered: &mut Metered<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> u32 {
        let mut reads = 0;
        while metered.read(buffer).await.is_ok() {
            reads += 1;
        }
        reads
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_so_much_a_second() {
        let mut metered = Metered::new(repeat(0));
        let mut kib = [0; 1 << 10];
        for _ in 0..1_000 {
            metered.read_exact(&mut kib).await.unwrap();
            tokio::time::advance(time_of(1 << 10)).await;
        }
        assert_eq!(reads(&mut metered, &mut kib).await, BURST_BYTES >> 10);
        metered.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn single_bytes_count_for_more() {
        let mut metered = Metered::new(repeat(0));
        assert_eq!(reads(&mut metered, &mut [0]).await, BURST_BYTES / READ_BYTES_MIN);
    }
}
