//! Free ports that stay ours while a store on them is down.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range from which Linux takes the ports of outgoing connections: a client can not be given a port of ours
/// while its store is down.
const FIRST: u16 = 11_000;
const COUNT: u16 = 20_000;

/// A TCP port of 127.0.0.1 for one store. The UDP port of the same number marks it as taken, among all test processes.
pub struct Port {
    number: u16,
    _mark: UdpSocket,
}

impl Port {
    /// Takes a port on which nobody listens.
    pub fn take() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Two test processes begin at different places.
        let start = (process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (start + step) % COUNT;
            if let Ok(mark) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))
                && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Self { number, _mark: mark };
            }
        }
        panic!("no free port between {FIRST} and {}", FIRST + COUNT);
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Where its store listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
