use std::{net::SocketAddr, str::FromStr};

use http::Uri;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use url::{Host, Url};

use super::{
    Target,
    calls::{Service, Traced},
};
use crate::limits::{CONNECT_WAIT, HTTP2_PING_EVERY, HTTP2_PING_WAIT, TCP_KEEPALIVE};

/// The address of booking-svc as an operator gives it, such as `http://booking:50051`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl {
    host: String,
    port: u16,
    tls: bool,
    /// The same, as the peer is called in HTTP/2.
    origin: Uri,
}

/// Why a text is no [`TargetUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a list of URLs such as http://booking:50051 or https://booking:50051, not {0:?}")]
pub struct NoTarget(String);

impl FromStr for TargetUrl {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let no = || NoTarget(text.to_owned());
        let url = Url::parse(text).map_err(|_| no())?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !["http", "https"].contains(&url.scheme()) || !plain || !url.username().is_empty() {
            return Err(no());
        }
        let host = match url.host().ok_or_else(no)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or_else(no)?;
        let origin = url.as_str().parse().map_err(|_| no())?;
        Ok(Self { host, port, tls: url.scheme() == "https", origin })
    }
}

impl TargetUrl {
    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether its certificate is to be checked.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Whether its certificates could be checked with this CA.
    pub fn try_tls(&self, ca: &Certificate) -> Result<(), tonic::transport::Error> {
        Endpoint::from(self.origin.clone()).tls_config(self.tls_config(ca)).map(drop)
    }

    fn tls_config(&self, ca: &Certificate) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(ca.clone()).domain_name(&self.host)
    }

    /// How one of its addresses is called.
    pub(super) fn address(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.tls { "https" } else { "http" })
    }

    pub(super) fn target(&self, address: SocketAddr, ca: Option<&Certificate>) -> Target {
        self.channel(self.address(address), ca)
    }

    /// Leaves the name to the system's resolver, once a connection.
    pub(super) fn by_name(&self, ca: Option<&Certificate>) -> Target {
        self.channel(self.origin.to_string().trim_end_matches('/').to_owned(), ca)
    }

    fn channel(&self, address: String, ca: Option<&Certificate>) -> Target {
        let endpoint = address.parse::<Uri>().unwrap_or_else(|_| self.origin.clone());
        let endpoint = Endpoint::from(endpoint)
            .origin(self.origin.clone())
            .connect_timeout(CONNECT_WAIT)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(TCP_KEEPALIVE))
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .keep_alive_timeout(HTTP2_PING_WAIT)
            .keep_alive_while_idle(true);
        let endpoint = match ca.filter(|_| self.tls) {
            // The configuration has tried the same; without TLS the target would answer nothing.
            Some(ca) => endpoint.clone().tls_config(self.tls_config(ca)).unwrap_or(endpoint),
            None => endpoint,
        };
        Target { channel: connect(&endpoint), streams: connect(&endpoint), address }
    }
}

fn connect(endpoint: &Endpoint) -> Service {
    Service::new(endpoint.connect_lazy(), Traced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        let table = [
            ("http://booking:50051", Some(("booking", 50051, false))),
            ("https://Booking.Example", Some(("booking.example", 443, true))),
            ("http://[::1]:7/", Some(("::1", 7, false))),
            ("http://10.0.0.1:50051", Some(("10.0.0.1", 50051, false))),
            ("booking:50051", None),
            ("ftp://booking", None),
            ("http://booking/path", None),
            ("http://ann@booking", None),
            ("", None),
        ];
        for (text, expected) in table {
            let url = text.parse::<TargetUrl>().ok();
            assert_eq!(url.as_ref().map(|url| (url.host(), url.port(), url.tls())), expected, "{text}");
        }
    }
}
