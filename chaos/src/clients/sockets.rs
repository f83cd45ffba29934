//! Watchers over WebSockets: each comes back after every fault, at the next gateway, from where it was.

use std::time::Duration;

use futures_util::StreamExt;
use testkit::frame;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{Diary, Round, streams::fits, view};
use crate::history::Sight;

/// Two heartbeats and a half, as the guide for clients says.
const SILENCE_MAX: Duration = Duration::from_millis(2_500);
const PAUSE: Duration = Duration::from_millis(200);
pub(crate) const PROTOCOLS: [&str; 2] = ["ticketengine.v1.json", "ticketengine.v1.bin"];

/// Watches until the round is done. `gateways` are host and port, the own one first.
pub(crate) async fn run(round: Round, diary: Diary, gateways: Vec<String>, protocol: &'static str) {
    for gateway in gateways.iter().cycle() {
        let _ = round.done.run_until_cancelled(watch(&round, &diary, gateway, protocol)).await;
        diary.note(Sight::Closed);
        if round.done.is_cancelled() {
            return;
        }
        round.pause(PAUSE).await;
    }
}

async fn watch(round: &Round, diary: &Diary, gateway: &str, protocol: &'static str) {
    let known = diary.position();
    let Some(mut socket) = open(gateway, &round.event, known, protocol).await else { return };
    diary.note(Sight::Opened { known });
    while let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, socket.next()).await {
        let frame = match message {
            Message::Text(text) => frame::text(&text),
            Message::Binary(bytes) => frame::binary(&bytes),
            Message::Close(_) => return,
            _ => continue,
        };
        let Some(sight) = view::of_frame(frame) else { continue };
        let fits = fits(diary.position(), &sight);
        diary.note(sight);
        if !fits {
            diary.forget_position();
            return;
        }
    }
}

/// A socket of an event; none where the gateway does not answer, or refuses.
pub(crate) async fn open(
    gateway: &str,
    event: &str,
    known: Option<(u64, u64)>,
    protocol: &'static str,
) -> Option<WebSocketStream<TcpStream>> {
    let from = known.map_or(String::new(), |(epoch, version)| format!("?epoch={epoch}&version={version}"));
    let mut request = format!("ws://{gateway}/v1/events/{event}/seats{from}").into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().ok()?);
    let opening = async {
        let stream = TcpStream::connect(gateway).await.ok()?;
        client_async(request, stream).await.ok()
    };
    timeout(SILENCE_MAX, opening).await.ok().flatten().map(|(socket, _)| socket)
}
