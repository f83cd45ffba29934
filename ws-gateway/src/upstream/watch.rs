//! One `WatchSeats` stream an event, which goes on at another replica where the last one left off.

use std::time::Duration;

use ticketengine::v1::{WatchSeatsRequest, booking_service_client::BookingServiceClient};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracing::{debug, info, warn};

use super::{
    DOMAIN, Target, Targets,
    live::{Fault, Heard, Live},
};

/// A stream that says nothing for this long is dead: the service sends a heartbeat each second.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The first retry is at once, on another replica. The pauses before the next ones double from here, with full jitter,
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// up to here.
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// A stream that lasted this long was a good one: the next retry is a first one.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// When all replicas have been behind for this long, the installation was set back, and the past is what is true now.
const SET_BACK_AFTER: Duration = Duration::from_secs(5);
/// A replica that has been cut off or behind for this long is left, if there is a better one.
const DOUBT_MAX: Duration = Duration::from_secs(2);
/// A message of the stream: the snapshot of the largest house is some 25 KiB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The service's reason for "there is no such event".
const EVENT_NOT_FOUND: &str = "EVENT_NOT_FOUND";

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Status(#[from] Box<Status>),
    #[error("silent for {SILENCE_MAX:?}")]
    Silent,
    #[error("cut off or behind for {DOUBT_MAX:?}")]
    Doubtful,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Keeps `live` up to date until the event is gone, or the future is dropped.
pub async fn follow(event_id: &str, targets: &Targets, live: &Live) {
    let mut failures = 0;
    let mut behind_since = None;
    loop {
        let target = targets.pick();
        let started = Instant::now();
        let end = stream(event_id, targets, &target, live, &mut behind_since).await;
        if is_gone(&end) {
            info!(event_id, "the event is gone");
            return live.end();
        }
        match end {
            // Nothing is wrong with the replica; it will catch up, or has room again.
            End::Fault(fault) => warn!(event_id, target = target.address, %fault, "a stream was given up"),
            End::Status(status) if reason(&status).is_some() => {
                debug!(event_id, target = target.address, %status, "a stream was refused");
            }
            End::Status(_) | End::Silent | End::Doubtful => {
                debug!(event_id, target = target.address, %end, "a stream ended");
                targets.failed(&target);
            }
        }
        targets.metrics().reconnected();
        failures = if started.elapsed() >= GOOD_AFTER { 1 } else { failures + 1 };
        sleep(pause(failures)).await;
    }
}

/// Reads one stream to its end.
async fn stream(
    event_id: &str,
    targets: &Targets,
    target: &Target,
    live: &Live,
    behind_since: &mut Option<Instant>,
) -> End {
    let mut client =
        BookingServiceClient::new(target.streams.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let request = WatchSeatsRequest { event_id: event_id.to_owned(), known: live.known().map(Into::into) };
    let mut messages = match timeout(SILENCE_MAX, client.watch_seats(request)).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return Box::new(status).into(),
        Err(_) => return End::Silent,
    };
    let mut doubtful_since = None;
    loop {
        let message = match timeout(SILENCE_MAX, messages.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return Box::new(Status::unavailable("the stream ended")).into(),
            Ok(Err(status)) => return Box::new(status).into(),
            Err(_) => return End::Silent,
        };
        let set_back = behind_since.is_some_and(|since: Instant| since.elapsed() >= SET_BACK_AFTER);
        match live.take(message, set_back) {
            Ok(Heard::News) => (*behind_since, doubtful_since) = (None, None),
            Ok(heard) => {
                if heard == Heard::CutOff {
                    *behind_since = None;
                }
                let since = *doubtful_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= DOUBT_MAX && targets.has_other(target) {
                    return End::Doubtful;
                }
            }
            Err(fault) => {
                if fault == Fault::Older {
                    behind_since.get_or_insert_with(Instant::now);
                }
                return fault.into();
            }
        }
    }
}

fn is_gone(end: &End) -> bool {
    let End::Status(status) = end else { return false };
    // Something between here and the service may say "not found" too.
    status.code() == Code::NotFound && reason(status).as_deref() == Some(EVENT_NOT_FOUND)
}

/// Why the service itself refuses; None: the status is not its own, nobody has answered.
fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason)
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(2) else { return Duration::ZERO };
    let longest = BACKOFF_MIN.saturating_mul(1 << doublings.min(10)).min(BACKOFF_MAX);
    rand::random_range(Duration::ZERO..=longest)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
