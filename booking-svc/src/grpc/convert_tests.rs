use super::*;
use crate::domain::{CustomerId, PaymentReference, RequestId, ReservationId};

fn rule<T: fmt::Debug>(result: Result<T, Invalid>) -> &'static str {
    result.unwrap_err().field
}

#[test]
fn ids_are_refused_by_the_name_of_their_field() {
    assert_eq!(rule(id::<EventId>("event_id", "")), "event_id");
    assert_eq!(rule(id::<RequestId>("request_id", &"x".repeat(65))), "request_id");
    assert_eq!(rule(id::<ReservationId>("booking_id", "rock")), "booking_id");
    assert_eq!(rule(id::<PaymentReference>("payment_reference", "")), "payment_reference");
    let Invalid { rule, .. } = id::<CustomerId>("customer_id", "a\0").unwrap_err();
    assert_eq!(rule, "must be 1 to 128 bytes without control characters");
}

#[test]
fn pages_have_bounds() {
    assert_eq!(page::<EventId>(0, ""), Ok((PAGE_SIZE_DEFAULT, None)));
    assert_eq!(page(7, "rock"), Ok((7, Some("rock".parse::<EventId>().unwrap()))));
    assert_eq!(page::<EventId>(i32::MAX, ""), Ok((PAGE_SIZE_MAX, None)));
    assert_eq!(rule(page::<EventId>(-1, "")), "page_size");
    assert_eq!(rule(page::<EventId>(1, "ROCK!")), "page_token");
    let (rock, jazz) = ("rock".parse().unwrap(), "jazz".parse().unwrap());
    assert_eq!(rule(same_event(&rock, Some(&jazz))), "page_token");
    assert_eq!(same_event(&rock, Some(&rock)), Ok(()));
}

#[test]
fn seats_to_block_are_sorted_and_bounded() {
    assert_eq!(seats(vec![3, 1, 3]), Ok(vec![SeatId(1), SeatId(3)]));
    assert_eq!(rule(seats(vec![])), "seat_ids");
    assert_eq!(rule(seats(vec![0; SEATS_PER_EVENT_MAX + 1])), "seat_ids");
}

#[test]
fn zeros_take_their_defaults() {
    assert_eq!(settings(v1::SalesSettings::default()), Ok(SalesSettings::default()));
    let ttl = |seconds, nanos| v1::SalesSettings {
        hold_ttl: Some(prost_types::Duration { seconds, nanos }),
        ..Default::default()
    };
    let given = settings(ttl(2, 500_999_999)).unwrap();
    assert_eq!(given.hold_ttl, Duration::from_millis(2_500));
    assert_eq!(given.hold_max, Duration::from_millis(12_500));
    assert_eq!(rule(settings(ttl(-1, 0))), "hold_ttl");
    let opens = |seconds, nanos| v1::SalesSettings {
        sale_opens_at: Some(Timestamp { seconds, nanos }),
        ..Default::default()
    };
    assert_eq!(settings(opens(5, 7_000_000)).unwrap().opens_at, Some(UnixMs(5_007)));
    for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, i32::MAX)] {
        assert_eq!(rule(settings(opens(seconds, nanos))), "sale_opens_at");
    }
}

#[test]
fn times_go_there_and_back() {
    for ms in [0, 1, 1_799_999_999_999, -1, -1_500] {
        assert_eq!(moment("t", timestamp(UnixMs(ms))), Ok(UnixMs(ms)));
    }
}

#[test]
fn a_layout_goes_there_and_back() {
    let seat = |label: &str| v1::Seat {
        label: label.into(),
        price_category: 1,
        x_cm: -5,
        y_cm: 9,
        accessible: true,
    };
    let row = v1::Row { label: "A".into(), seats: vec![seat("1"), seat("2")] };
    let wire = v1::Layout { sections: vec![v1::Section { name: "Stalls".into(), rows: vec![row] }] };
    assert_eq!(layout(&from_layout(wire.clone()).unwrap()), wire);
    let mut wild = wire;
    wild.sections[0].rows[0].seats[1].price_category = 70_000;
    assert_eq!(rule(from_layout(wild)), "layout.sections.rows.seats.price_category");
}
