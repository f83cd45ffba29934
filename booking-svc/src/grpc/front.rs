//! What every call passes before its handler: deadline, place, caller. And what every answer passes: name, metric, log.

use std::{
    convert::Infallible,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::metrics::Meter;
use telemetry::Tracer;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tonic::{Status, body::Body};
use tower::{Layer, Service, ServiceExt};

use super::{
    answer,
    calls::{Call, Calls},
    connection::Line,
    deadline, status,
};
use crate::{
    booking::Error,
    identity::{Auth, Rpc, access},
    tasks::Tasks,
};

/// Wraps all services of a server. One for the whole process: its places are shared by all connections.
#[derive(Clone)]
pub struct FrontLayer(Arc<Front>);

struct Front {
    auth: Arc<Auth>,
    /// One place a call under way. Nobody waits for one: a call that finds none is shed.
    places: Arc<Semaphore>,
    /// Of them, those for calls that are open to all: strangers can not crowd out customers.
    open_places: Arc<Semaphore>,
    calls: Calls,
    /// Of answers on their way. Each is stopped with its answer, so that nobody has to wait for them.
    clocks: Tasks,
}

impl FrontLayer {
    /// Lets `calls_max` calls in at a time.
    pub fn new(auth: Arc<Auth>, calls_max: usize, meter: &Meter, tracer: Tracer) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        let (places, open_places) = (places(calls_max), places((calls_max / 2).max(1)));
        let free = Arc::clone(&places);
        meter
            .u64_observable_gauge("ticketengine.calls")
            .with_description("Calls under way")
            .with_callback(move |gauge| {
                gauge.observe((calls_max - free.available_permits()) as u64, &[]);
            })
            .build();
        let calls = Calls::new(meter, tracer);
        Self(Arc::new(Front { auth, places, open_places, calls, clocks: Tasks::default() }))
    }
}

impl<S> Layer<S> for FrontLayer {
    type Service = FrontService<S>;

    fn layer(&self, inner: S) -> FrontService<S> {
        FrontService { inner, front: Arc::clone(&self.0) }
    }
}

/// See [`FrontLayer`].
#[derive(Clone)]
pub struct FrontService<S> {
    inner: S,
    front: Arc<Front>,
}

impl<S> Service<Request<Body>> for FrontService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let front = Arc::clone(&self.front);
        // Read here: tonic starts its own timer right after this, and ours must be first (its own answers CANCELLED).
        let started = Instant::now();
        Box::pin(async move { Ok(front.answer(inner, request, started).await) })
    }
}

impl Front {
    async fn answer<S>(&self, inner: S, request: Request<Body>, started: Instant) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let rpc = Rpc::from_path(request.uri().path());
        let call = Call::begin(&self.calls, rpc, &request, started);
        let Some(rpc) = rpc else {
            return call.end(status::unimplemented().into_http());
        };
        let bound = deadline::of(rpc, request.headers());
        let passed = unless_it_panics(self.pass(rpc, inner, request));
        let passed = timeout_at(started + bound, call.trace.within(passed)).await;
        let answer = match passed {
            Ok(Ok(answer)) => named(answer),
            Ok(Err(refusal)) => refusal.into_http(),
            Err(_) => status::deadline_exceeded(bound).into_http(),
        };
        call.end(answer)
    }

    async fn pass<S>(&self, rpc: Rpc, inner: S, mut request: Request<Body>) -> Result<Response<Body>, Status>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let open = access::roles(rpc).is_none();
        let open_place = if open && !rpc.is_health() { Some(place(&self.open_places)?) } else { None };
        let any_place = if rpc.is_health() { None } else { Some(place(&self.places)?) };
        // Calls that are open to all do not look at tokens: a stale one must not stand in the way.
        if !open {
            let caller = self.auth.caller(request.headers())?;
            access::admit(rpc, &caller)?;
            request.extensions_mut().insert(caller);
        }
        let line = request.extensions().get::<Line>().cloned().unwrap_or_default();
        let answer = match inner.oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        if !answer::may_be_large(rpc) {
            return Ok(answer);
        }
        Ok(answer::until_taken(answer, [open_place, any_place], line, &self.clocks))
    }
}

fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    let full = "the service is full; try again shortly";
    Arc::clone(places).try_acquire_owned().map_err(|_| status::overloaded(full, "calls").status())
}

/// A handler that panics is a bug, but its caller still hears an answer instead of a broken stream.
async fn unless_it_panics(
    work: impl Future<Output = Result<Response<Body>, Status>>,
) -> Result<Response<Body>, Status> {
    let mut work = pin!(work);
    let poll = |cx: &mut Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Error::Internal.into())))
    };
    poll_fn(poll).await
}

/// An answer that tonic made by itself gets the details that ours have.
fn named(mut answer: Response<Body>) -> Response<Body> {
    if status::never_indexed(&mut answer) {
        return answer;
    }
    let headers = answer.headers();
    if !headers.contains_key(Status::GRPC_STATUS) {
        return answer;
    }
    match Status::from_header_map(headers).filter(|status| status.code() != tonic::Code::Ok) {
        Some(status) => status::named(&status).into_http(),
        None => answer,
    }
}

#[cfg(test)]
#[path = "front_tests.rs"]
mod tests;
