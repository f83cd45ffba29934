//! Keeps the customers' screens fresh: one poll for all.

use std::{sync::Arc, time::Duration};

use ticketengine::v1::{GetSeatMapRequest, booking_service_client::BookingServiceClient};
use tokio::{sync::watch, time::interval};
use tonic::transport::Channel;

use super::{caller::CALL_WAIT, house::House, view::View};
use crate::{client::Token, error::Error};

/// Between two refreshes.
const REFRESH_EVERY: Duration = Duration::from_millis(300);

/// A way to look at the seat map.
pub(super) struct Screen {
    client: BookingServiceClient<Channel>,
    token: Token,
    event: String,
    house: Arc<House>,
}

impl Screen {
    /// Reads the layout of the house.
    pub(super) async fn open(
        client: BookingServiceClient<Channel>,
        token: Token,
        event: &str,
    ) -> Result<Self, Error> {
        let house = Arc::new(House::new(&Default::default()));
        let mut screen = Self { client, token, event: event.to_owned(), house };
        let map = screen.ask(false).await?;
        let layout = map.layout.ok_or(Error::Incomplete("GetSeatMap", "layout"))?;
        screen.house = Arc::new(House::new(&layout));
        Ok(screen)
    }

    /// The seats now.
    pub(super) async fn look(&mut self) -> Result<View, Error> {
        let states = self.ask(true).await?.states.ok_or(Error::Incomplete("GetSeatMap", "states"))?;
        Ok(View::new(Arc::clone(&self.house), states.packed))
    }

    /// How many seats the house has.
    pub(super) fn seat_count(&self) -> u32 {
        self.house.seat_count()
    }

    /// Looks again and again. While the service does not answer, the screens show what they showed.
    pub(super) async fn keep_fresh(mut self, screens: watch::Sender<Arc<View>>) {
        let mut ticks = interval(REFRESH_EVERY);
        loop {
            ticks.tick().await;
            if let Ok(view) = self.look().await {
                screens.send_replace(Arc::new(view));
            }
        }
    }

    async fn ask(&mut self, states_only: bool) -> Result<ticketengine::v1::GetSeatMapResponse, Error> {
        let message = GetSeatMapRequest { event_id: self.event.clone(), states_only };
        let answer = self.client.get_seat_map(self.token.request(message, CALL_WAIT)).await;
        let refused = |status| Error::Refused { call: "GetSeatMap", status: Box::new(status) };
        Ok(answer.map_err(refused)?.into_inner())
    }
}
