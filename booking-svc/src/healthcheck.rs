//! Whether the service of this machine is well: for containers, which have no other program to ask with.

use std::{io, net::SocketAddr, time::Duration};

use telemetry::on_this_machine;
use tokio::{net::TcpStream, time::timeout};
use tonic::{Status, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// A service that takes longer is not well.
const WAIT: Duration = Duration::from_secs(2);

/// Why it is not well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody takes connections there.
    #[error("{0} can not be reached: {1}")]
    Unreachable(SocketAddr, io::Error),
    /// It speaks no gRPC, or has no health service.
    #[error("{0} does not answer: {1}")]
    NoAnswer(SocketAddr, Box<Status>),
    /// It hangs.
    #[error("{0} does not answer within {WAIT:?}")]
    Silent(SocketAddr),
    /// It says so itself.
    #[error("{0} says {1}")]
    Unwell(SocketAddr, &'static str),
}

/// Asks the health service at the port where the service `listens`. Over TLS, whose certificate names another host, it is
/// only looked whether somebody takes connections.
pub async fn ask(listens: SocketAddr, tls: bool) -> Result<(), Error> {
    let address = on_this_machine(listens);
    let asked = async {
        TcpStream::connect(address).await.map_err(|error| Error::Unreachable(address, error))?;
        if tls { Ok(()) } else { check(address).await }
    };
    timeout(WAIT, asked).await.unwrap_or(Err(Error::Silent(address)))
}

async fn check(address: SocketAddr) -> Result<(), Error> {
    let no_answer = |status: Status| Error::NoAnswer(address, Box::new(status));
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let channel = endpoint.map_err(|error| no_answer(Status::from_error(error.into())))?.connect_lazy();
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.map_err(no_answer)?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        status @ (ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown) => {
            Err(Error::Unwell(address, status.as_str_name()))
        }
    }
}
