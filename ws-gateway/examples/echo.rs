//! An echo server with the gateway's sockets, for the Autobahn cases: `echo 127.0.0.1:9001`.

use std::{env, io};

use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).ok_or_else(|| io::Error::other("usage: echo HOST:PORT"))?;
    let listener = TcpListener::bind(address).await?;
    let sockets = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        sockets.spawn(async move {
            // Nothing may be sent before the upgrade is answered, so nothing was read ahead.
            if let Ok(opened) = accept_async(stream).await {
                ws_gateway::echo(opened.into_inner()).await;
            }
        });
    }
}
