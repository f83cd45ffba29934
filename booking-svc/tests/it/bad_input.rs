//! Bad input: a named error, and nothing changed.

use bb8_redis::redis;
use booking_svc::identity::Role;
use ticketengine::v1::{
    BlockSeatsRequest, ConfirmRequest, CreateEventRequest, GetSeatMapRequest, ListBookingsRequest,
    ReserveRequest, SalesSettings,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    calls::refused,
    world::{Replica, World, as_customer, as_role, hold_ttl, new_event},
};

/// What a call could have changed: Redis's keys with their sizes and the gate's version, and the vault's rows.
pub(crate) async fn everything(world: &World) -> String {
    let mut redis = world.redis.client().await;
    let mut all = String::new();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    keys.sort_unstable();
    for key in keys {
        let dump: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
        all.push_str(&format!("{key} {dump:?}\n"));
    }
    let vault = world.database.client().await;
    for table in ["events", "seats", "bookings", "booked_seats", "blocked_seats"] {
        let rows = vault.query(&format!("SELECT t::text FROM {table} t ORDER BY 1"), &[]).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<_, String>(0) + "\n"));
    }
    all
}

/// A house without loops that write by themselves.
pub(crate) async fn quiet() -> (World, Replica) {
    let world = World::new().await;
    let mut settings = world.settings();
    (settings.engine.sweep_every, settings.engine.reconcile_every) = (None, None);
    let replica = Replica::start(settings).await;
    replica.open_event("rock", 10, SalesSettings::default()).await;
    replica.reserve("rock", "eve", "r", &[9]).await.unwrap();
    (world, replica)
}

/// The field that an INVALID_ARGUMENT blames.
#[track_caller]
fn blamed<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    let status = refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

#[tokio::test]
async fn a_bad_reserve_is_named_and_changes_nothing() {
    let (world, a) = quiet().await;
    let before = everything(&world).await;
    assert!(before.contains("rock"), "{before}");

    let seats = |seats: &[u32]| {
        let (a, seats) = (&a, seats.to_vec());
        async move { a.reserve("rock", "ann", "r", &seats).await }
    };
    assert_eq!(blamed(seats(&[]).await), "seat_ids");
    assert_eq!(blamed(seats(&[1, 2, 1]).await), "seat_ids");
    assert_eq!(blamed(seats(&(0..10_000).collect::<Vec<_>>()).await), "seat_ids");
    for unknown in [&[10][..], &[0, 1, u32::MAX]] {
        let status = refused(seats(unknown).await, Code::NotFound, "SEAT_NOT_FOUND");
        assert_eq!(status.get_details_error_info().unwrap().metadata["seat_count"], "10");
    }
    refused(a.reserve("folk", "ann", "r", &[1]).await, Code::NotFound, "EVENT_NOT_FOUND");

    let huge = "x".repeat(5_000);
    for id in ["", "a b", "Rock", "rock}", "rock\r\n", "rock\0", "a.1.1", &huge] {
        assert_eq!(blamed(a.reserve(id, "ann", "r", &[1]).await), "event_id", "{id:?}");
    }
    for id in ["", "a b", "a\r\nb", "a\nb", "a\0b", "é", &huge] {
        assert_eq!(blamed(a.reserve("rock", "ann", id, &[1]).await), "request_id", "{id:?}");
    }
    for id in ["a\r\nb", "a\nb", "a\0b", &huge] {
        let message = ReserveRequest {
            event_id: "rock".into(),
            seat_ids: vec![1],
            request_id: "r".into(),
            customer_id: id.into(),
        };
        let answer = a.bookings().reserve(as_role(Role::Service, "shop", message)).await;
        assert_eq!(blamed(answer), "customer_id", "{id:?}");
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_name() {
    let (world, a) = quiet().await;
    let before = everything(&world).await;
    // 128 KiB: twice what a request may have.
    let body = a.reserve("rock", "ann", &"x".repeat(128 << 10), &[1]).await;
    refused(body, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    assert_eq!(everything(&world).await, before);
    // The connection lives on.
    a.reserve("rock", "ann", "r", &[1]).await.unwrap();
}

#[tokio::test]
async fn a_bad_claim_is_named_and_changes_nothing() {
    let (world, a) = quiet().await;
    let held = a.reserve("rock", "ann", "r", &[1]).await.unwrap();
    let before = everything(&world).await;
    let confirm = |id: &str, payment: &str, token: &str| {
        let message = ConfirmRequest {
            reservation_id: id.into(),
            payment_reference: payment.into(),
            reservation_token: token.into(),
            customer_id: String::new(),
        };
        let a = &a;
        async move { a.bookings().confirm(as_customer("ann", message)).await }
    };
    let huge = "x".repeat(5_000);
    for id in ["", "rock", "rock.1", "rock.01.2", "rock.1.99999999999999999999", "rock.1.2\r\n", "\0", &huge]
    {
        assert_eq!(blamed(confirm(id, "pay", &held.token).await), "reservation_id", "{id:?}");
    }
    for payment in ["", "a b", "a\r\nb", "a\0b", &huge] {
        assert_eq!(
            blamed(confirm(&held.id(), payment, &held.token).await),
            "payment_reference",
            "{payment:?}"
        );
    }
    let absent = refused(confirm("rock.1.999", "pay", "").await, Code::NotFound, "RESERVATION_NOT_FOUND");
    assert_eq!(absent.get_details_error_info().unwrap().metadata["reservation_id"], "rock.1.999");
    refused(confirm("folk.1.1", "pay", "").await, Code::NotFound, "RESERVATION_NOT_FOUND");
    // The token is looked at where the gate does not know the reservation.
    for token in ["nonsense", "a.b.c", &held.token, &held.token[1..], &huge] {
        let answer =
            refused(confirm("rock.1.999", "pay", token).await, Code::InvalidArgument, "TOKEN_INVALID");
        let fields = answer.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields[0].field, "reservation_token");
    }
    refused(a.booking("rock.1.999").await, Code::NotFound, "BOOKING_NOT_FOUND");
    assert_eq!(blamed(a.booking("rock").await), "booking_id");
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn bad_lists_maps_and_blocks_are_named_and_change_nothing() {
    let (world, a) = quiet().await;
    let before = everything(&world).await;
    let list = |page_size: i32, page_token: &str| {
        let (event_id, customer_id) = ("rock".into(), String::new());
        let message = ListBookingsRequest { event_id, customer_id, page_size, page_token: page_token.into() };
        let a = &a;
        async move { a.bookings().list_bookings(as_customer("ann", message)).await }
    };
    assert_eq!(blamed(list(-1, "").await), "page_size");
    for token in ["nonsense", "folk.1.1", "\0"] {
        assert_eq!(blamed(list(1, token).await), "page_token", "{token:?}");
    }
    let map = |event: &str| GetSeatMapRequest { event_id: event.into(), states_only: false };
    refused(a.bookings().get_seat_map(map("folk")).await, Code::NotFound, "EVENT_NOT_FOUND");
    assert_eq!(blamed(a.bookings().get_seat_map(map("")).await), "event_id");
    let block = |seats: &[u32]| {
        let message = BlockSeatsRequest { event_id: "rock".into(), seat_ids: seats.to_vec() };
        let a = &a;
        async move { a.events().block_seats(as_role(Role::Admin, "boss", message)).await }
    };
    assert_eq!(blamed(block(&[]).await), "seat_ids");
    refused(block(&[1, 10]).await, Code::NotFound, "SEAT_NOT_FOUND");
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_bad_event_is_named_and_not_created() {
    let (world, a) = quiet().await;
    let before = everything(&world).await;
    let good = || new_event("folk", 10, SalesSettings::default());
    type Change = fn(&mut CreateEventRequest);
    let bad: [(&str, Change); 9] = [
        ("event_id", |event| event.event_id = "a b".into()),
        ("name", |event| event.name = "a\r\nb".into()),
        ("currency", |event| event.currency = "euro".into()),
        ("price_categories", |event| event.price_categories.clear()),
        ("price_categories.price_minor", |event| event.price_categories[0].price_minor = -1),
        ("hold_ttl", |event| event.sales_settings = Some(hold_ttl(std::time::Duration::from_millis(10)))),
        ("layout", |event| event.layout = None),
        ("layout", |event| event.layout.as_mut().unwrap().sections[0].rows[0].seats[0].price_category = 1),
        ("layout", |event| event.layout.as_mut().unwrap().sections[0].rows[0].seats[0].label.clear()),
    ];
    for (field, change) in bad {
        let mut event = good();
        change(&mut event);
        assert_eq!(blamed(a.events().create_event(as_role(Role::Admin, "boss", event)).await), field);
    }
    assert_eq!(everything(&world).await, before);
    a.events().create_event(as_role(Role::Admin, "boss", good())).await.unwrap();
}
