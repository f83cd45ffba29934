use axum::extract::State;
use tonic::Code;

use super::{App, error::Refusal};

/// The process lives.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// New clients may come.
pub(super) async fn ready(State(parts): App) -> Result<&'static str, Refusal> {
    if parts.draining.is_cancelled() {
        return Err(Refusal::draining());
    }
    if !parts.targets.serving() {
        let message = "no replica of booking-svc says that it serves; see TE_TARGETS";
        return Err(Refusal::new(Code::Unavailable, "BACKEND_UNAVAILABLE", message));
    }
    Ok("ready\n")
}
