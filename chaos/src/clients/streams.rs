//! Watchers over gRPC: each comes back after every fault, at the next replica, from where it was.

use std::time::Duration;

use ticketengine::v1::{SeatsPosition, WatchSeatsRequest, booking_service_client::BookingServiceClient};
use tokio::time::timeout;
use tonic::transport::Channel;

use super::{Diary, Round, view};
use crate::history::Sight;

/// A heartbeat comes each second.
const SILENCE_MAX: Duration = Duration::from_millis(2_500);
const PAUSE: Duration = Duration::from_millis(200);

/// Watches until the round is done.
pub(crate) async fn run(round: Round, diary: Diary, replicas: Vec<Channel>, first: usize) {
    for replica in (0..replicas.len()).cycle().skip(first) {
        let watching = watch(&round, &diary, replicas[replica].clone());
        let _ = round.done.run_until_cancelled(watching).await;
        diary.note(Sight::Closed);
        if round.done.is_cancelled() {
            return;
        }
        round.pause(PAUSE).await;
    }
}

/// One stream, until it ends, is silent, or something was lost.
async fn watch(round: &Round, diary: &Diary, replica: Channel) {
    let known = diary.position();
    let request = WatchSeatsRequest {
        event_id: round.event.clone(),
        known: known.map(|(epoch, version)| SeatsPosition { epoch, version }),
    };
    let mut service = BookingServiceClient::new(replica);
    let Ok(Ok(answer)) = timeout(SILENCE_MAX, service.watch_seats(request)).await else { return };
    diary.note(Sight::Opened { known });
    let mut stream = answer.into_inner();
    while let Ok(Ok(Some(message))) = timeout(SILENCE_MAX, stream.message()).await {
        let Some(sight) = view::of_message(message) else { continue };
        let fits = fits(diary.position(), &sight);
        diary.note(sight);
        if !fits {
            diary.forget_position();
            return;
        }
    }
}

/// Whether a message continues what the watcher has. The checker holds the same against the service; this only keeps a
/// watcher from going on with what it knows to be wrong.
pub(crate) fn fits(at: Option<(u64, u64)>, sight: &Sight) -> bool {
    match (sight, at) {
        (Sight::Changes { epoch, after, .. }, at) => at == Some((*epoch, *after)),
        _ => true,
    }
}
