//! Who may come in: places in all and per client address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::limits::{HTTP_CONNECTIONS_PER_ADDRESS_SPARE, HTTP_CONNECTIONS_SPARE};

/// How many may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Sockets in all.
    pub sockets_max: usize,
    /// Sockets of one client address (IPv6: of one /64).
    pub sockets_per_address_max: usize,
    /// Whether the peer of a TCP connection is the client itself, and no proxy.
    pub peers_are_clients: bool,
}

/// What is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The gateway.
    Everything,
    /// What one client address may have.
    Address,
}

/// Counts connections and sockets. Nobody waits for a place: who finds none is refused. Cheap to clone.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    bounds: Bounds,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    sockets: usize,
    /// Only clients that have something; so it is bounded by the connections.
    clients: HashMap<IpAddr, Client>,
}

#[derive(Default)]
struct Client {
    connections: usize,
    sockets: usize,
}

impl Admission {
    /// Nobody is in yet.
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Inner { bounds, counts: Mutex::default() }))
    }

    /// Lets a TCP connection in, whatever it will be used for.
    pub fn connect(&self, peer: IpAddr) -> Result<Arc<Connection>, Full> {
        let Bounds { sockets_max, sockets_per_address_max, peers_are_clients } = self.0.bounds;
        let mut counts = self.counts();
        if counts.connections >= sockets_max + HTTP_CONNECTIONS_SPARE {
            return Err(Full::Everything);
        }
        // Behind a proxy all come from a few addresses.
        let address = peers_are_clients.then(|| client_of(peer));
        if let Some(address) = address {
            let client = counts.clients.entry(address).or_default();
            if client.connections >= sockets_per_address_max + HTTP_CONNECTIONS_PER_ADDRESS_SPARE {
                return Err(Full::Address);
            }
            client.connections += 1;
        }
        counts.connections += 1;
        Ok(Arc::new(Connection { admission: self.clone(), address }))
    }

    /// How many sockets are open.
    pub(crate) fn sockets(&self) -> usize {
        self.counts().sockets
    }

    /// How many connections are open, those of sockets included.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.counts().connections
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn leave(&mut self, address: IpAddr, leave: impl FnOnce(&mut Client)) {
        if let Some(client) = self.clients.get_mut(&address) {
            leave(client);
            if client.connections == 0 && client.sockets == 0 {
                self.clients.remove(&address);
            }
        }
    }
}

/// A TCP connection that was let in; it leaves when nobody has this any more.
pub struct Connection {
    admission: Admission,
    /// Counted under it, unless it is a proxy's.
    address: Option<IpAddr>,
}

impl Connection {
    /// Makes it a socket of `client`.
    pub fn enter(self: &Arc<Self>, client: IpAddr) -> Result<Place, Full> {
        let bounds = self.admission.0.bounds;
        let address = client_of(client);
        let mut counts = self.admission.counts();
        let used = counts.clients.get(&address).map_or(0, |client| client.sockets);
        if counts.sockets >= bounds.sockets_max {
            return Err(Full::Everything);
        }
        if used >= bounds.sockets_per_address_max {
            return Err(Full::Address);
        }
        counts.sockets += 1;
        counts.clients.entry(address).or_default().sockets += 1;
        drop(counts);
        Ok(Place { connection: Arc::clone(self), address })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.connections -= 1;
        if let Some(address) = self.address {
            counts.leave(address, |client| client.connections -= 1);
        }
    }
}

/// The place of one socket; it is free again when this is dropped.
pub struct Place {
    /// Counts for as long as the socket is open.
    connection: Arc<Connection>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connection.admission.counts();
        counts.sockets -= 1;
        counts.leave(self.address, |client| client.sockets -= 1);
    }
}

/// Under which address a client is counted: an IPv6 client has a whole /64 to pick from.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
