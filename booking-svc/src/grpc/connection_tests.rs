use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// What the pipe holds before a writer has to wait.
const PIPE_BYTES: usize = 64;

async fn connected() -> (Connection<DuplexStream>, DuplexStream) {
    let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let (ours, theirs) = duplex(PIPE_BYTES);
    (Connection::new(ours, place), theirs)
}

/// Reads until the connection ends; why, and after how long.
async fn ended(connection: &mut Connection<DuplexStream>) -> (io::ErrorKind, Duration) {
    let start = Instant::now();
    loop {
        if let Err(error) = connection.read_u8().await {
            return (error.kind(), start.elapsed());
        }
    }
}

/// Writes a byte at a time, `every` so often.
async fn drip(mut client: DuplexStream, bytes: usize, every: Duration) {
    for _ in 0..bytes {
        sleep(every).await;
        if client.write_all(b"x").await.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_open_in_time_is_cut_off() {
    for bytes in [0, 1, OPENING_BYTES - 1] {
        let (mut connection, client) = connected().await;
        let every = limits::OPENING_WAIT / OPENING_BYTES as u32;
        let ended = tokio::select! {
            ended = ended(&mut connection) => ended,
            () = drip(client, bytes, every) => unreachable!(),
        };
        assert_eq!(ended, (io::ErrorKind::TimedOut, limits::OPENING_WAIT), "{bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_opened_lives_as_long_as_he_is_heard() {
    let (mut connection, mut client) = connected().await;
    client.write_all(&[0; OPENING_BYTES]).await.unwrap();
    let (drops, every) = (10, limits::SILENCE_MAX - Duration::from_secs(1));
    let (kind, after) = tokio::select! {
        ended = ended(&mut connection) => ended,
        () = drip(client, drops, every) => unreachable!(),
    };
    assert_eq!((kind, after), (io::ErrorKind::TimedOut, every * drops as u32 + limits::SILENCE_MAX));
}

#[tokio::test(start_paused = true)]
async fn a_write_to_the_silent_does_not_wait_for_ever() {
    let (mut connection, mut client) = connected().await;
    client.write_all(&[0; OPENING_BYTES]).await.unwrap();
    connection.read_exact(&mut [0; OPENING_BYTES]).await.unwrap();
    let start = Instant::now();
    let error = connection.write_all(&[0; 2 * PIPE_BYTES]).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, limits::SILENCE_MAX));
}

#[tokio::test(start_paused = true)]
async fn a_line_can_be_cut() {
    let (mut connection, _client) = connected().await;
    let line = connection.connect_info();
    let cut = async {
        sleep(Duration::from_secs(1)).await;
        line.cut();
        std::future::pending::<()>().await;
    };
    let (kind, after) = tokio::select! {
        ended = ended(&mut connection) => ended,
        () = cut => unreachable!(),
    };
    assert_eq!((kind, after), (io::ErrorKind::ConnectionAborted, Duration::from_secs(1)));
}
