use tonic::Status;

/// The domain of booking-svc's error details. What comes without them was not said by it.
pub const DOMAIN: &str = "ticketengine";

/// Why booking-svc did not give what was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It does not know the event.
    #[error("there is no event {0}")]
    NoEvent(String),
    /// It answered, and refused.
    #[error("{}", .0.message())]
    Refused(Status),
    /// No replica answered in time.
    #[error("booking-svc does not answer")]
    Unreachable,
    /// Too many questions are under way.
    #[error("too many questions to booking-svc are under way")]
    Busy,
    /// The answer makes no sense.
    #[error("booking-svc's answer has no {0}")]
    Malformed(&'static str),
}
