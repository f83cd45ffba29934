//! Metrics, and the port where Prometheus finds them.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkError,
    metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream},
};
use prometheus::{Registry, TextEncoder, process_collector::ProcessCollector};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::Service;

/// Connections at a time: Prometheus has one or two.
const CONNECTIONS_MAX: usize = 8;
/// For the request and its answer.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// After a failure to take a connection: a full file table would keep a core busy.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The commit of the sources, where the build was told.
const REVISION: &str = match option_env!("TE_BUILD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Bounds of every histogram of seconds. OpenTelemetry's own begin at 5 s of a seconds metric.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of one service.
pub struct Metrics {
    /// Owns the instruments: they stop counting when it goes.
    provider: SdkMeterProvider,
    registry: Registry,
    service: Service,
}

impl Metrics {
    /// What every process tells: which build it is, and what it uses of the machine.
    pub fn new(service: Service) -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let process = registry.register(Box::new(ProcessCollector::for_self()));
        process.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_view(in_seconds).build();
        let metrics = Self { provider, registry, service };
        metrics.tell_build();
        Ok(metrics)
    }

    /// Makes instruments. A histogram with the unit "s" gets bounds that fit.
    pub fn meter(&self) -> Meter {
        self.provider.meter(self.service.name)
    }

    fn tell_build(&self) {
        let Service { name, version } = self.service;
        let build = [
            // Not "service": on Kubernetes Prometheus writes a name of its own there.
            KeyValue::new("program", name),
            KeyValue::new("version", version),
            KeyValue::new("revision", REVISION),
        ];
        self.meter()
            .u64_observable_gauge("ticketengine.build_info")
            .with_description("Which build this is; always 1")
            .with_callback(move |gauge| gauge.observe(1, &build))
            .build();
    }

    /// Takes the address; what it returns serves /metrics until told to stop.
    pub async fn serve(
        &self,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let listener = TcpListener::bind(address).await?;
        info!(address = %listener.local_addr()?, "serving /metrics");
        let registry = self.registry.clone();
        Ok(async move {
            stop.run_until_cancelled(accept(listener, registry)).await;
        })
    }
}

fn in_seconds(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || instrument.unit() != "s" {
        return None;
    }
    let buckets =
        Aggregation::ExplicitBucketHistogram { boundaries: SECONDS.to_vec(), record_min_max: false };
    Stream::builder().with_aggregation(buckets).build().ok()
}

/// Takes so many connections at a time, each for one answer; more wait in the system's queue.
async fn accept(listener: TcpListener, registry: Registry) {
    let (connections, places) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = timeout(CONNECTION_WAIT, answer(stream, registry.clone()));
                connections.spawn(async move {
                    // Who does not ask in time, or does not take the answer, loses the connection.
                    let _ = served.await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "can not accept connections for /metrics");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, registry: Registry) {
    let service = service_fn(move |request: Request<Incoming>| scrape(request, registry.clone()));
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!(%error, "a connection for /metrics broke");
    }
}

async fn scrape(request: Request<Incoming>, registry: Registry) -> Result<Response<String>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(status(StatusCode::NOT_FOUND, "there is only /metrics here\n".to_owned()));
    }
    // It waits for locks that recording takes too: not on a worker that serves calls.
    let text = spawn_blocking(move || TextEncoder::new().encode_to_string(&registry.gather())).await;
    Ok(match text {
        Ok(Ok(text)) => {
            let mut answer = status(StatusCode::OK, text);
            let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            answer
        }
        Ok(Err(error)) => status(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => status(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    })
}

fn status(status: StatusCode, text: String) -> Response<String> {
    let mut answer = Response::new(text);
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    // A panic is how a test reports.
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn seconds_have_fine_buckets_and_no_scope_and_the_process_is_told_of() {
        let metrics = Metrics::new(Service { name: "tester", version: "1.2.3" }).unwrap();
        metrics.meter().f64_histogram("rpc.server.call.duration").with_unit("s").build().record(0.0004, &[]);
        let text = TextEncoder::new().encode_to_string(&metrics.registry.gather()).unwrap();
        let build = format!(
            "ticketengine_build_info{{program=\"tester\",revision=\"{REVISION}\",version=\"1.2.3\"}} 1"
        );
        for line in [
            "rpc_server_call_duration_seconds_bucket{le=\"0.0005\"} 1",
            &build,
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("otel_scope"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_says_nothing_does_not_keep_prometheus_out() {
        let metrics = Metrics::new(Service { name: "tester", version: "1.2.3" }).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        TaskTracker::new().spawn(accept(listener, metrics.registry.clone()));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut prometheus = TcpStream::connect(address).await.unwrap();
        prometheus.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let answered = prometheus.read_to_string(&mut answer);
        timeout(CONNECTION_WAIT * 2, answered).await.expect("an answer").unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("ticketengine_build_info"),
            "{answer}"
        );
    }
}
