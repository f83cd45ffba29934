//! A collector of traces, as operators have one: OTLP over gRPC.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use testkit::wait_until;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// Spans are sent every second.
const SPANS_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Collector {
    pub(crate) url: String,
    spans: Received,
    /// Aborted when dropped.
    _served: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_process in request.into_inner().resource_spans {
            let attributes = of_process.resource.unwrap_or_default().attributes;
            let name = attributes.iter().find(|attribute| attribute.key == "service.name");
            let service = format!("{:?}", name.unwrap().value.as_ref().unwrap().value);
            let service = service.split('"').nth(1).unwrap().to_owned();
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (spans, mut served) = (Received::default(), JoinSet::new());
        let router = Server::builder().add_service(TraceServiceServer::new(spans.clone()));
        served.spawn(async move {
            router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { url, spans, _served: served }
    }

    /// The names of the spans from the one that `last` names up to `root`, each with the service that it is of. Waits
    /// until they have come.
    pub(crate) async fn path(&self, trace_id: &str, last: &str, root: &str) -> Vec<String> {
        let mut path = Vec::new();
        wait_until(&format!("the spans of {last}"), SPANS_LIMIT, async || {
            path = self.path_now(trace_id, last);
            path.last().is_some_and(|last| last == root)
        })
        .await;
        path
    }

    fn path_now(&self, trace_id: &str, last: &str) -> Vec<String> {
        let spans = self.spans.0.lock().unwrap();
        let mine: Vec<_> = spans.iter().filter(|(_, span)| hex(&span.trace_id) == trace_id).collect();
        let mut at = mine.iter().find(|(_, span)| span.name == last);
        let mut path = Vec::new();
        while let Some((service, span)) = at {
            path.push(format!("{service}: {}", span.name));
            at = mine.iter().find(|(_, above)| above.span_id == span.parent_span_id);
        }
        path
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
