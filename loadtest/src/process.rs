//! What the kernel tells of a process on this machine: its memory and its time on the CPU.

use std::{fs, path::Path, time::Duration};

/// A process that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    /// Its children count as part of it.
    family: bool,
}

impl Process {
    /// By its number.
    pub(crate) fn numbered(pid: u32) -> Self {
        Self { pid, family: false }
    }

    /// The same with its children: a server that makes a process for each connection.
    pub(crate) fn with_children(self) -> Self {
        Self { family: true, ..self }
    }

    /// The one that has a listening socket on the port; only processes of this user are seen.
    pub(crate) fn listening_on(port: u16) -> Option<Self> {
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let inode =
            tables.iter().flat_map(|table| table.lines()).find_map(|line| listening_inode(line, port))?;
        let link = format!("socket:[{inode}]");
        let pid = processes().find(|pid| {
            let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(&link)))
        });
        pid.map(Self::numbered)
    }

    /// Bytes that are in memory now.
    pub(crate) fn resident(self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))?;
        Some(kib.trim().parse::<u64>().ok()? * 1024)
    }

    /// Time on the CPU since it began; with children, also theirs, and that of those that have ended.
    pub(crate) fn cpu(self) -> Option<Duration> {
        let own = Times::of(self.pid)?;
        let mut ticks = own.own;
        if self.family {
            let children = processes().filter_map(Times::of).filter(|child| child.parent == self.pid);
            ticks += own.ended + children.map(|child| child.own + child.ended).sum::<u64>();
        }
        Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }
}

/// Processes that count as one: the servers of one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes(Vec<Process>);

impl Processes {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their time on the CPU; nothing where one of them is gone.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.0.iter().map(|process| process.cpu()).sum()
    }
}

impl FromIterator<Process> for Processes {
    fn from_iter<I: IntoIterator<Item = Process>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl From<Option<Process>> for Processes {
    fn from(process: Option<Process>) -> Self {
        process.into_iter().collect()
    }
}

/// From `/proc/PID/stat`, in ticks.
#[derive(Debug, PartialEq, Eq)]
struct Times {
    parent: u32,
    own: u64,
    /// Of children that have ended.
    ended: u64,
}

impl Times {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name stands in brackets and may hold anything: what follows its end counts, from the third field on.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            own: number(14)? + number(15)?,
            ended: number(16)? + number(17)?,
        })
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The inode of a line of `/proc/net/tcp`, where it is of a listener (state 0A) on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let is_it = fields.get(1)?.ends_with(&format!(":{port:04X}")) && *fields.get(3)? == "0A";
    is_it.then(|| fields.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, net::TcpListener, process, time::Instant};

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(Process::listening_on(port), Some(Process::numbered(process::id())));
        assert!(Process::numbered(process::id()).resident().unwrap() > 100_000);
        drop(socket);
        assert_eq!(Process::listening_on(port), None);
    }

    #[test]
    fn work_is_time_on_the_cpu() {
        let own = Process::numbered(process::id());
        let before = own.cpu().unwrap();
        // However long a busy machine takes to let it work.
        let (begin, enough) = (Instant::now(), Duration::from_millis(20));
        let used = || own.cpu().unwrap() - before;
        while used() < enough && begin.elapsed() < Duration::from_secs(10) {
            black_box((0..100_000).sum::<u64>());
        }
        assert!(used() >= enough, "{:?} after {:?}", used(), begin.elapsed());
    }

    #[test]
    fn children_count_only_where_they_are_asked_for() {
        let own = Process::numbered(process::id());
        let before = [own, own.with_children()].map(|process| process.cpu().unwrap());
        let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
        assert!(process::Command::new("sh").args(["-c", busy]).status().unwrap().success());
        let after = [own, own.with_children()].map(|process| process.cpu().unwrap());
        assert!(after[1] - before[1] >= Duration::from_millis(20), "a child that has ended");
        assert!(after[1] - before[1] > after[0] - before[0]);
    }

    #[test]
    fn several_count_as_one_while_all_are_there() {
        let own = Process::numbered(process::id());
        let both: Processes = [own, own].into_iter().collect();
        let (before, twice, after) = (own.cpu().unwrap(), both.cpu().unwrap(), own.cpu().unwrap());
        assert!(twice >= before * 2 && twice <= after * 2, "{before:?} {twice:?} {after:?}");
        let mut child = process::Command::new("true").spawn().unwrap();
        let with_gone: Processes = [own, Process::numbered(child.id())].into_iter().collect();
        assert!(child.wait().unwrap().success());
        assert_eq!(with_gone.cpu(), None);
    }

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = "7 (a) b) 9 S) S 4 7 7 0 -1 4194304 100 0 0 0 11 12 13 14 20 0";
        assert_eq!(Times::parse(stat), Some(Times { parent: 4, own: 23, ended: 27 }));
        assert_eq!(Times::parse("7 (a) S 4"), None);
    }

    #[test]
    fn only_a_listener_counts() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1";
        assert_eq!(listening_inode(line, 8080), Some("42"));
        assert_eq!(listening_inode(line, 8081), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(listening_inode("  sl  local_address rem_address   st", 8080), None);
    }
}
