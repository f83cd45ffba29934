use axum::{
    Extension,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use seat_board::Position;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tonic::Code;
use tracing::debug;
use url::form_urlencoded;

use super::{App, Parts, error::Refusal, events::EventId, forwarded, listen::Peer};
use crate::{
    limits::{SECTIONS_WATCHED_MAX, UPGRADE_WAIT},
    rooms::{Encoding, Seats},
    session::{self, Ticket},
};

/// The subprotocols. Of those that a client offers, its first one is taken.
const PROTOCOLS: [(&str, Encoding); 2] =
    [("ticketengine.v1.bin", Encoding::Bin), ("ticketengine.v1.json", Encoding::Json)];

/// Characters of a Sec-WebSocket-Key: 16 bytes in base64.
const KEY_LENGTH: usize = 24;

/// Makes a connection a socket that watches the seats of an event. What is wrong is said while it still is HTTP.
pub(super) async fn seats(
    State(parts): App,
    EventId(event_id): EventId,
    Extension(peer): Extension<Peer>,
    mut request: Request,
) -> Result<Response, Refusal> {
    let accept = accept_key(&request)?;
    let headers = request.headers();
    if parts.draining.is_cancelled() {
        return Err(Refusal::draining());
    }
    if !parts.options.origins.allow(headers.get(header::ORIGIN), headers.get(header::HOST)) {
        let message = "pages of this origin may not connect; see TE_ALLOWED_ORIGINS";
        return Err(Refusal::new(Code::PermissionDenied, "ORIGIN_NOT_ALLOWED", message));
    }
    let (encoding, protocol) = subprotocol(headers)?;
    let wish = Wish::parse(request.uri().query().unwrap_or_default())?;
    let client = forwarded::client(headers, peer.address, parts.options.forwarded_hops);
    // Before booking-svc is asked: a full gateway refuses without work.
    let place = peer.connection.enter(client)?;
    let seats = watched(&parts, &event_id, &wish.sections).await?;
    let watcher = parts.rooms.enter(&event_id, seats)?;
    let ticket = Ticket {
        watcher,
        encoding,
        known: wish.known,
        targets: parts.targets.clone(),
        place,
        settings: parts.session.clone(),
        read_ahead: Bytes::new(),
    };
    let session = run(hyper::upgrade::on(&mut request), ticket);
    parts.sessions.spawn(parts.stop.clone().run_until_cancelled_owned(session));
    let mut response = (
        StatusCode::SWITCHING_PROTOCOLS,
        [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")],
        [(header::SEC_WEBSOCKET_ACCEPT, accept)],
    )
        .into_response();
    if let Some(protocol) = protocol {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(response)
}

/// Once the answer is out, HTTP's memory is given back and only the TCP connection is left.
async fn run(upgrade: OnUpgrade, mut ticket: Ticket) {
    let upgraded = match timeout(UPGRADE_WAIT, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => return debug!(%error, "gone before it was a socket"),
        Err(_) => return debug!("did not take the answer to its upgrade"),
    };
    let Ok(parts) = Upgraded::downcast::<TokioIo<TcpStream>>(upgraded) else { return };
    // A copy: the original would keep HTTP's whole buffer.
    ticket.read_ahead = Bytes::copy_from_slice(&parts.read_buf);
    let stream = parts.io.into_inner();
    drop(parts.read_buf);
    session::run(stream, ticket).await;
}

/// What to answer to the key of a proper request for an upgrade.
fn accept_key(request: &Request) -> Result<String, Refusal> {
    let headers = request.headers();
    let has = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
    };
    let upgrade = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    if !upgrade || request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(Refusal::upgrade_required("this is a WebSocket; ask for an upgrade"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::upgrade_required("only version 13 of WebSocket is spoken here"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.len() != KEY_LENGTH {
        return Err(Refusal::invalid("Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    Ok(derive_accept_key(key))
}

/// The first that we know of those that the client offers; JSON for who offers none.
fn subprotocol(headers: &HeaderMap) -> Result<(Encoding, Option<&'static str>), Refusal> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offers =
        lists.iter().flat_map(|list| list.to_str().unwrap_or_default().split(',')).map(str::trim).peekable();
    if offers.peek().is_none() {
        return Ok((Encoding::Json, None));
    }
    let known = |offer| PROTOCOLS.into_iter().find(|(name, _)| *name == offer);
    let message = "offer ticketengine.v1.json or ticketengine.v1.bin";
    let unknown = || Refusal::new(Code::InvalidArgument, "SUBPROTOCOL_UNKNOWN", message);
    let (name, encoding) = offers.find_map(known).ok_or_else(unknown)?;
    Ok((encoding, Some(name)))
}

/// What the query of a socket asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    known: Option<Position>,
    sections: Vec<String>,
}

impl Wish {
    fn parse(query: &str) -> Result<Self, Refusal> {
        let (mut epoch, mut version, mut sections) = (None, None, Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = || {
                let number = value.parse::<u64>();
                number.map_err(|_| Refusal::invalid(format!("{name} must be a whole number")))
            };
            match &*name {
                "epoch" => epoch = Some(number()?),
                "version" => version = Some(number()?),
                "section" if sections.len() == SECTIONS_WATCHED_MAX => {
                    return Err(Refusal::invalid(format!(
                        "at most {SECTIONS_WATCHED_MAX} sections can be named"
                    )));
                }
                "section" => sections.push(value.into_owned()),
                // Of later versions, or of the caller's own.
                _ => {}
            }
        }
        let known = match (epoch, version) {
            (Some(epoch), Some(version)) => Some(Position { epoch, version }),
            (None, None) => None,
            _ => return Err(Refusal::invalid("epoch and version go together")),
        };
        Ok(Self { known, sections })
    }
}

/// Which seats are meant.
async fn watched(parts: &Parts, event_id: &str, sections: &[String]) -> Result<Seats, Refusal> {
    if sections.is_empty() {
        let event = parts.catalog.event(event_id).await?;
        return Ok(Seats::all(event.seat_count));
    }
    let layout = parts.catalog.layout(event_id).await?;
    let unknown = |name| {
        Refusal::new(Code::InvalidArgument, "SECTION_UNKNOWN", format!("there is no section {name:?}"))
    };
    let watched = layout.seats_of(sections).map_err(unknown)?;
    Ok(Seats::some(layout.seat_count, watched))
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
