use super::*;

const BOUNDS: Bounds = Bounds { sockets_max: 3, sockets_per_address_max: 2, peers_are_clients: true };

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn socket(admission: &Admission, client: &str) -> Result<Place, Full> {
    admission.connect(ip(client))?.enter(ip(client))
}

#[test]
fn places_are_bounded_and_come_back() {
    let admission = Admission::new(BOUNDS);
    let first = socket(&admission, "192.0.2.1").unwrap_or_else(|full| panic!("{full:?}"));
    let _second = socket(&admission, "192.0.2.1").ok();
    assert_eq!(socket(&admission, "192.0.2.1").err(), Some(Full::Address));
    let _other = socket(&admission, "192.0.2.2").ok();
    assert_eq!(socket(&admission, "192.0.2.3").err(), Some(Full::Everything));
    drop(first);
    assert!(socket(&admission, "192.0.2.1").is_ok());
    assert_eq!(admission.sockets(), 2);
}

#[test]
fn an_ipv6_client_is_its_network() {
    let admission = Admission::new(BOUNDS);
    let _places = ["2001:db8::1", "2001:db8::2"].map(|client| socket(&admission, client).ok());
    assert_eq!(socket(&admission, "2001:db8::3").err(), Some(Full::Address));
    assert!(socket(&admission, "2001:db8:0:1::3").is_ok());
    assert_eq!(client_of(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
}

#[test]
fn connections_that_are_no_sockets_are_bounded_too() {
    let admission = Admission::new(BOUNDS);
    let per_address = BOUNDS.sockets_per_address_max + HTTP_CONNECTIONS_PER_ADDRESS_SPARE;
    let mut open = Vec::new();
    for _ in 0..per_address {
        open.push(admission.connect(ip("192.0.2.1")).ok());
    }
    assert_eq!(admission.connect(ip("192.0.2.1")).err(), Some(Full::Address));
    let all = BOUNDS.sockets_max + HTTP_CONNECTIONS_SPARE;
    for client in 0..all - per_address {
        open.push(admission.connect(Ipv6Addr::from_bits((client as u128 + 1) << 64).into()).ok());
    }
    assert!(open.iter().all(Option::is_some));
    assert_eq!(admission.connect(ip("192.0.2.9")).err(), Some(Full::Everything));
    open.clear();
    assert!(admission.counts().clients.is_empty() && admission.counts().connections == 0);
}

#[test]
fn a_proxy_is_no_client() {
    let admission = Admission::new(Bounds { peers_are_clients: false, ..BOUNDS });
    let proxy: Vec<_> = (0..100).map(|_| admission.connect(ip("10.0.0.1")).ok()).collect();
    assert!(proxy.iter().all(Option::is_some));
}
