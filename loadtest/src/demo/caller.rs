//! How a customer calls the service: with its token, and again with the same ids while an outcome is open.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use ticketengine::v1::{
    CancelRequest, CancelResponse, ConfirmRequest, ConfirmResponse, ExtendRequest, ExtendResponse,
    ReleaseRequest, ReleaseResponse, ReserveRequest, ReserveResponse,
    booking_service_client::BookingServiceClient,
};
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status, metadata::MetadataValue, transport::Channel};

use super::{sale::Sale, tally::Rpc};
use crate::client::{Refusal, Token};

/// How long a call may take.
pub(super) const CALL_WAIT: Duration = Duration::from_secs(5);
/// How often a call is sent whose outcome is open.
const SENDS_MAX: u32 = 10;
/// The longest wait before such a call is sent again.
const SEND_AGAIN_AFTER_MAX: Duration = Duration::from_secs(5);
/// The first wait where the service names none; it doubles each time.
const SEND_AGAIN_AFTER: Duration = Duration::from_millis(100);

type Client = BookingServiceClient<Channel>;

/// A customer's way to the service.
pub(super) struct Caller {
    sale: Arc<Sale>,
    token: Token,
    rng: Rng,
    /// The connection in use.
    line: usize,
}

impl Caller {
    /// Begins on one of the connections.
    pub(super) fn new(sale: Arc<Sale>, token: Token, rng: Rng, line: usize) -> Self {
        Self { sale, token, rng, line }
    }

    /// Goes on with the next connection, and so through another replica.
    pub(super) fn change_line(&mut self) {
        self.line += 1;
    }

    /// Takes seats. `repeated`: by a request that was sent before.
    pub(super) async fn reserve(
        &mut self,
        message: &ReserveRequest,
        repeated: bool,
    ) -> Result<ReserveResponse, Refusal> {
        self.send(Rpc::Reserve, message, repeated, |mut to, request| async move { to.reserve(request).await })
            .await
    }

    /// Holds them longer.
    pub(super) async fn extend(&mut self, message: &ExtendRequest) -> Result<ExtendResponse, Refusal> {
        self.call(Rpc::Extend, message, |mut to, request| async move { to.extend(request).await }).await
    }

    /// Gives a hold back.
    pub(super) async fn release(&mut self, message: &ReleaseRequest) -> Result<ReleaseResponse, Refusal> {
        self.call(Rpc::Release, message, |mut to, request| async move { to.release(request).await }).await
    }

    /// Buys.
    pub(super) async fn confirm(&mut self, message: &ConfirmRequest) -> Result<ConfirmResponse, Refusal> {
        self.call(Rpc::Confirm, message, |mut to, request| async move { to.confirm(request).await }).await
    }

    /// Gives a booking back.
    pub(super) async fn cancel(&mut self, message: &CancelRequest) -> Result<CancelResponse, Refusal> {
        self.call(Rpc::Cancel, message, |mut to, request| async move { to.cancel(request).await }).await
    }

    async fn call<M: Clone, T, Answer>(
        &mut self,
        rpc: Rpc,
        message: &M,
        send: impl Fn(Client, Request<M>) -> Answer,
    ) -> Result<T, Refusal>
    where
        Answer: Future<Output = Result<Response<T>, Status>>,
    {
        self.send(rpc, message, false, send).await
    }

    /// Sends until the outcome is no longer open, or too often; each time on the next connection.
    async fn send<M: Clone, T, Answer>(
        &mut self,
        rpc: Rpc,
        message: &M,
        repeated: bool,
        send: impl Fn(Client, Request<M>) -> Answer,
    ) -> Result<T, Refusal>
    where
        Answer: Future<Output = Result<Response<T>, Status>>,
    {
        let mut sends = 0;
        loop {
            let slot = self.sale.in_flight.acquire().await;
            let mut request = self.token.request(message.clone(), CALL_WAIT);
            if repeated || sends > 0 {
                request.metadata_mut().insert(ticketengine::REPEAT_METADATA, MetadataValue::from_static("1"));
            }
            let begin = Instant::now();
            let answer = send(self.sale.connections.booking(self.line), request).await.map_err(Refusal::from);
            self.sale.tally.answered(rpc, begin.elapsed(), answer.as_ref().err());
            drop(slot);

            sends += 1;
            let refusal = match answer {
                Ok(response) => return Ok(response.into_inner()),
                Err(refusal) => refusal,
            };
            if !refusal.is_open() {
                return Err(refusal);
            }
            if sends == SENDS_MAX {
                self.sale.tally.count(|counts| counts.left_open += 1);
                return Err(refusal);
            }
            self.change_line();
            sleep(send_again_after(&refusal, sends, &mut self.rng)).await;
        }
    }
}

/// As long as the service says, or longer and longer; plus up to half of it, so that not all come back at once.
fn send_again_after(refusal: &Refusal, sends: u32, rng: &mut Rng) -> Duration {
    let backoff = SEND_AGAIN_AFTER * 2_u32.saturating_pow(sends - 1);
    let wait = refusal.retry_after.unwrap_or(backoff).min(SEND_AGAIN_AFTER_MAX);
    wait.mul_f64(1.0 + rng.f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::client::Level;

    fn wait(retry_after: Option<Duration>, sends: u32) -> Duration {
        let (level, message) = (Level::Gate, String::new());
        let refusal = Refusal { code: Code::Unavailable, reason: String::new(), level, retry_after, message };
        send_again_after(&refusal, sends, &mut Rng::with_seed(3))
    }

    #[test]
    fn the_service_says_when_to_come_back() {
        let second = Duration::from_secs(1);
        assert!((second..=second * 3 / 2).contains(&wait(Some(second), 1)));
        assert!(wait(Some(second * 3600), 1) <= SEND_AGAIN_AFTER_MAX * 3 / 2);
    }

    #[test]
    fn else_the_wait_doubles_up_to_a_bound() {
        assert!(wait(None, 1) >= SEND_AGAIN_AFTER && wait(None, 1) <= SEND_AGAIN_AFTER * 3 / 2);
        assert!(wait(None, 3) >= SEND_AGAIN_AFTER * 4);
        assert!(wait(None, 30) <= SEND_AGAIN_AFTER_MAX * 3 / 2);
    }
}
