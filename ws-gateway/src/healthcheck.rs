//! Whether the gateway of this machine is well: for containers, which have no other program to ask with.

use std::{io, net::SocketAddr, time::Duration};

use axum::body::Body;
use http::{Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use telemetry::on_this_machine;
use tokio::{net::TcpStream, select, time::timeout};

/// A gateway that takes longer is not well.
const WAIT: Duration = Duration::from_secs(2);

/// Why it is not well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("{0} can not be reached: {1}")]
    Unreachable(SocketAddr, io::Error),
    /// It hangs.
    #[error("{0} does not answer within {WAIT:?}")]
    Silent(SocketAddr),
    /// It speaks no HTTP.
    #[error("{0} answers with nonsense: {1}")]
    Nonsense(SocketAddr, hyper::Error),
    /// It says so itself.
    #[error("{0} says {1}")]
    Unwell(SocketAddr, StatusCode),
}

/// Asks for `path` at the port where the gateway `listens`.
pub async fn ask(listens: SocketAddr, path: &str) -> Result<(), Error> {
    let address = on_this_machine(listens);
    match timeout(WAIT, get(address, path)).await {
        Ok(Ok(StatusCode::OK)) => Ok(()),
        Ok(Ok(status)) => Err(Error::Unwell(address, status)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Silent(address)),
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<StatusCode, Error> {
    let unreachable = |error| Error::Unreachable(address, error);
    let nonsense = |error| Error::Nonsense(address, error);
    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(nonsense)?;
    let request = Request::get(path).header(header::HOST, address.to_string()).body(Body::empty());
    let request = request.map_err(|error| unreachable(io::Error::other(error)))?;
    // A connection that ends well has given its answer, or takes the request with it.
    select! {
        answer = sender.send_request(request) => Ok(answer.map_err(nonsense)?.status()),
        Err(error) = connection => Err(nonsense(error)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        join,
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with `answer` and closes the connection with it.
    async fn answered(answer: &str) -> Result<(), Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut Vec::with_capacity(1024)).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        join!(ask(listener.local_addr().unwrap(), "/readyz"), serve).0
    }

    #[tokio::test]
    async fn an_answer_counts_though_the_connection_ends_with_it() {
        for _ in 0..64 {
            answered("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    }

    #[tokio::test]
    async fn no_answer_is_not_well() {
        assert!(matches!(answered("").await, Err(Error::Nonsense(..))));
    }
}
