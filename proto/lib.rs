//! The wire types of TicketEngine, generated from the schema in `proto/`.
//!
//! Clients need only this crate: [`v1::booking_service_client`] and [`v1::event_service_client`].

use tonic::Code;

/// The packages as the schema nests them: generated code names one from another by this path.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
mod packages {
    pub mod booking {
        pub mod v1 {
            tonic::include_proto!("ticketengine.booking.v1");
        }
    }
    pub mod events {
        pub mod v1 {
            tonic::include_proto!("ticketengine.events.v1");
        }
    }
}

/// Package `ticketengine.booking.v1`.
pub use packages::booking::v1;
/// Package `ticketengine.events.v1`: what Kafka is told.
pub use packages::events::v1 as events;

/// The schema as an encoded `FileDescriptorSet`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ticketengine.bin"));

/// Metadata of a Reserve whose request was sent before, with any value: it is asked at the gate, which finds what the
/// request may have been granted a moment ago through another replica.
pub const REPEAT_METADATA: &str = "ticketengine-repeat";

/// A status code as the gRPC documents write it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
