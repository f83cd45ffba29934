//! The HTTP side: page, events, health, and the door to the sockets.

pub mod admission;
pub mod demo;
mod error;
mod events;
mod forwarded;
mod fresh;
mod health;
mod listen;
pub mod origin;
pub(crate) mod page;
mod record;
mod upgrade;

pub(crate) use listen::Listener;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, header};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::set_header::SetResponseHeaderLayer;

use self::{admission::Bounds, demo::Demo, error::Refusal, origin::Origins, record::Record};
use crate::{
    limits::BODY_BYTES_MAX,
    metrics::Metrics,
    rooms::Rooms,
    session,
    upstream::{Catalog, Targets},
};

/// Who may come in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which pages may connect.
    pub origins: Origins,
    /// How many sockets there may be.
    pub bounds: Bounds,
    /// How many proxies stand before the gateway.
    pub forwarded_hops: usize,
    /// Tokens for everybody; not where absent.
    pub demo: Option<Demo>,
}

/// What the handlers need.
pub(crate) struct Parts {
    /// Who may come in.
    pub(crate) options: Options,
    /// Where booking-svc is.
    pub(crate) targets: Targets,
    /// Events and seats.
    pub(crate) catalog: Catalog,
    /// The files of the page.
    pub(crate) files: page::Files,
    /// Where sockets watch.
    pub(crate) rooms: Rooms,
    pub(crate) metrics: Metrics,
    /// Shared by all sessions.
    pub(crate) session: Arc<session::Settings>,
    /// Owns the sessions.
    pub(crate) sessions: TaskTracker,
    /// Fires when the gateway is about to end.
    pub(crate) draining: CancellationToken,
    /// Fires when it ends: what is still open is cut off.
    pub(crate) stop: CancellationToken,
}

type App = axum::extract::State<Arc<Parts>>;

/// All paths.
pub(crate) fn router(parts: Parts) -> Router {
    let cors = parts.options.origins.cors();
    let recorded = Record { metrics: parts.metrics.clone(), reports: parts.session.reports.clone() };
    let public = Router::new()
        .route("/v1/events", get(events::list))
        .route("/v1/events/{event_id}", get(events::event))
        .route("/v1/events/{event_id}/layout", get(events::layout))
        .route("/client/{*path}", get(page::client))
        .route("/asyncapi.yaml", get(page::protocol))
        .layer(cors);
    let own = Router::new()
        .route("/", get(page::index))
        .route("/assets/{*path}", get(page::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready));
    let demo = match &parts.options.demo {
        Some(demo) => Router::new().route("/v1/demo/token", post(demo::token)).with_state(demo.mint()),
        None => Router::new(),
    };
    let fixed = |name: HeaderName, value| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    Router::new()
        .merge(public)
        .merge(own)
        .route("/v1/events/{event_id}/seats", get(upgrade::seats))
        .with_state(Arc::new(parts))
        .merge(demo)
        .fallback(async || Refusal::not_found())
        .method_not_allowed_fallback(async || Refusal::wrong_method())
        .layer(from_fn_with_state(recorded, record::record))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
}
