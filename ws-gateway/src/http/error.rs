use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use telemetry::Trace;
use ticketengine::code_name;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{admission::Full, record::Refused};
use crate::{
    limits::{RETRY_AFTER_FULL, RETRY_AFTER_OUTAGE},
    rooms::EnterError,
    upstream::{DOMAIN, Error},
};

/// A refusal, as callers of the HTTP side see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Answer<'a> {
    error: AnswerError<'a>,
}

#[derive(Serialize)]
struct AnswerError<'a> {
    code: &'a str,
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

impl Refusal {
    /// The HTTP status follows from the code.
    pub(super) fn new(code: Code, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        // An answer that says "OK" is no refusal: whoever made one of it has a bug.
        let code = if code == Code::Ok { Code::Internal } else { code };
        let (status, code) = (http_status(code), code_name(code));
        Self { status, code, reason: reason.into(), message: message.into(), retry_after: None }
    }

    /// The request itself is wrong.
    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_ARGUMENT", message)
    }

    /// No such path, or not here.
    pub(super) fn not_found() -> Self {
        Self::new(Code::NotFound, "PATH_NOT_FOUND", "there is nothing here")
    }

    /// The gateway is about to end.
    pub(super) fn draining() -> Self {
        Self::new(Code::Unavailable, "RESTART", "this gateway is about to end; try again")
            .after(RETRY_AFTER_FULL)
    }

    /// The path has no such method.
    pub(super) fn wrong_method() -> Self {
        let refusal =
            Self::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", "this path does not have that method");
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..refusal }
    }

    /// The path is a socket.
    pub(super) fn upgrade_required(message: &'static str) -> Self {
        let refusal = Self::new(Code::FailedPrecondition, "UPGRADE_REQUIRED", message);
        Self { status: StatusCode::UPGRADE_REQUIRED, ..refusal }
    }

    /// Asks the caller to come back, spread over up to twice the time: those who are refused together come apart.
    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait.mul_f64(rand::random_range(1.0..2.0))), ..self }
    }
}

/// What HTTP says for a code.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Cancelled | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let reason = info.map_or_else(|| "INTERNAL".to_owned(), |info| info.reason.clone());
        let retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
        let message = status.message().to_owned();
        Self { reason: reason.into(), retry_after, ..Self::new(status.code(), "", message) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NoEvent(_) => Self::new(Code::NotFound, "EVENT_NOT_FOUND", message),
            Error::Refused(status) => Self::from(&status),
            Error::Unreachable => {
                Self::new(Code::Unavailable, "BACKEND_UNAVAILABLE", message).after(RETRY_AFTER_OUTAGE)
            }
            Error::Busy => Self::new(Code::Unavailable, "OVERLOADED", message).after(RETRY_AFTER_OUTAGE),
            Error::Malformed(_) => Self::new(Code::Internal, "INTERNAL", message),
        }
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        let message = match full {
            Full::Everything => "the gateway is full; try again later",
            Full::Address => "too many connections from your address; close some",
        };
        Self::new(Code::Unavailable, "OVERLOADED", message).after(RETRY_AFTER_FULL)
    }
}

impl From<EnterError> for Refusal {
    fn from(error: EnterError) -> Self {
        Self::new(Code::Unavailable, "OVERLOADED", error.to_string()).after(RETRY_AFTER_FULL)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let unavailable = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let wait = self.retry_after.or(unavailable.then_some(RETRY_AFTER_OUTAGE));
        let trace_id = self.status.is_server_error().then(|| Trace::current().id().to_string());
        let answer = Answer {
            error: AnswerError {
                code: self.code,
                reason: &self.reason,
                message: &self.message,
                retry_after_ms: wait.map(|wait| wait.as_millis().try_into().unwrap_or(u64::MAX)),
                trace_id: trace_id.as_deref(),
            },
        };
        let mut response = (self.status, Json(answer)).into_response();
        response.extensions_mut().insert(Refused { reason: self.reason.into_owned(), trace_id });
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = wait {
            // Whole seconds, never too early.
            let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    async fn shown(refusal: Refusal) -> (u16, Option<String>, String) {
        let response = refusal.into_response();
        let retry =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, retry, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn a_status_keeps_its_reason_and_wait() {
        let mut details = ErrorDetails::new();
        details.set_error_info("GATE_REBUILDING", "ticketengine", []);
        details.set_retry_info(Some(Duration::from_millis(1_200)));
        let status = Status::with_error_details(Code::Unavailable, "one moment", details);
        let (code, retry, body) = shown(Refusal::from(&status)).await;
        assert_eq!((code, retry.as_deref()), (503, Some("2")));
        let expected = r#"{"error":{"code":"UNAVAILABLE","reason":"GATE_REBUILDING","message":"one moment","retry_after_ms":1200,"trace_id":""#;
        assert!(body.starts_with(expected) && body.len() == expected.len() + 32 + 3, "{body}");
    }

    #[tokio::test]
    async fn a_503_says_when_to_come_back() {
        for refusal in
            [Refusal::from(Full::Address), Refusal::draining(), Error::Unreachable.into(), Error::Busy.into()]
        {
            let (code, retry, body) = shown(refusal).await;
            assert_eq!(code, 503, "{body}");
            assert!(retry.is_some() && body.contains("retry_after_ms"), "{body}");
        }
        let (code, retry, body) = shown(Error::NoEvent("x".into()).into()).await;
        assert_eq!((code, retry), (404, None));
        assert!(body.contains(r#""reason":"EVENT_NOT_FOUND""#), "{body}");
    }
}
