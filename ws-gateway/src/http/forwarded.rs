use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// Who sent a request that came through `hops` proxies of ours, each of which appends to X-Forwarded-For whom it saw.
///
/// Entries further left were written by strangers. Where an entry is missing or no address, it is the peer itself.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, hops: usize) -> IpAddr {
    let Some(from_right) = hops.checked_sub(1) else { return peer };
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    entries.nth(from_right).and_then(|entry| address(entry.trim())).unwrap_or(peer)
}

/// Some proxies write the port as well.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_proxies_are_believed() {
        let table: [(usize, &[&str], &str); 14] = [
            (0, &["192.0.2.1"], "10.0.0.1"),
            (1, &[], "10.0.0.1"),
            (1, &["192.0.2.1"], "192.0.2.1"),
            (1, &["192.0.2.66, 192.0.2.1"], "192.0.2.1"),
            (1, &["192.0.2.66", "192.0.2.1"], "192.0.2.1"),
            (2, &["192.0.2.66, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (2, &["192.0.2.66, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            // It came round one of the proxies: what is left of the list is a stranger's.
            (2, &["192.0.2.66"], "10.0.0.1"),
            (1, &["unknown"], "10.0.0.1"),
            (1, &["192.0.2.1:1234"], "192.0.2.1"),
            (1, &["2001:db8::1"], "2001:db8::1"),
            (1, &["[2001:db8::1]:1234"], "2001:db8::1"),
            (1, &["[2001:db8::1]"], "2001:db8::1"),
            (1, &["192.0.2.1,"], "10.0.0.1"),
        ];
        for (hops, lines, expected) in table {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let peer = "10.0.0.1".parse().unwrap();
            assert_eq!(client(&headers, peer, hops).to_string(), expected, "{hops} {lines:?}");
        }
    }
}
