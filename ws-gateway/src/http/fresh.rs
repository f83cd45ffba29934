use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::document::Document;

/// A document as the client takes it, or 304 to who has it. The same ETag means the same bytes.
pub(super) fn answer(
    request: &HeaderMap,
    document: &Document,
    content_type: HeaderValue,
    cache_control: &'static str,
) -> Response {
    let gzip = document.gzip.as_ref().filter(|_| takes_gzip(request));
    let etag = format!("\"{}{}\"", document.hash, if gzip.is_some() { "-gz" } else { "" });
    let mut response = if has(request, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(gzip.unwrap_or(&document.plain).clone()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        if gzip.is_some() {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = etag.try_into() {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Whether the client named this copy in If-None-Match, which compares weakly.
fn has(request: &HeaderMap, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let etag = strong(etag);
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || strong(tag) == etag)
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(request: &HeaderMap) -> bool {
    let lists = request.get_all(header::ACCEPT_ENCODING);
    let weight = |name: &str| {
        let mut codings = lists.iter().filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
        codings.find_map(|coding| {
            let (coding, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let weight =
                weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
            coding.trim().eq_ignore_ascii_case(name).then(|| weight.unwrap_or(1.0))
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_copy_is_known_by_its_etag() {
        let table = [
            (r#""a""#, r#""a""#, true),
            (r#"W/"a""#, r#""a""#, true),
            (r#""b", W/"a""#, r#"W/"a""#, true),
            ("*", r#""a""#, true),
            (r#""b""#, r#""a""#, false),
            (r#""a-gz""#, r#""a""#, false),
            ("", r#""a""#, false),
        ];
        for (sent, etag, expected) in table {
            assert_eq!(has(&headers(header::IF_NONE_MATCH, sent), etag), expected, "{sent} {etag}");
        }
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        let table = [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("gzip; q=0", false),
            ("br", false),
            ("", false),
        ];
        for (sent, expected) in table {
            assert_eq!(takes_gzip(&headers(header::ACCEPT_ENCODING, sent)), expected, "{sent}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
