//! What a program tells Prometheus.

use std::time::Duration;

use testkit::{program::Program, wait_until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A gauge follows within a second or two.
const METRIC_LIMIT: Duration = Duration::from_secs(20);

/// Has a program serve /metrics at a port that is free.
pub(crate) const ANY_PORT: (&str, &str) = ("TE_METRICS_LISTEN", "127.0.0.1:0");

/// The sum over some programs of a metric's series that have all of these labels, such as `outcome="granted"`.
pub(crate) async fn total(programs: &[Program], metric: &str, labels: &[&str]) -> f64 {
    let mut sum = 0.0;
    for program in programs {
        sum += of(&scrape(program).await, metric, labels);
    }
    sum
}

/// Waits until that is so.
pub(crate) async fn becomes(
    programs: &[Program],
    metric: &str,
    labels: &[&str],
    is_so: impl Fn(f64) -> bool,
) {
    wait_until(&format!("{metric} {labels:?}"), METRIC_LIMIT, async || {
        is_so(total(programs, metric, labels).await)
    })
    .await;
}

async fn scrape(program: &Program) -> String {
    let log = program.log();
    let line = log.lines().rfind(|line| line.contains("serving /metrics")).expect("it is served");
    let (_, address) = line.rsplit_once("address=").unwrap();
    let mut stream = TcpStream::connect(address.trim()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.0 200 "), "{text}");
    text
}

fn of(scrape: &str, metric: &str, labels: &[&str]) -> f64 {
    let series = scrape.lines().filter_map(|line| line.rsplit_once(' '));
    let named = series.filter(|(name, _)| name.split('{').next() == Some(metric));
    let mine = named.filter(|(name, _)| labels.iter().all(|label| name.contains(label)));
    mine.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}
