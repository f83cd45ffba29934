use std::borrow::Cow;

use axum::{
    extract::{Path, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use moka::future::Cache;
use rust_embed::{Embed, EmbeddedFile};

use super::{App, error::Refusal, fresh::answer};
use crate::{document::Document, limits::PAGE_FILES_KEPT_MAX};

/// The page and its modules, in the program itself. Without what only tests need.
#[derive(Embed)]
#[folder = "web/"]
#[include = "*.html"]
#[include = "*.js"]
#[include = "*.css"]
#[include = "*.svg"]
#[include = "*.png"]
#[include = "*.webmanifest"]
#[exclude = "*.test.js"]
#[exclude = "testing/*"]
#[exclude = "node_modules/*"]
struct Web;

/// What the sockets say, for people and tools.
const PROTOCOL: &str = include_str!("../../asyncapi.yaml");

/// Nothing but our own files: no inline script, no other site; only our own pages may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'self'";

/// Browsers ask each time whether theirs is still good: a new gateway has a new page.
const ASK: &str = "no-cache";

/// The embedded files, each compressed once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Files {
    /// By the hash of a file: in a development build files change while they are served.
    documents: Cache<[u8; 32], Document>,
    protocol: Document,
}

impl Files {
    /// Compresses nothing yet but the document of the protocol.
    pub(crate) fn new() -> Self {
        let documents = Cache::new(PAGE_FILES_KEPT_MAX);
        Self { documents, protocol: Document::new(Bytes::from_static(PROTOCOL.as_bytes())) }
    }

    async fn answer(&self, path: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
        let EmbeddedFile { data, metadata } = Web::get(path).ok_or_else(Refusal::not_found)?;
        let mime = metadata.mimetype();
        let charset = if mime.starts_with("text/") { "; charset=utf-8" } else { "" };
        let content_type = HeaderValue::try_from(format!("{mime}{charset}"));
        let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
        let make = async {
            Document::new(match data {
                Cow::Borrowed(data) => Bytes::from_static(data),
                Cow::Owned(data) => data.into(),
            })
        };
        let document = self.documents.get_with(metadata.sha256_hash(), make).await;
        Ok(answer(headers, &document, content_type, ASK))
    }
}

/// The page.
pub(super) async fn index(State(parts): App, headers: HeaderMap) -> Result<Response, Refusal> {
    let mut response = parts.files.answer("index.html", &headers).await?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

/// A file of the page.
pub(super) async fn asset(
    State(parts): App,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    parts.files.answer(&path, &headers).await
}

/// A file of the client module, for the pages of others too.
pub(super) async fn client(
    State(parts): App,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    parts.files.answer(&format!("client/{path}"), &headers).await
}

/// The document of the protocol.
pub(super) async fn protocol(State(parts): App, headers: HeaderMap) -> Response {
    answer(&headers, &parts.files.protocol, HeaderValue::from_static("application/yaml"), ASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_tools_are_not_served() {
        let wrong = |path: &str| {
            path.ends_with(".test.js")
                || path.ends_with(".json")
                || path.contains("testing/")
                || path.contains("node_modules")
        };
        let found: Vec<_> = Web::iter().filter(|path| wrong(path)).collect();
        assert!(found.is_empty(), "{found:?}");
        assert!(Web::get("index.html").is_some());
        assert!(Web::get("../Cargo.toml").is_none() && Web::get("package.json").is_none());
    }
}
