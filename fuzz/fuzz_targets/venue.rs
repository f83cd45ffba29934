//! Venue files: refused in bounded time and memory, or an event that keeps all rules.
#![no_main]

use booking_svc::{
    domain::{Layout, SEATS_PER_EVENT_MAX, SeatId},
    venue::parse,
};
use libfuzzer_sys::fuzz_target;

/// Farther than any seat stands: the longest row and the deepest block of rows, from the farthest place.
const PLACE_CM_MAX: i32 = 50_000_000;
/// A refusal repeats the file's words, and says little more.
const REFUSAL_BYTES_MORE: usize = 1_024;

fuzz_target!(|bytes: &[u8]| {
    let event = match parse(bytes) {
        Ok(event) => event,
        Err(error) => {
            let said = error.to_string();
            // Debug form: a byte may become six characters.
            assert!(said.len() <= 8 * bytes.len() + REFUSAL_BYTES_MORE, "{} bytes", said.len());
            return;
        }
    };
    assert_eq!(event.check(), Ok(()));
    let count = event.layout.seat_count();
    assert!((1..=SEATS_PER_EVENT_MAX).contains(&count));
    for (place, (id, section, row, seat)) in (0..).zip(event.layout.seats()) {
        assert_eq!(id, SeatId(place));
        for label in [&section.name, &row.label, &seat.label] {
            assert!((1..=64).contains(&label.len()) && !label.contains(char::is_control), "{label:?}");
        }
        assert!(usize::from(seat.price_category) < event.price_categories.len());
        assert!([seat.x_cm, seat.y_cm].into_iter().all(|cm| cm.abs() <= PLACE_CM_MAX));
    }
    // The vault keeps it as JSON.
    if count < 2_000 {
        let kept = serde_json::to_vec(&event.layout).expect("writes");
        assert_eq!(serde_json::from_slice::<Layout>(&kept).expect("reads"), event.layout);
    }
});
