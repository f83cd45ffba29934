//! The way to the service: connections, tokens, and what an error means for its caller.

mod refusal;
mod token;

use std::time::Duration;

use ticketengine::v1::booking_service_client::BookingServiceClient;
use tonic::transport::{Channel, Endpoint};

pub(crate) use refusal::{Level, Refusal};
pub(crate) use token::{Minter, Token};

use crate::error::Error;

/// How long the service may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The largest answer that is read: the layout of a hundred thousand seats is some megabytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Connections to all targets, in turn: the next one goes to the next target.
pub(crate) struct Connections {
    channels: Vec<Channel>,
}

impl Connections {
    /// Opens `count` connections, and at least one to each target.
    pub(crate) async fn open(targets: &[String], count: u16) -> Result<Self, Error> {
        let mut endpoints = Vec::with_capacity(targets.len());
        for target in targets {
            let endpoint =
                Endpoint::from_shared(target.clone()).map_err(|e| Error::Target(target.clone(), e))?;
            endpoints.push((target, endpoint.connect_timeout(CONNECT_WAIT).tcp_nodelay(true)));
        }
        let count = usize::from(count).max(endpoints.len());
        let mut channels = Vec::with_capacity(count);
        for (target, endpoint) in endpoints.iter().cycle().take(count) {
            let unreachable = |source| Error::Unreachable { target: (*target).clone(), source };
            let channel = endpoint.connect().await.map_err(unreachable)?;
            channels.push(channel);
        }
        Ok(Self { channels })
    }

    /// A client on one of the connections; the numbers go round.
    pub(crate) fn booking(&self, number: usize) -> BookingServiceClient<Channel> {
        BookingServiceClient::new(self.channel(number)).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.channels.len()
    }

    /// One of the connections; the numbers go round.
    pub(crate) fn channel(&self, number: usize) -> Channel {
        self.channels[number % self.channels.len()].clone()
    }
}
