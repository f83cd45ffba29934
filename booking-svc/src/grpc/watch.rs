//! `WatchSeats` as a stream that is pulled: a client that does not read costs what HTTP/2 lets it have, and a position.

use std::{panic::AssertUnwindSafe, pin::Pin};

use futures_util::{FutureExt, Stream, stream};
use ticketengine::v1::WatchSeatsResponse;
use tonic::Status;

use crate::booking::{Error, Watch};

/// What a client hears until it goes away, or the watch ends.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<WatchSeatsResponse, Status>> + Send>>;

/// The messages of a watch. Its place is free when they end.
pub(super) fn messages(watch: Watch) -> Messages {
    Box::pin(stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        // The front layer is through with the call once it has its headers.
        let answer = match AssertUnwindSafe(watch.next()).catch_unwind().await {
            Ok(Some(message)) => {
                return Some((Ok(WatchSeatsResponse { message: Some(message) }), Some(watch)));
            }
            Ok(None) => Error::StreamEnded,
            Err(_) => Error::Internal,
        };
        Some((Err(answer.into()), None))
    }))
}
