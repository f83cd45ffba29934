//! What a client can ask for over its socket: text frames, decoded and checked once.

use opentelemetry::trace::SpanContext;

use super::fields::{Fields, Text, Violation};
use crate::limits::{ACCESS_TOKEN_BYTES_MAX, RESERVATION_TOKEN_BYTES_MAX, SEATS_PER_RESERVATION_MAX};

/// Every `op`, as the wire names it.
pub(super) const OPS: [&str; 6] = ["authenticate", "reserve", "extend", "release", "confirm", "follow"];

const ID: Text =
    Text { bytes_max: 64, rule: "must be 1 to 64 printable ASCII characters without spaces, as a string" };
const PAYMENT_REFERENCE: Text =
    Text { bytes_max: 128, rule: "must be 1 to 128 printable ASCII characters without spaces, as a string" };
/// The longest that the service makes is an event id of 63 characters and two numbers of 20 digits.
const RESERVATION_ID: Text =
    Text { bytes_max: 128, rule: "must be an id that reserve returned: <event_id>.<epoch>.<version>" };
const ACCESS_TOKEN: Text = Text { bytes_max: ACCESS_TOKEN_BYTES_MAX, rule: "must be an access token" };
const RESERVATION_TOKEN: Text = Text {
    bytes_max: RESERVATION_TOKEN_BYTES_MAX,
    rule: "must be a token that reserve or extend returned for this reservation",
};

/// A command with the id that its reply will carry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Chosen by the client.
    pub(super) id: String,
    pub(super) command: Command,
    /// The trace that it belongs to, where the client names one.
    pub(super) traceparent: Option<SpanContext>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The token goes with all later calls.
    Authenticate { token: String },
    /// What booking-svc is called for.
    Call(Call),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Hold seats of the socket's event.
    Reserve { request_id: String, seat_ids: Vec<u32> },
    /// Move the end of a hold.
    Extend(Claim),
    /// Give the seats back.
    Release(Claim),
    /// Turn the hold into a booking. The reference is the payment's id at the payment provider.
    Confirm { claim: Claim, payment_reference: String },
    /// Make a reservation one of the socket's own.
    Follow(Claim),
}

/// Names a reservation, and proves it where the client sent the token along.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) reservation_id: String,
    pub(super) token: Option<String>,
}

impl Call {
    /// As the wire names it.
    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::Reserve { .. } => "reserve",
            Self::Extend(_) => "extend",
            Self::Release(_) => "release",
            Self::Confirm { .. } => "confirm",
            Self::Follow(_) => "follow",
        }
    }

    /// The reservation that it is about, if there is one already.
    pub(super) fn claim_mut(&mut self) -> Option<&mut Claim> {
        match self {
            Self::Reserve { .. } => None,
            Self::Extend(claim)
            | Self::Release(claim)
            | Self::Confirm { claim, .. }
            | Self::Follow(claim) => Some(claim),
        }
    }
}

/// Why a frame is no command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Where it could be read.
    pub(super) id: Option<String>,
    pub(super) message: String,
    pub(super) fields: Vec<Violation>,
}

/// Reads a text frame.
pub(super) fn decode(text: &str) -> Result<Request, Refused> {
    let mut fields =
        Fields::parse(text).map_err(|message| Refused { id: None, message, fields: Vec::new() })?;
    let id = fields.text("id", &ID);
    let op = fields.text("op", &Text { bytes_max: 64, rule: "must be a string" });
    let Some(command) = command(&op, &mut fields) else {
        if !op.is_empty() {
            fields.wrong("op", &format!("must be one of {}", OPS.join(", ")));
        }
        return Err(refused(id, fields.violations()));
    };
    let traceparent = fields.traceparent();
    let fields = fields.finish(&op);
    if fields.is_empty() { Ok(Request { id, command, traceparent }) } else { Err(refused(id, fields)) }
}

fn command(op: &str, fields: &mut Fields) -> Option<Command> {
    let call = match op {
        "authenticate" => {
            return Some(Command::Authenticate { token: fields.text("token", &ACCESS_TOKEN) });
        }
        "reserve" => Call::Reserve {
            request_id: fields.text("request_id", &ID),
            seat_ids: fields.numbers("seat_ids", SEATS_PER_RESERVATION_MAX),
        },
        "extend" => Call::Extend(claim(fields)),
        "release" => Call::Release(claim(fields)),
        "confirm" => Call::Confirm {
            claim: claim(fields),
            payment_reference: fields.text("payment_reference", &PAYMENT_REFERENCE),
        },
        "follow" => Call::Follow(claim(fields)),
        _ => return None,
    };
    Some(Command::Call(call))
}

fn claim(fields: &mut Fields) -> Claim {
    Claim {
        reservation_id: fields.text("reservation_id", &RESERVATION_ID),
        token: fields.optional_text("reservation_token", &RESERVATION_TOKEN),
    }
}

fn refused(id: String, fields: Vec<Violation>) -> Refused {
    let sentences: Vec<_> = fields.iter().map(|wrong| format!("{} {}", wrong.field, wrong.rule)).collect();
    Refused { id: Some(id).filter(|id| !id.is_empty()), message: sentences.join("; "), fields }
}

#[cfg(test)]
#[path = "command_tests.rs"]
pub(super) mod tests;
