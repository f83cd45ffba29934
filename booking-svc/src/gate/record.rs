use super::Error;
use crate::domain::{
    CustomerId, EventId, Holder, Reservation, ReservationId, ReservationState, SeatSet, UnixMs,
};

/// Writes a reservation as the scripts keep it: see `format_reservation` in `lua/reservations.lua`.
pub(super) fn write(reservation: &Reservation) -> String {
    let Reservation { customer, request, seats, state, deadline, extend_limit, .. } = reservation;
    format!("{} {deadline} {extend_limit} {seats} {request} {customer}", letter(*state))
}

/// Reads what [`write()`] or a script wrote under the id's suffix.
pub(super) fn read(event: &EventId, suffix: &str, text: &str) -> Result<Reservation, Error> {
    parse(event, suffix, text).ok_or_else(|| Error::Corrupt(format!("reservation {suffix} is {text:?}")))
}

/// Reads only whose it is; None where there is no record.
pub(super) fn holder(text: &str) -> Result<Option<Holder>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut fields = text.splitn(6, ' ').skip(4);
    let (request, customer) = (fields.next(), fields.next());
    let holder = || Some(Holder { request: request?.parse().ok()?, customer: customer?.parse().ok()? });
    holder().map(Some).ok_or_else(|| Error::Corrupt(format!("a seat's reservation is {text:?}")))
}

fn parse(event: &EventId, suffix: &str, text: &str) -> Option<Reservation> {
    let mut fields = text.splitn(6, ' ');
    let state = state(fields.next()?)?;
    let deadline = UnixMs(fields.next()?.parse().ok()?);
    let extend_limit = UnixMs(fields.next()?.parse().ok()?);
    let seats = fields.next()?.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>().ok()?;
    let request = fields.next()?.parse().ok()?;
    let customer: CustomerId = fields.next()?.parse().ok()?;
    let id = ReservationId::from_suffix(event.clone(), suffix).ok()?;
    let seats = SeatSet::new(seats).ok()?;
    Some(Reservation { id, customer, request, seats, state, deadline, extend_limit })
}

/// The letter that stands for a state in records and in `settle`.
pub(super) fn letter(state: ReservationState) -> &'static str {
    match state {
        ReservationState::Held => "H",
        ReservationState::Confirming => "C",
        ReservationState::Booked => "B",
        ReservationState::Released => "R",
        ReservationState::Expired => "X",
        ReservationState::Cancelled => "K",
        ReservationState::Lost => "L",
    }
}

fn state(letter: &str) -> Option<ReservationState> {
    Some(match letter {
        "H" => ReservationState::Held,
        "C" => ReservationState::Confirming,
        "B" => ReservationState::Booked,
        "R" => ReservationState::Released,
        "X" => ReservationState::Expired,
        "K" => ReservationState::Cancelled,
        "L" => ReservationState::Lost,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_written_with_spaces_in_the_customer() {
        let event: EventId = "rock".parse().unwrap();
        let text = "C 1700000000000 1700000300000 3,4,9 req-1 auth0|Ann Lee";
        let reservation = read(&event, "7.12", text).unwrap();
        assert_eq!(reservation.state, ReservationState::Confirming);
        assert_eq!(reservation.customer.as_str(), "auth0|Ann Lee");
        assert_eq!(write(&reservation), text);
        let Reservation { request, customer, .. } = reservation;
        assert_eq!(holder(text).unwrap(), Some(Holder { request, customer }));
        assert_eq!(holder("").unwrap(), None);
    }

    #[test]
    fn a_broken_record_is_an_error() {
        let event: EventId = "rock".parse().unwrap();
        for text in ["", "H", "Q 1 2 3 r c", "H 1 2  r c", "H x 2 3 r c", "H 1 2 3 r"] {
            assert!(matches!(read(&event, "1.1", text), Err(Error::Corrupt(_))), "{text:?}");
        }
        assert!(matches!(holder("H 1 2 3 r"), Err(Error::Corrupt(_))));
    }
}
