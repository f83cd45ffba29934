//! The wire types of TicketEngine, generated from the schema in `proto/`.
//!
//! Clients need only this crate: [`v1::booking_service_client`] and [`v1::event_service_client`].

/// Package `ticketengine.booking.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod v1 {
    tonic::include_proto!("ticketengine.booking.v1");
}

/// The schema as an encoded `FileDescriptorSet`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ticketengine.bin"));
