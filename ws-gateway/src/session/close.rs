//! Why a session ends, and what the peer is told.

use std::{ops::Range, time::Duration};

use serde::Serialize;
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::meter::TooMuch;

/// How long clients should wait before they come back after a restart: spread, so that they do not come all at once.
const RESTART_RETRY_MS: Range<u32> = 100..5_000;
/// The same for clients that were let go for a reason of their own.
const OTHER_RETRY_MS: Range<u32> = 1_000..5_000;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer closed, or went away.
    Peer,
    /// The peer broke the protocol.
    Protocol,
    /// A binary frame: commands are text.
    Binary,
    /// A text frame that is not UTF-8.
    NotText,
    /// A message that is longer than any command.
    TooBig,
    /// The gateway is about to end.
    Restart,
    /// The peer took no byte for too long.
    SlowReader,
    /// The peer did not answer pings.
    Silent,
    /// Too many frames, or bytes.
    Flood,
    /// There is no such event any more.
    EventGone,
}

/// The last private frame.
#[derive(Serialize)]
#[serde(tag = "type", rename = "goodbye")]
struct Goodbye {
    code: u16,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
}

impl End {
    /// Close code and reason; None: the peer is gone. 4000 to 4499 invite the client back, 4500 to 4999 do not.
    const fn code(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::Peer => return None,
            Self::Protocol => (1002, "PROTOCOL_ERROR"),
            Self::Binary => (1003, "BINARY_FRAME"),
            Self::NotText => (1007, "NOT_UTF8"),
            Self::TooBig => (1009, "TOO_BIG"),
            Self::Restart => (1012, "RESTART"),
            Self::SlowReader => (4000, "SLOW_READER"),
            Self::Silent => (4001, "SILENT"),
            Self::Flood => (4002, "FLOOD"),
            Self::EventGone => (4500, "EVENT_GONE"),
        })
    }

    /// The close code; None: the peer is gone.
    pub(super) fn close_code(self) -> Option<u16> {
        self.code().map(|(code, _)| code)
    }

    /// The close frame; None: the peer is gone.
    pub(super) fn close_frame(self) -> Option<CloseFrame> {
        let (code, reason) = self.code()?;
        Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() })
    }

    /// The frame before it. None where nobody would read it: the peer does not read, or is no WebSocket client at all.
    pub(super) fn goodbye(self) -> Option<String> {
        let retry = match self {
            Self::Peer | Self::Protocol | Self::NotText | Self::SlowReader => return None,
            Self::Binary | Self::TooBig | Self::EventGone => None,
            Self::Restart => Some(RESTART_RETRY_MS),
            Self::Silent | Self::Flood => Some(OTHER_RETRY_MS),
        };
        let (code, reason) = self.code()?;
        let goodbye = Goodbye { code, reason, retry_after_ms: retry.map(rand::random_range) };
        // Numbers and plain words: this can not fail.
        serde_json::to_string(&goodbye).ok()
    }
}

impl From<&Error> for End {
    fn from(error: &Error) -> Self {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Self::TooBig,
            Error::Utf8(_) => Self::NotText,
            Error::Io(error) if TooMuch::is_in(error) => Self::Flood,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Peer,
            Error::Protocol(_) => Self::Protocol,
            _ => Self::Peer,
        }
    }
}

/// When a session leaves after draining began: spread over the first half of the time that there is.
pub(super) fn leave_after(drain: Duration) -> Duration {
    rand::random_range(Duration::ZERO..=drain / 2)
}
