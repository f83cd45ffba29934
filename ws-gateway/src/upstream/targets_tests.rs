use std::{collections::HashSet, time::Duration};

use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};
use tokio_util::sync::DropGuard;
use tonic::transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::*;
use crate::metrics::Metrics;

/// A replica with nothing but its health; it dies when this is dropped, connections and all.
struct Replica {
    address: SocketAddr,
    health: HealthReporter,
    runtime: Option<Runtime>,
}

impl Replica {
    fn start() -> Self {
        Self::start_with(Server::builder())
    }

    fn start_with(mut server: Server) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (health, service) = tonic_health::server::health_reporter();
        let serve = async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
            server.add_service(service).serve_with_incoming(incoming).await.unwrap();
        };
        TaskTracker::new().spawn_on(serve, runtime.handle());
        Self { address, health, runtime: Some(runtime) }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What DNS says of each host; to be changed while it is asked.
type Zone = Arc<Mutex<Vec<(&'static str, Vec<SocketAddr>)>>>;

/// Targets under URLs of a zone, and who stops them.
fn follow(urls: &[&str], zone: &Zone, ca: Option<Certificate>) -> (Targets, DropGuard) {
    let zone = Arc::clone(zone);
    let resolve = move |host: String, _| -> BoxFuture<'static, _> {
        let found =
            zone.lock().unwrap().iter().find(|(name, _)| *name == host).map(|(_, found)| found.clone());
        Box::pin(async { found.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    };
    let urls = urls.iter().map(|url| url.parse().unwrap()).collect();
    let stop = CancellationToken::new();
    let settings = Settings { urls, ca };
    let targets =
        Targets::with_resolver(settings, Arc::new(resolve), Metrics::unseen(), &TaskTracker::new(), &stop);
    (targets, stop.drop_guard())
}

/// The addresses that come up in many picks.
fn picked(targets: &Targets) -> HashSet<String> {
    (0..50).map(|_| targets.pick().address).collect()
}

fn urls<'a>(replicas: impl IntoIterator<Item = &'a Replica>) -> HashSet<String> {
    replicas.into_iter().map(|replica| format!("http://{}", replica.address)).collect()
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(10), wait).await.is_ok(), "{what}");
}

#[tokio::test]
async fn replicas_are_picked_in_turn() {
    let replicas = [Replica::start(), Replica::start(), Replica::start()];
    let [a, b, c] = replicas.each_ref().map(|replica| replica.address);
    let zone: Zone = Arc::new(Mutex::new(vec![("one", vec![a, b, a]), ("two", vec![c, a])]));
    let (targets, _stop) = follow(&["http://one:1", "http://two:1"], &zone, None);
    until("all are picked", || picked(&targets) == urls(&replicas)).await;
    let turn: Vec<_> = (0..6).map(|_| targets.pick().address).collect();
    assert_eq!(turn[..3], turn[3..]);
    assert_eq!(turn[..3].iter().collect::<HashSet<_>>().len(), 3);
}

#[tokio::test]
async fn who_dies_is_left_out_and_comes_back() {
    let (a, b) = (Replica::start(), Replica::start());
    let zone: Zone = Arc::new(Mutex::new(vec![("booking", vec![a.address, b.address])]));
    let (targets, _stop) = follow(&["http://booking:1"], &zone, None);
    until("both serve", || picked(&targets) == urls([&a, &b])).await;
    until("it is ready", || targets.serving()).await;
    drop(a);
    until("only the other is picked", || picked(&targets) == urls([&b])).await;
    assert!(targets.serving());
    b.health.set_service_status("", ServingStatus::NotServing).await;
    until("nobody serves", || !targets.serving()).await;
    // Somebody has to be tried.
    assert_eq!(picked(&targets).len(), 2);
    b.health.set_service_status("", ServingStatus::Serving).await;
    until("the other is back", || picked(&targets) == urls([&b])).await;
}

#[tokio::test]
async fn who_fails_waits_its_turn() {
    let (a, b) = (Replica::start(), Replica::start());
    let zone: Zone = Arc::new(Mutex::new(vec![("booking", vec![a.address, b.address])]));
    let (targets, _stop) = follow(&["http://booking:1"], &zone, None);
    until("both serve", || picked(&targets) == urls([&a, &b])).await;
    let failed = targets.pick();
    for _ in 0..4 {
        targets.failed(&failed);
    }
    let begun = Instant::now();
    assert!(!picked(&targets).contains(&failed.address));
    until("it is picked again", || picked(&targets).contains(&failed.address)).await;
    // 100 ms, doubled three times, at least half of it.
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(350) && waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn an_address_that_dns_names_later_is_used() {
    let (a, b) = (Replica::start(), Replica::start());
    let zone: Zone = Arc::new(Mutex::new(Vec::new()));
    let (targets, _stop) = follow(&["http://booking:1"], &zone, None);
    // The name itself, until DNS knows it.
    assert_eq!(targets.pick().address, "http://booking:1");
    zone.lock().unwrap().push(("booking", vec![a.address]));
    until("the first is picked", || picked(&targets) == urls([&a])).await;
    zone.lock().unwrap()[0].1 = vec![b.address];
    let begun = Instant::now();
    targets.failed(&targets.pick());
    until("the second is picked", || picked(&targets) == urls([&b])).await;
    // A failure makes it look sooner.
    assert!(begun.elapsed() < RESOLVE_EVERY / 2, "{:?}", begun.elapsed());
    // What DNS forgets for a moment is kept.
    zone.lock().unwrap().clear();
    targets.failed(&targets.pick());
    sleep(RESOLVE_GAP * 3).await;
    assert_eq!(picked(&targets), urls([&b]));
}

#[tokio::test]
async fn a_certificate_must_be_of_the_name_that_was_given() {
    let (cert, key) = (include_str!("testdata/cert.pem"), include_str!("testdata/key.pem"));
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
    let replica = Replica::start_with(Server::builder().tls_config(tls).unwrap());
    let zone: Zone =
        Arc::new(Mutex::new(["booking", "other"].map(|name| (name, vec![replica.address])).into()));
    let ca = || Some(Certificate::from_pem(include_str!("testdata/ca.pem")));
    let (other_name, _stop) = follow(&["https://other:1"], &zone, ca());
    let (plain, _stop) = follow(&["http://booking:1"], &zone, ca());
    let (named, _stop) = follow(&["https://booking:1"], &zone, ca());
    until("the name of the certificate serves", || named.serving()).await;
    assert_eq!(picked(&named), HashSet::from([format!("https://{}", replica.address)]));
    sleep(HEALTH_EVERY * 2).await;
    assert!(!other_name.serving() && !plain.serving());
}

#[tokio::test]
async fn what_hangs_does_not_stand_in_the_way() {
    let replica = Replica::start();
    // Takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = vec![silent.local_addr().unwrap(), replica.address];
    let zone: Zone = Arc::new(Mutex::new(vec![("booking", addresses)]));
    let (targets, _stop) = follow(&["http://hangs:1", "http://booking:1"], &zone, None);
    until("only who answers is picked", || picked(&targets) == urls([&replica])).await;
    assert!(targets.serving());
}

#[tokio::test]
async fn a_zone_without_end_is_cut() {
    let addresses = (1..=100).map(|last| ([127, 0, 0, last], 1).into()).collect();
    let zone: Zone = Arc::new(Mutex::new(vec![("booking", addresses)]));
    let (targets, _stop) = follow(&["http://booking:1"], &zone, None);
    until("DNS has answered", || targets.endpoints().len() > 1).await;
    assert_eq!(targets.endpoints().len(), TARGETS_MAX);
}
