//! Which pages may connect.

use std::str::FromStr;

use http::{HeaderValue, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::{Origin, Url};

use crate::limits::CORS_AGE_MAX;

/// The sites whose pages may use the gateway. The gateway's own page always may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// No other site.
    #[default]
    Own,
    /// These, as browsers write them.
    Listed(Vec<String>),
    /// All.
    Any,
}

/// Why a text is no list of origins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be \"*\" or a list such as https://tickets.example,http://localhost:3000, not {0:?}")]
pub struct NoOrigin(String);

impl FromStr for Origins {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let sites = text.split(',').map(str::trim).filter(|site| !site.is_empty());
        let sites = sites.map(|site| {
            let url = Url::parse(site).ok().filter(|url| url.path() == "/" && url.query().is_none());
            let origin = url.map(|url| url.origin()).filter(Origin::is_tuple);
            origin.map(|origin| origin.ascii_serialization()).ok_or_else(|| NoOrigin(site.to_owned()))
        });
        let sites = sites.collect::<Result<Vec<_>, _>>()?;
        Ok(if sites.is_empty() { Self::Own } else { Self::Listed(sites) })
    }
}

impl Origins {
    /// Whether a page of `origin` may open a socket at `host`. Who is no browser sends no Origin, and may.
    pub(super) fn allow(&self, origin: Option<&HeaderValue>, host: Option<&HeaderValue>) -> bool {
        origin.is_none_or(|origin| self.list(origin) || is_own(origin, host))
    }

    fn list(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Own => false,
            Self::Listed(sites) => sites.iter().any(|site| site.as_bytes() == origin.as_bytes()),
            Self::Any => true,
        }
    }

    /// Lets pages of these sites read what is public.
    pub(super) fn cors(&self) -> CorsLayer {
        let allowed = match self {
            Self::Any => AllowOrigin::any(),
            Self::Own | Self::Listed(_) => {
                let origins = self.clone();
                AllowOrigin::predicate(move |origin, _| origins.list(origin))
            }
        };
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([http::Method::GET])
            .expose_headers([http::header::ETAG])
            .max_age(CORS_AGE_MAX)
    }
}

/// Whether a page comes from the gateway itself. Behind a proxy that ends TLS only the host can be compared.
pub(super) fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let page = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    let own = host.and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Uri>().ok());
    let (Some(page), Some(own)) = (page, own) else { return false };
    let same_port = page.port_or_known_default() == own.port_u16().or(default_port(page.scheme()));
    same_port && page.host_str().zip(own.host()).is_some_and(|(page, own)| page.eq_ignore_ascii_case(own))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &str, origin: &str, host: &str) -> bool {
        let header = |text: &str| (!text.is_empty()).then(|| HeaderValue::from_str(text).unwrap());
        let origins: Origins = list.parse().unwrap();
        origins.allow(header(origin).as_ref(), header(host).as_ref())
    }

    #[test]
    fn pages_of_listed_sites_and_our_own_may_connect() {
        let sites = "https://tickets.example, http://localhost:3000/,https://Shop.Example:443";
        let table = [
            // Not a browser.
            ("", "", "gateway:8080", true),
            // Our own page, also behind a proxy that ends TLS.
            ("", "http://gateway:8080", "gateway:8080", true),
            ("", "https://gateway", "gateway", true),
            ("", "https://gateway", "Gateway:443", true),
            ("", "http://gateway", "gateway:8080", false),
            ("", "http://[::1]:8080", "[::1]:8080", true),
            ("", "https://gateway.evil.example", "gateway", false),
            ("", "http://evil.example", "gateway", false),
            ("", "null", "gateway", false),
            ("", "http://gateway", "", false),
            ("", "file://", "gateway", false),
            // Other sites.
            (sites, "https://tickets.example", "gateway", true),
            (sites, "http://localhost:3000", "gateway", true),
            (sites, "https://shop.example", "gateway", true),
            (sites, "http://tickets.example", "gateway", false),
            (sites, "https://tickets.example:8443", "gateway", false),
            (sites, "https://tickets.example.evil", "gateway", false),
            (sites, "http://gateway", "gateway", true),
            (sites, "null", "gateway", false),
            ("*", "https://anything.example", "gateway", true),
            ("*", "null", "gateway", true),
        ];
        for (list, origin, host, expected) in table {
            assert_eq!(allowed(list, origin, host), expected, "{list:?} {origin:?} {host:?}");
        }
    }

    #[test]
    fn a_site_is_scheme_host_and_port() {
        for wrong in ["tickets.example", "https://tickets.example/path", "data:x", "https://a.example,*"] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
        assert_eq!(" , ".parse(), Ok(Origins::Own));
    }
}
