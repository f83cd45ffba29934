//! The words of the trade: ids, seats, events, reservations, bookings. Pure: no I/O, and time is an argument.

mod booking;
mod event;
mod ids;
mod layout;
mod reservation;
mod seats;
mod time;

pub use booking::{Booking, Decision, Outcome, Verdict, VoidReason};
pub use event::{Event, EventError, NewEvent, PriceCategory, SalesSettings};
pub use ids::{CustomerId, Epoch, EventId, IdError, PaymentReference, RequestId, ReservationId, Version};
pub use layout::{LABEL_BYTES_MAX, Layout, LayoutError, Row, SEATS_PER_EVENT_MAX, Seat, Section};
pub use reservation::{Holder, Reservation, ReservationState};
pub use seat_board::{PackedStates, SeatState};
pub use seats::{
    SEATS_PER_RESERVATION_MAX, SeatChange, SeatId, SeatSet, SeatSetError, SeatStates, packed_len,
};
pub use time::UnixMs;
