use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a healthcheck finds a program of this machine that listens at an address: who listens everywhere does so here, too.
pub fn on_this_machine(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listens.port())
}
