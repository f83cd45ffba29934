//! One thread that reads all sockets: as little work a frame as can be, so that what is measured is the other end.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
};

use super::{
    delays::Recording,
    frame::{self, Frame, Frames},
    sight::{Counts, Sight},
};

/// How many sockets are read before others get at what was seen.
const EVENTS_MAX: usize = 1024;
/// A pause after fewer: so the other end seldom has to wake this thread, which would cost it more than the write. It makes
/// delays look longer by as much.
const GATHER: Duration = Duration::from_micros(500);
/// What is read at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// How long a quiet reader sleeps before it looks after the sockets that are read now and then.
const SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// How often these are read.
pub(super) const NOW_AND_THEN: Duration = Duration::from_millis(500);
/// The peer does not write any more.
const ENDS: epoll::EventFlags = epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP);
/// A pong without a payload, masked with zeros.
const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];

/// Reads until it is dropped.
pub(super) struct Reader(Arc<Inner>);

struct Inner {
    epoll: OwnedFd,
    state: Mutex<State>,
    ended: AtomicBool,
}

#[derive(Default)]
struct State {
    members: Vec<Member>,
    /// Those that are read now and then: all of them within [`NOW_AND_THEN`].
    others: Vec<usize>,
    /// How many of those were read, over all passes.
    others_read: u64,
    /// When something came to one of the sockets that are read at once.
    busy: Option<Instant>,
    frames: Frames,
    deliveries: u64,
    recording: Option<Recording>,
}

struct Member {
    stream: TcpStream,
    sight: Sight,
    /// The beginning of a frame.
    rest: Vec<u8>,
    /// It is read at once, and its delays count.
    prompt: bool,
}

impl Reader {
    /// Without sockets.
    pub(super) fn start() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let inner = Arc::new(Inner { epoll, state: Mutex::default(), ended: AtomicBool::new(false) });
        let own = Arc::clone(&inner);
        thread::Builder::new().name("reader".to_owned()).spawn(move || own.run())?;
        Ok(Self(inner))
    }

    /// Reads this one too, of which `rest` was read already: at once, or now and then.
    pub(super) fn add(&self, stream: TcpStream, rest: &[u8], prompt: bool) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let mut state = self.0.state();
        let number = state.members.len();
        if prompt {
            let data = epoll::EventData::new_u64(number as u64);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
            epoll::add(&self.0.epoll, &stream, data, flags)?;
        } else {
            state.others.push(number);
        }
        state.members.push(Member { stream, sight: Sight::opened(), rest: Vec::new(), prompt });
        state.take(number, rest);
        Ok(())
    }

    /// How many there are or were.
    pub(super) fn len(&self) -> usize {
        self.0.state().members.len()
    }

    /// What they have seen.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.0.state().members.iter().for_each(|member| counts.add(&member.sight));
        counts
    }

    /// How many frames came.
    pub(super) fn deliveries(&self) -> u64 {
        self.0.state().deliveries
    }

    /// From now on remembers when changes come. What was remembered until now.
    pub(super) fn record(&self) -> Option<Recording> {
        self.0.state().recording.replace(Recording::default())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

impl Inner {
    fn run(&self) {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; BUFFER_BYTES];
        let begun = Instant::now();
        while !self.ended.load(Ordering::Relaxed) {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&SLEEP)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
            let mut state = self.state();
            if !events.is_empty() {
                state.busy = Some(Instant::now());
            }
            for event in &events {
                let event: &epoll::Event = event;
                let flags = event.flags;
                let ends = flags.intersects(ENDS);
                state.read(event.data.u64() as usize, &mut buffer, ends);
            }
            state.read_others(begun.elapsed(), &mut buffer);
            drop(state);
            if events.len() < EVENTS_MAX {
                thread::sleep(GATHER);
            }
        }
    }

    /// What a panic left is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads those of the sockets that are read now and then whose turn came within so long a time.
    fn read_others(&mut self, elapsed: Duration, buffer: &mut [u8]) {
        let count = self.others.len() as u64;
        let passes = elapsed.as_secs_f64() / NOW_AND_THEN.as_secs_f64();
        let wanted = (passes * count as f64) as u64;
        // Of a long sleep, one pass is enough; and more may have come since.
        let first = self.others_read.clamp(wanted.saturating_sub(count), wanted);
        self.others_read = wanted;
        // They get what the others get: while that is nothing, looking for it would only cost.
        if self.busy.is_none_or(|busy| busy.elapsed() > 2 * NOW_AND_THEN) {
            return;
        }
        for turn in first..wanted {
            let number = self.others[(turn % count) as usize];
            self.read(number, buffer, false);
        }
    }

    /// Reads all there is: an edge is told once. Less than fits is all there is, but the end may be behind it.
    fn read(&mut self, number: usize, buffer: &mut [u8], ends: bool) {
        loop {
            match (&self.members[number].stream).read(buffer) {
                Ok(read) if read > 0 => {
                    self.take(number, &buffer[..read]);
                    if read < buffer.len() && !ends {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.members[number].sight.closed(),
            }
        }
    }

    /// Bytes of a socket: mostly one whole frame.
    fn take(&mut self, number: usize, read: &[u8]) {
        let mut begun = std::mem::take(&mut self.members[number].rest);
        let mut bytes = read;
        if !begun.is_empty() {
            begun.extend_from_slice(read);
            bytes = &begun;
        }
        let when = Instant::now();
        while let Some(length) = frame::length(bytes) {
            let (frame, others) = bytes.split_at(length);
            self.frame(number, frame, when);
            bytes = others;
        }
        self.members[number].rest = bytes.to_vec();
    }

    fn frame(&mut self, number: usize, bytes: &[u8], when: Instant) {
        let Self { members, frames, deliveries, recording, .. } = self;
        let (frame, is_new) = frames.read(bytes);
        let member = &mut members[number];
        let led = member.sight.take(frame);
        if *frame == Frame::Ping {
            // A socket that does not take six bytes is about to be found silent.
            let _ = member.stream.write(&PONG);
            return;
        }
        *deliveries += 1;
        if let Some(recording) = recording {
            if is_new {
                recording.first(frame, bytes.len());
            }
            if member.prompt
                && let Some((from, to)) = led
            {
                recording.arrived(from, to, when);
            }
        }
    }
}
