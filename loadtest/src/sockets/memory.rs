//! The resident memory of the gateway.

use std::net::SocketAddr;

use crate::{error::Error, process::Process};

/// A process whose memory is read.
pub(super) struct Memory {
    process: Process,
}

impl Memory {
    /// Of this process, or of the one that listens at `address`.
    pub(super) fn of(pid: Option<u32>, address: SocketAddr) -> Result<Self, Error> {
        let process = pid.map(Process::numbered).or_else(|| Process::listening_on(address.port()));
        let memory =
            Self { process: process.ok_or(Error::Memory("no process here is seen to listen on its port"))? };
        memory.resident()?;
        Ok(memory)
    }

    /// Bytes that are in memory now.
    pub(super) fn resident(&self) -> Result<u64, Error> {
        self.process.resident().ok_or(Error::Memory("the process is gone"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_memory_is_that_of_who_listens() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(Memory::of(None, address).unwrap().resident().unwrap() > 100_000);
        drop(socket);
        assert!(Memory::of(None, address).is_err());
    }
}
