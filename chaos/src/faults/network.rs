//! Faults of the networks of a replica.

use std::time::Duration;

use futures_util::future::join_all;
use testkit::proxy::Proxy;
use tokio::time::{Instant, sleep};

use super::{Kind, schedule::Planned};
use crate::system::Links;

/// Each way; most are far shorter. The longest are longer than the confirm window.
const DELAY_MAX: Duration = Duration::from_millis(1_600);
/// Between two replies that are cut off.
const CUT_EVERY: Duration = Duration::from_millis(120);

pub(super) async fn strike(links: &Links, fault: &Planned, event: &str) {
    let lasts = fault.lasts;
    match fault.kind {
        Kind::RedisCut => all(&links.redis, |network| cut(network, lasts)).await,
        Kind::RedisDelayed => all(&links.redis, |network| delay(network, fault)).await,
        Kind::RedisBlackHole => all(&links.redis, |network| black_hole(network, lasts)).await,
        Kind::RedisReplyCut => all(&links.redis, |network| cut_replies(network, lasts, event)).await,
        Kind::PostgresCut => all(&links.postgres, |network| cut(network, lasts)).await,
        Kind::PostgresDelayed => all(&links.postgres, |network| delay(network, fault)).await,
        Kind::PostgresBlackHole => all(&links.postgres, |network| black_hole(network, lasts)).await,
        Kind::PostgresReplyCut => all(&links.postgres, |network| cut_replies(network, lasts, event)).await,
        Kind::ClientsCut => cut(&links.clients, lasts).await,
        Kind::ClientsBlackHole => black_hole(&links.clients, lasts).await,
        Kind::ClientsReplyCut => cut_replies(&links.clients, lasts, event).await,
        Kind::GatewaysBlackHole => black_hole(&links.gateways, lasts).await,
        _ => cut(&links.gateways, lasts).await,
    }
}

async fn all<'a, F: Future<Output = ()>>(networks: &'a [Proxy], strike: impl Fn(&'a Proxy) -> F) {
    join_all(networks.iter().map(strike)).await;
}

async fn cut(proxy: &Proxy, lasts: Duration) {
    proxy.refuse().await;
    sleep(lasts).await;
    proxy.pass().await;
}

async fn delay(proxy: &Proxy, fault: &Planned) {
    let share = (fault.dice % 100) as f64 / 100.0;
    proxy.delay(DELAY_MAX.mul_f64(share.powi(2))).await;
    sleep(fault.lasts).await;
    proxy.pass().await;
}

async fn black_hole(proxy: &Proxy, lasts: Duration) {
    proxy.black_hole().await;
    sleep(lasts).await;
    proxy.pass().await;
}

/// One request after the other is served and its reply lost.
async fn cut_replies(proxy: &Proxy, lasts: Duration, event: &str) {
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        proxy.cut_reply_to(event).await;
        sleep(CUT_EVERY).await;
    }
    proxy.pass().await;
}
