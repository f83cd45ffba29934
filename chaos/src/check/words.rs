//! What errors say: reasons that a caller of this load can get, and never that of a bug.

use super::{Findings, Rule, lives::span, rule};
use crate::history::{Answer, Call, History};

pub(super) const KNOWN: Rule = rule("answers_are_known", "G7");

/// The service's own word for a bug.
const BUG: &str = "INTERNAL";
/// What may be told for good to customers whose requests are well-formed, signed and of their own things.
const DEFINITE: [&str; 10] = [
    "SEAT_UNAVAILABLE",
    "CUSTOMER_LIMIT",
    "HOLD_EXPIRED",
    "HOLD_RELEASED",
    "SEAT_LOST",
    "ALREADY_BOOKED",
    "EXTENSION_LIMIT",
    "CONFIRM_IN_PROGRESS",
    "RESERVATION_NOT_FOUND",
    "BOOKING_NOT_FOUND",
];

pub(super) fn check(history: &History, findings: &mut Findings) {
    for call in &history.calls {
        findings.looked(KNOWN);
        if let Some(reason) = strange(call) {
            findings.found(KNOWN, format!("{:?} was told {reason} {}", call.asked, span(call)));
        }
    }
}

fn strange(call: &Call) -> Option<&str> {
    match &call.answer {
        Answer::Unknown(reason) => (reason == BUG).then_some(reason),
        Answer::Refused(refusal) => {
            let reason = refusal.reason.as_str();
            (!DEFINITE.contains(&reason)).then_some(reason)
        }
        Answer::Reservation(_) | Answer::Booking(_) => None,
    }
}
