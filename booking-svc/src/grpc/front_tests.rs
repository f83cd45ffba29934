use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tonic::Code;
use tonic_types::StatusExt;
use tower::service_fn;

use super::*;
use crate::identity::{Caller, Mint, Role, Trust, Verifier};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn trust() -> Trust {
    Trust { issuer: "issuer".into(), audience: "ticketengine".into() }
}

fn front(auth: Auth, calls_max: usize) -> FrontLayer {
    let meter = SdkMeterProvider::builder().build().meter("test");
    FrontLayer::new(Arc::new(auth), calls_max, &meter, Tracer::default())
}

fn request(rpc: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post(format!("http://service/{rpc}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// Sends a request through the layer to a handler that answers after `delay`, without a body.
async fn call(front: &FrontLayer, request: Request<Body>, delay: Duration) -> (Code, Option<String>) {
    let handler = service_fn(move |request: Request<Body>| async move {
        let open = Rpc::from_path(request.uri().path()).is_some_and(|rpc| access::roles(rpc).is_none());
        assert!(open || request.extensions().get::<Caller>().is_some());
        tokio::time::sleep(delay).await;
        Ok(Response::new(Body::empty()))
    });
    let answer = front.layer(handler).oneshot(request).await.unwrap();
    let Some(status) = Status::from_header_map(answer.headers()) else { return (Code::Ok, None) };
    (status.code(), status.get_details_error_info().map(|info| info.reason))
}

fn refused(code: Code, reason: &str) -> (Code, Option<String>) {
    (code, Some(reason.to_owned()))
}

const RESERVE: &str = Rpc::Reserve.name();
const NOW: Duration = Duration::ZERO;
const OK: (Code, Option<String>) = (Code::Ok, None);

#[tokio::test(start_paused = true)]
async fn a_slow_call_hears_that_its_deadline_is_over() {
    let front = front(Auth::Off, 1);
    let late = refused(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let minute = Duration::from_secs(60);
    assert_eq!(call(&front, request(RESERVE, &[("grpc-timeout", "50m")]), minute).await, late);
    let start = Instant::now();
    assert_eq!(call(&front, request(RESERVE, &[]), minute).await, late);
    assert_eq!(start.elapsed(), crate::limits::DEADLINE_DEFAULT);
    assert_eq!(call(&front, request(RESERVE, &[]), Duration::from_secs(4)).await, OK, "its place is free");
}

#[tokio::test(start_paused = true)]
async fn a_full_service_sheds_at_once_but_answers_probes() {
    let front = front(Auth::Off, 2);
    let second = Duration::from_secs(1);
    let busy = || call(&front, request(RESERVE, &[]), second);
    let shed = async {
        tokio::time::sleep(second / 2).await;
        let start = Instant::now();
        let shed = call(&front, request(RESERVE, &[]), NOW).await;
        let probe = call(&front, request(Rpc::HealthCheck.name(), &[]), NOW).await;
        assert_eq!(start.elapsed(), NOW);
        (shed, probe)
    };
    let (first, second, (shed, probe)) = tokio::join!(busy(), busy(), shed);
    assert_eq!((first, second, probe), (OK, OK, OK));
    assert_eq!(shed, refused(Code::Unavailable, "OVERLOADED"));
}

#[tokio::test(start_paused = true)]
async fn strangers_can_not_crowd_out_customers() {
    let front = front(Auth::Off, 4);
    let browse = || call(&front, request(Rpc::GetSeatMap.name(), &[]), Duration::from_secs(1));
    let (first, second, third, buy) =
        tokio::join!(browse(), browse(), browse(), call(&front, request(RESERVE, &[]), NOW));
    assert_eq!((first, second, buy), (OK, OK, OK));
    assert_eq!(third, refused(Code::Unavailable, "OVERLOADED"));
}

#[tokio::test]
async fn callers_are_checked_before_the_handler() {
    let front = front(Auth::Jwt(Box::new(Verifier::new(&trust(), Some(SECRET), None))), 10);
    let mint =
        |role| Mint { subject: "ann", roles: &[role], ttl: Duration::from_secs(60) }.sign(&trust(), SECRET);
    let bearer = |role| format!("Bearer {}", mint(role).unwrap());
    let (ann, admin) = (bearer(Role::Customer), bearer(Role::Admin));
    let table = [
        (RESERVE, None, refused(Code::Unauthenticated, "UNAUTHENTICATED")),
        (RESERVE, Some("Bearer nonsense"), refused(Code::Unauthenticated, "UNAUTHENTICATED")),
        (RESERVE, Some("Basic YTpi"), refused(Code::Unauthenticated, "UNAUTHENTICATED")),
        (RESERVE, Some(&*ann), OK),
        (Rpc::OpenSales.name(), Some(&*ann), refused(Code::PermissionDenied, "ROLE_REQUIRED")),
        (Rpc::OpenSales.name(), Some(&*admin), OK),
        (Rpc::HealthCheck.name(), Some("Bearer stale"), OK),
        ("ticketengine.booking.v1.BookingService/Steal", None, refused(Code::Unimplemented, "UNIMPLEMENTED")),
    ];
    for (rpc, token, expected) in table {
        let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
        assert_eq!(call(&front, request(rpc, &headers), NOW).await, expected, "{rpc} with {token:?}");
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_one_call() {
    let front = front(Auth::Off, 1);
    let handler = service_fn(|_: Request<Body>| async { panic!("a bug") });
    let answer = front.layer(handler).oneshot(request(RESERVE, &[])).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.get_details_error_info().unwrap().reason, "INTERNAL");
    assert_eq!(call(&front, request(RESERVE, &[]), NOW).await, OK, "its place is free");
}
