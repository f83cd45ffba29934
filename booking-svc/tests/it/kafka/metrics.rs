//! What a relay tells Prometheus, and that docs/metrics.md says the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::load;
use crate::support::wait_until;

/// Waits until the sum of a metric's series that have this label is as it should be.
pub(super) async fn becomes(address: SocketAddr, metric: &str, label: &str, is_so: impl Fn(f64) -> bool) {
    wait_until(metric, load::LIMIT, async || {
        let scrape = scrape(address).await;
        let series = scrape.lines().filter(|line| line.starts_with(metric) && line.contains(label));
        is_so(series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum())
    })
    .await;
}

/// The same names with the same labels, of those that begin like this.
pub(super) async fn assert_documented(address: SocketAddr, ours: &str) {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in scrape(address).await.lines().filter(|line| line.starts_with(ours)) {
        let series = line.rsplit_once(' ').unwrap().0;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels =
            labels.trim_end_matches('}').split(',').filter_map(|label| Some(label.split_once('=')?.0));
        told.entry(name.to_owned()).or_default().extend(labels.map(str::to_owned));
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let docs = fs::read_to_string(docs).unwrap();
    let (_, part) = docs.split_once("\n## booking-svc with Kafka\n").unwrap();
    let rows = part.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut documented: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').collect();
            (quoted(cells[1]).remove(0), quoted(cells[2]).into_iter().collect())
        })
        .collect();
    documented.retain(|name, _| name.starts_with(ours));
    assert_eq!(told, documented);
}

pub(super) async fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.0 200 "), "{text}");
    text
}
