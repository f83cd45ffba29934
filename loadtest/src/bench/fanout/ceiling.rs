//! The ceiling: a process that does nothing but write(2) to sockets, and how the bench drives it.
//!
//! It prints its address, takes so many connections, and then answers lines: `MICROSECONDS BYTES BYTES ...` writes a frame of
//! each length to all, one every so many microseconds, and says `done`.

use std::{
    io::{self, BufRead, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{error::Error, process::Process, report};

const DONE: &str = "done";
/// How long it may take to do what it is told.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// The shortest frame that says in two bytes how long it is.
const FRAME_BYTES_MIN: usize = 4 + 126;

/// `loadtest write-ceiling`.
pub(crate) fn serve(sockets: usize) -> Result<(), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    report::print(listener.local_addr()?)?;
    let mut streams = Vec::with_capacity(sockets);
    while streams.len() < sockets {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let numbers: Vec<usize> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        if let [pause_us, lengths @ ..] = &*numbers {
            write_all(&mut streams, Duration::from_micros(*pause_us as u64), lengths)?;
        }
        report::print(DONE)?;
    }
    Ok(())
}

fn write_all(streams: &mut [TcpStream], pause: Duration, lengths: &[usize]) -> io::Result<()> {
    let begun = Instant::now();
    for (number, length) in (0..).zip(lengths) {
        sleep((begun + pause * number).saturating_duration_since(Instant::now()));
        let frame = frame(*length, number);
        for stream in &mut *streams {
            stream.write_all(&frame)?;
        }
    }
    Ok(())
}

/// A text frame of so many bytes in all, at least [`FRAME_BYTES_MIN`], that is unlike the one before.
fn frame(bytes: usize, number: u32) -> Vec<u8> {
    let payload = bytes.clamp(FRAME_BYTES_MIN, usize::from(u16::MAX)) - 4;
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&u16::try_from(payload).unwrap_or(u16::MAX).to_be_bytes());
    frame.extend_from_slice(format!("{number:0payload$}").as_bytes());
    frame
}

/// The process, seen from the bench. Dropping it ends it.
pub(super) struct Ceiling {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its CPU time.
    pub(super) process: Process,
}

impl Ceiling {
    /// Starts it, for so many sockets.
    pub(super) async fn start(sockets: usize) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["write-ceiling", "--sockets", &sockets.to_string()]).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        let mut lines = BufReader::new(stdout).lines();
        let address =
            answer(&mut lines).await?.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let process = Process::numbered(child.id().ok_or(Error::Process)?);
        Ok(Self { _child: child, stdin, lines, address, process })
    }

    /// Has frames of these lengths written to all sockets, so long one after the other.
    pub(super) async fn write(&mut self, pause: Duration, lengths: &[usize]) -> Result<(), Error> {
        let lengths: String = lengths.iter().map(|length| format!(" {length}")).collect();
        self.stdin.write_all(format!("{}{lengths}\n", pause.as_micros()).as_bytes()).await?;
        answer(&mut self.lines).await.map(drop)
    }
}

async fn answer(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String, Error> {
    let line = timeout(ANSWER_WAIT, lines.next_line()).await.map_err(io::Error::from)??;
    Ok(line.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_length_they_should() {
        let (one, two) = (frame(500, 1), frame(500, 2));
        assert_eq!((one.len(), one[2..4].to_vec()), (500, 496_u16.to_be_bytes().to_vec()));
        assert_ne!(one, two);
        assert_eq!([frame(0, 1).len(), frame(1 << 20, 1).len()], [FRAME_BYTES_MIN, 65_535]);
    }
}
