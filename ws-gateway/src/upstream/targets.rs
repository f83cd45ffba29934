use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::{BoxFuture, join_all};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Certificate;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tracing::{info, warn};

use super::{calls::Service, url::TargetUrl};
use crate::{
    limits::{
        HEALTH_EVERY, HEALTH_WAIT, RESOLVE_EVERY, RESOLVE_GAP, RESOLVE_WAIT, TARGET_BACKOFF_FIRST,
        TARGET_BACKOFF_MAX, TARGET_FORGIVEN_AFTER, TARGETS_MAX,
    },
    metrics::Metrics,
};

/// Finds the addresses of a host and port.
pub type Resolve = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Where booking-svc is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// At least one.
    pub urls: Vec<TargetUrl>,
    /// Who signs the certificates of https targets.
    pub ca: Option<Certificate>,
}

/// One address of booking-svc, to be called now.
#[derive(Clone, Debug)]
pub struct Target {
    /// For calls; shared by all who picked this address.
    pub channel: Service,
    /// For streams: a connection of their own, so that they leave the places of calls alone.
    pub streams: Service,
    /// Such as `http://10.0.0.7:50051`; for logs.
    pub address: String,
}

/// The replicas of booking-svc. Cheap to clone.
///
/// Nothing in a channel asks DNS again, so this does, and keeps one channel an address.
#[derive(Clone)]
pub struct Targets(Arc<Inner>);

struct Inner {
    settings: Settings,
    endpoints: Mutex<Vec<Endpoint>>,
    /// Counts picks: they go round.
    turn: AtomicUsize,
    /// Told of a failure: perhaps DNS has news.
    failure: Notify,
    metrics: Metrics,
}

struct Endpoint {
    target: Target,
    /// Which URL named it.
    url: usize,
    /// What its health service said last; `None` before it was asked.
    serving: Option<bool>,
    /// Failures in a row.
    failures: u32,
    failed_at: Option<Instant>,
    /// Not picked until then, as long as there is another.
    out_until: Option<Instant>,
}

impl Targets {
    /// Follows DNS and health until `stop`, in tasks of `tracker`.
    pub fn new(
        settings: Settings,
        metrics: Metrics,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let lookup = |host: String, port| -> BoxFuture<'static, _> {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        };
        Self::with_resolver(settings, Arc::new(lookup), metrics, tracker, stop)
    }

    /// The same with another way to find addresses.
    pub fn with_resolver(
        settings: Settings,
        resolve: Resolve,
        metrics: Metrics,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        // By name at first, so that there is something to pick before DNS has answered.
        let ca = settings.ca.as_ref();
        let endpoints = settings.urls.iter().enumerate();
        let endpoints = endpoints.map(|(at, url)| Endpoint::new(at, url.by_name(ca))).collect();
        let turn = AtomicUsize::new(rand::random_range(0..TARGETS_MAX));
        let failure = Notify::new();
        let endpoints = Mutex::new(endpoints);
        let inner = Inner { settings, endpoints, turn, failure, metrics };
        let targets = Self(Arc::new(inner));
        let look = targets.clone();
        targets.metrics().targets(move || look.by_state());
        let (this, stopping) = (targets.clone(), stop.clone());
        tracker.spawn(async move { stopping.run_until_cancelled(this.follow_names(resolve)).await });
        let (this, stopping) = (targets.clone(), stop.clone());
        tracker.spawn(async move { stopping.run_until_cancelled(this.follow_health()).await });
        targets
    }

    /// The next replica in turn, a healthy one where there is one.
    pub fn pick(&self) -> Target {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let endpoints = self.endpoints();
        let (later, sooner) = endpoints.split_at(turn % endpoints.len());
        let in_turn = || sooner.iter().chain(later);
        let healthy = in_turn().find(|endpoint| endpoint.healthy(now));
        let picked = healthy.or_else(|| in_turn().min_by_key(|endpoint| endpoint.out_until));
        picked.unwrap_or(&endpoints[0]).target.clone()
    }

    /// A call to this one got no answer: others come first for a while, longer each time.
    pub fn failed(&self, target: &Target) {
        let now = Instant::now();
        for endpoint in
            self.endpoints().iter_mut().filter(|endpoint| endpoint.target.address == target.address)
        {
            let wait = TARGET_BACKOFF_FIRST * 2_u32.saturating_pow(endpoint.failures.min(16));
            let wait = wait.min(TARGET_BACKOFF_MAX).mul_f64(rand::random_range(0.5..1.0));
            endpoint.failures += 1;
            endpoint.failed_at = Some(now);
            endpoint.out_until = Some(now + wait);
        }
        self.0.failure.notify_one();
    }

    /// How many serve, and how many do not, or have not said so yet.
    fn by_state(&self) -> [usize; 2] {
        let endpoints = self.endpoints();
        let serving = endpoints.iter().filter(|endpoint| endpoint.serving == Some(true)).count();
        [serving, endpoints.len() - serving]
    }

    /// Where calls are counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whether at least one replica says that it serves; known to within a second or two.
    pub fn serving(&self) -> bool {
        self.endpoints().iter().any(|endpoint| endpoint.serving == Some(true))
    }

    /// Whether another replica says that it serves, and has not failed just now.
    pub(super) fn has_other(&self, target: &Target) -> bool {
        let now = Instant::now();
        self.endpoints().iter().any(|other| {
            other.target.address != target.address && other.serving == Some(true) && other.healthy(now)
        })
    }

    fn endpoints(&self) -> MutexGuard<'_, Vec<Endpoint>> {
        self.0.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow_names(&self, resolve: Resolve) {
        loop {
            let lookups = self.0.settings.urls.iter().map(|url| {
                let lookup = resolve(url.host().to_owned(), url.port());
                async { timeout(RESOLVE_WAIT, lookup).await.unwrap_or_else(|late| Err(late.into())) }
            });
            for (at, found) in join_all(lookups).await.into_iter().enumerate() {
                match found {
                    Ok(addresses) if !addresses.is_empty() => self.keep(at, addresses),
                    Ok(_) => warn!(host = self.0.settings.urls[at].host(), "has no address"),
                    Err(error) => warn!(host = self.0.settings.urls[at].host(), %error, "has no address"),
                }
            }
            sleep(RESOLVE_GAP).await;
            let _ = timeout(RESOLVE_EVERY - RESOLVE_GAP, self.0.failure.notified()).await;
        }
    }

    /// From now on these are the addresses of a URL. Who calls another goes on until the call ends.
    fn keep(&self, url: usize, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(TARGETS_MAX);
        let (named, ca) = (&self.0.settings.urls[url], self.0.settings.ca.as_ref());
        let mut endpoints = self.endpoints();
        let wanted: Vec<String> = addresses.iter().map(|address| named.address(*address)).collect();
        endpoints.retain(|endpoint| endpoint.url != url || wanted.contains(&endpoint.target.address));
        for address in addresses {
            let known = named.address(address);
            if endpoints.len() < TARGETS_MAX
                && endpoints.iter().all(|endpoint| endpoint.target.address != known)
            {
                info!(address = known, "a target");
                endpoints.push(Endpoint::new(url, named.target(address, ca)));
            }
        }
    }

    async fn follow_health(&self) {
        loop {
            let targets: Vec<Target> =
                self.endpoints().iter().map(|endpoint| endpoint.target.clone()).collect();
            let looks = targets.into_iter().map(|target| async move {
                let serving = serves(target.channel.clone()).await;
                self.seen(&target, serving);
            });
            join_all(looks).await;
            sleep(HEALTH_EVERY).await;
        }
    }

    fn seen(&self, target: &Target, serving: bool) {
        let now = Instant::now();
        for endpoint in
            self.endpoints().iter_mut().filter(|endpoint| endpoint.target.address == target.address)
        {
            if endpoint.serving.replace(serving) != Some(serving) {
                info!(address = target.address, serving, "a target's health");
            }
            let calm = |failed_at| now.duration_since(failed_at) > TARGET_FORGIVEN_AFTER;
            if serving && endpoint.failed_at.is_some_and(calm) {
                (endpoint.failures, endpoint.failed_at, endpoint.out_until) = (0, None, None);
            }
        }
    }
}

impl Endpoint {
    fn new(url: usize, target: Target) -> Self {
        Self { target, url, serving: None, failures: 0, failed_at: None, out_until: None }
    }

    fn healthy(&self, now: Instant) -> bool {
        self.serving != Some(false) && self.out_until.is_none_or(|until| until <= now)
    }
}

/// What the health service says. No answer in time is a no.
async fn serves(channel: Service) -> bool {
    let mut client = HealthClient::new(channel);
    let check = client.check(HealthCheckRequest::default());
    let answer = timeout(HEALTH_WAIT, check).await;
    matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving)
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
