use axum::{
    extract::{FromRequestParts, Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, request::Parts};
use url::form_urlencoded;

use super::{App, error::Refusal, fresh::answer};
use crate::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PAGE_TOKEN_BYTES_MAX};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// As long as the gateway itself keeps it.
const SHORT: &str = "public, max-age=1";
/// It never changes; only an event of the same name on another installation has another.
const LONG: &str = "public, max-age=86400";

/// The event that a path names.
pub(super) struct EventId(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for EventId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        // What is no text names nothing.
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(event_id)| Self(event_id)).map_err(|_| Refusal::not_found())
    }
}

/// A page of all events.
pub(super) async fn list(
    State(parts): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (mut page_token, mut page_size) = (String::new(), PAGE_SIZE_DEFAULT);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "page_token" if value.len() > PAGE_TOKEN_BYTES_MAX => {
                return Err(Refusal::invalid("page_token is too long"));
            }
            "page_token" => page_token = value.into_owned(),
            "page_size" => {
                let size = value.parse::<u32>().ok().filter(|size| *size > 0);
                page_size =
                    size.ok_or_else(|| Refusal::invalid("page_size must be a whole number above 0"))?;
            }
            _ => {}
        }
    }
    let list = parts.catalog.events(&page_token, page_size.min(PAGE_SIZE_MAX)).await?;
    Ok(answer(&headers, &list.document, JSON, SHORT))
}

/// One event.
pub(super) async fn event(
    State(parts): App,
    EventId(event_id): EventId,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let event = parts.catalog.event(&event_id).await?;
    Ok(answer(&headers, &event.document, JSON, SHORT))
}

/// The seats of an event.
pub(super) async fn layout(
    State(parts): App,
    EventId(event_id): EventId,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let layout = parts.catalog.layout(&event_id).await?;
    Ok(answer(&headers, &layout.document, JSON, LONG))
}
