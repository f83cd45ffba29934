//! The resident memory of a process on this machine.

use std::{fs, net::SocketAddr, path::Path};

use crate::error::Error;

/// A process whose memory is read.
pub(super) struct Memory {
    pid: u32,
}

impl Memory {
    /// Of this process, or of the one that listens at `address`.
    pub(super) fn of(pid: Option<u32>, address: SocketAddr) -> Result<Self, Error> {
        let pid = pid.or_else(|| listener(address.port()));
        let memory = Self { pid: pid.ok_or(Error::Memory("no process here is seen to listen on its port"))? };
        memory.resident()?;
        Ok(memory)
    }

    /// Bytes that are in memory now.
    pub(super) fn resident(&self) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid));
        let status = status.map_err(|_| Error::Memory("the process is gone"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
        let kib = kib.and_then(|kib| kib.trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or(Error::Memory("the kernel does not tell it"))
    }
}

/// The process that has a listening socket on the port.
fn listener(port: u16) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| listening_inode(line, port))?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(&link)))
    })
}

/// The inode of a line of `/proc/net/tcp`, where it is of a listener (state 0A) on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let is_it = fields.get(1)?.ends_with(&format!(":{port:04X}")) && *fields.get(3)? == "0A";
    is_it.then(|| fields.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, process};

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(listener(address.port()), Some(process::id()));
        assert!(Memory::of(None, address).unwrap().resident().unwrap() > 100_000);
        drop(socket);
        assert_eq!(listener(address.port()), None);
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
