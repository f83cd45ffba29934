use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt;
use tracing::debug;

use super::{Error, Targets};
use crate::limits::CALL_ATTEMPTS_MAX;

/// Asks one replica after the other until one answers; each has `wait`. Only for questions: they may be repeated.
pub(super) async fn ask<T, Answer>(
    targets: &Targets,
    wait: Duration,
    question: impl Fn(Channel) -> Answer,
) -> Result<T, Error>
where
    Answer: Future<Output = Result<Response<T>, Status>>,
{
    let mut error = Error::Unreachable;
    for _ in 0..CALL_ATTEMPTS_MAX {
        let target = targets.pick();
        match timeout(wait, question(target.channel.clone())).await {
            Ok(Ok(answer)) => return Ok(answer.into_inner()),
            // All of booking-svc's own answers name a reason; without one, nobody answered.
            Ok(Err(status)) if status.get_details_error_info().is_some() => {
                let elsewhere = status.code() == Code::Unavailable;
                error = Error::Refused(status);
                if !elsewhere {
                    break;
                }
            }
            Ok(Err(status)) => {
                debug!(address = target.address, %status, "no answer");
                targets.failed(&target);
            }
            Err(_) => {
                debug!(address = target.address, ?wait, "no answer in time");
                targets.failed(&target);
            }
        }
    }
    Err(error)
}
