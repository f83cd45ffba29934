//! Organisers' calls: events, blocks, lists and maps.

use std::time::{Duration, Instant};

use booking_svc::identity::Role;
use ticketengine::v1::{
    BlockSeatsRequest, CreateEventRequest, Event, GetEventRequest, GetSeatMapRequest, ListBookingsRequest,
    ListBookingsResponse, ListEventsRequest, PriceCategory, SalesSettings, SalesState, UnblockSeatsRequest,
    UpdateEventRequest,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::{
    calls::{refused, until_definite},
    world::{Replica, World, as_customer, as_role, new_event},
};

fn admin<T>(message: T) -> Request<T> {
    as_role(Role::Admin, "boss", message)
}

async fn create(replica: &Replica, message: CreateEventRequest) -> Result<Event, Status> {
    Ok(replica.events().create_event(admin(message)).await?.into_inner().event.unwrap())
}

async fn get(replica: &Replica, id: &str) -> Result<Event, Status> {
    let request = GetEventRequest { event_id: id.into() };
    Ok(replica.events().get_event(request).await?.into_inner().event.unwrap())
}

async fn block(replica: &Replica, seats: &[u32]) -> Result<u32, Status> {
    let message = BlockSeatsRequest { event_id: "rock".into(), seat_ids: seats.to_vec() };
    Ok(replica.events().block_seats(admin(message)).await?.into_inner().changed_seats)
}

async fn unblock(replica: &Replica, seats: &[u32]) -> Result<u32, Status> {
    let message = UnblockSeatsRequest { event_id: "rock".into(), seat_ids: seats.to_vec() };
    Ok(replica.events().unblock_seats(admin(message)).await?.into_inner().changed_seats)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_of_100_000_seats_loads_in_seconds_and_once() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let house = new_event("rock", 100_000, SalesSettings::default());
    // Debug builds are slow with so many seats: the service may ask for a repeat.
    let create = async |replica, house: &CreateEventRequest| {
        until_definite(async || create(replica, house.clone()).await).await
    };
    let started = Instant::now();
    let event = create(&a, &house).await.unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(event.seat_count, 100_000);

    assert_eq!(create(&b, &house).await.unwrap(), event, "a repeat finds it");
    let other = CreateEventRequest { name: "Another night".into(), ..house.clone() };
    refused(create(&b, &other).await, Code::AlreadyExists, "EVENT_EXISTS");
    let mut other = house;
    other.layout.as_mut().unwrap().sections[0].rows[1_999].seats[49].label = "50b".into();
    refused(create(&b, &other).await, Code::AlreadyExists, "EVENT_EXISTS");
    assert_eq!(get(&b, "rock").await.unwrap(), event);
    assert_eq!(b.seat_states("rock", 100_000).await.unwrap(), vec![0; 100_000]);
    refused(b.reserve("rock", "ann", "r", &[100_000]).await, Code::NotFound, "SEAT_NOT_FOUND");
    refused(b.reserve("rock", "ann", "r", &[99_999]).await, Code::FailedPrecondition, "SALE_NOT_OPEN");

    // So does a block of all of it, 10,000 seats a call; the caller may be told to repeat meanwhile.
    let all: Vec<u32> = (0..100_000).collect();
    refused(block(&a, &all).await, Code::InvalidArgument, "INVALID_ARGUMENT");
    for seats in all.chunks(10_000) {
        until_definite(async || block(&a, seats).await).await.unwrap();
    }
    let states = until_definite(async || b.seat_states("rock", 100_000).await).await.unwrap();
    assert_eq!(states, vec![3; 100_000]);
    let rows =
        world.database.client().await.query_one("SELECT count(*) FROM blocked_seats", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 100_000);
}

#[tokio::test]
async fn two_creates_at_once_make_one_event() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    for round in 0..10 {
        let new = |name: &str| {
            let id = format!("rock-{round}");
            CreateEventRequest { name: name.into(), ..new_event(&id, 60, SalesSettings::default()) }
        };
        let (one, two) = tokio::join!(create(&a, new("Same")), create(&b, new("Same")));
        assert_eq!(one.unwrap(), two.unwrap());
        let id = format!("folk-{round}");
        let new = |name: &str| CreateEventRequest { event_id: id.clone(), ..new(name) };
        let (one, two) = tokio::join!(create(&a, new("One")), create(&b, new("Two")));
        let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
        refused(lost, Code::AlreadyExists, "EVENT_EXISTS");
        assert_eq!(get(&a, &id).await.unwrap(), won.unwrap());
    }
}

#[tokio::test]
async fn an_event_is_got_listed_and_updated() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    for id in ["c", "a", "e", "b", "d"] {
        create(&a, new_event(id, 2, SalesSettings::default())).await.unwrap();
    }
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListEventsRequest { page_size: 2, page_token };
        let page = b.events().list_events(request).await.unwrap().into_inner();
        pages.push(page.events.into_iter().map(|event| event.event_id).collect::<Vec<_>>());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);

    let before = get(&b, "a").await.unwrap();
    assert_eq!(before.sales_state(), SalesState::Closed);
    assert_eq!(before.price_categories, [PriceCategory { name: "All".into(), price_minor: 1_000 }]);
    let settings = before.sales_settings.unwrap();
    assert_eq!((settings.hold_ttl.unwrap().seconds, settings.hold_max.unwrap().seconds), (60, 300));
    let update = |name: Option<&str>, sales_settings| UpdateEventRequest {
        event_id: "a".into(),
        name: name.map(str::to_owned),
        sales_settings,
    };
    let renamed = a.events().update_event(admin(update(Some("Encore"), None))).await.unwrap().into_inner();
    assert_eq!(get(&b, "a").await.unwrap(), renamed.event.clone().unwrap());
    let kept = Event { name: before.name.clone(), update_time: before.update_time, ..renamed.event.unwrap() };
    assert_eq!(kept, before, "only the name and the time of the change are others");
    let limited = Some(SalesSettings { seats_per_customer: 3, ..SalesSettings::default() });
    a.events().update_event(admin(update(None, limited))).await.unwrap();
    let after = get(&b, "a").await.unwrap();
    assert_eq!((after.name.as_str(), after.sales_settings.unwrap().seats_per_customer), ("Encore", 3));
    refused(get(&b, "zz").await, Code::NotFound, "EVENT_NOT_FOUND");
}

#[tokio::test]
async fn seats_are_blocked_all_or_none_and_unblocked() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 10, SalesSettings::default()).await;
    let held = a.reserve("rock", "ann", "r1", &[4]).await.unwrap();
    let sold = a.reserve("rock", "ann", "r2", &[5]).await.unwrap();
    a.confirm(&sold, "pay").await.unwrap();

    assert_eq!(block(&a, &[1, 2]).await.unwrap(), 2);
    assert_eq!(block(&b, &[1, 2, 3]).await.unwrap(), 1, "two were blocked before");
    for (seats, kind) in [([0, 4], "SEAT_UNAVAILABLE/HELD"), ([0, 5], "SEAT_UNAVAILABLE/SOLD")] {
        let refusal = refused(block(&b, &seats).await, Code::FailedPrecondition, "SEAT_UNAVAILABLE");
        let violations = refusal.get_details_precondition_failure().unwrap().violations;
        assert_eq!((violations.len(), violations[0].r#type.as_str()), (1, kind));
    }
    assert_eq!(
        b.seat_states("rock", 7).await.unwrap(),
        [0, 3, 3, 3, 1, 2, 0],
        "seat 0 was not blocked alone"
    );
    refused(a.reserve("rock", "bob", "r", &[0, 1]).await, Code::FailedPrecondition, "SEAT_UNAVAILABLE");

    // Held and sold seats are not blocked, so unblocking leaves them alone.
    assert_eq!(unblock(&b, &[1, 3, 4, 5]).await.unwrap(), 2);
    assert_eq!(unblock(&a, &[1, 3]).await.unwrap(), 0);
    assert_eq!(a.seat_states("rock", 7).await.unwrap(), [0, 0, 3, 0, 1, 2, 0]);
    let blocked = "SELECT array_agg(seat_id) FROM blocked_seats";
    let blocked = world.database.client().await.query_one(blocked, &[]).await.unwrap();
    assert_eq!(blocked.get::<_, Vec<i32>>(0), [2]);
    b.reserve("rock", "bob", "r", &[1, 3]).await.unwrap();
    assert_eq!(a.confirm(&held, "pay").await.unwrap().seat_ids, [4]);
}

async fn list(
    replica: &Replica,
    customer: Option<&str>,
    page_size: i32,
    page_token: &str,
) -> ListBookingsResponse {
    let message = ListBookingsRequest {
        event_id: "rock".into(),
        page_size,
        page_token: page_token.into(),
        ..ListBookingsRequest::default()
    };
    let request = match customer {
        Some(name) => as_customer(name, message),
        None => admin(message),
    };
    replica.bookings().list_bookings(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn bookings_are_listed_page_by_page_to_those_who_may_see_them() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 20, SalesSettings::default()).await;
    let mut all = Vec::new();
    for seat in 0..12 {
        let held = a.reserve("rock", ["ann", "bob"][seat as usize % 2], &format!("r{seat}"), &[seat]).await;
        all.push(a.confirm(&held.unwrap(), "pay").await.unwrap());
    }
    all[3] = a.cancel(&all[3]).await.unwrap();
    let released = a.reserve("rock", "ann", "released", &[15]).await.unwrap();
    a.release(&released).await.unwrap();

    let (mut seen, mut token) = (Vec::new(), String::new());
    for size in [5, 5, 2] {
        let page = list(&b, None, 5, &token).await;
        assert_eq!(page.bookings.len(), size);
        seen.extend(page.bookings);
        token = page.next_page_token;
    }
    assert!(token.is_empty());
    assert_eq!(seen, all, "each once, oldest first, cancelled ones too, released holds not");
    let anns: Vec<_> = all.iter().filter(|booking| booking.customer_id == "ann").cloned().collect();
    assert_eq!(list(&b, Some("ann"), 0, "").await.bookings, anns);
    let page = list(&b, Some("ann"), 6, "").await;
    assert_eq!((page.bookings.len(), page.next_page_token.as_str()), (6, ""));
    assert_eq!(list(&b, Some("eve"), 0, "").await.bookings, []);
}

#[tokio::test]
async fn a_seat_map_has_the_layout_and_each_seats_status() {
    let world = World::new().await;
    let a = world.replica().await;
    let mut new = new_event("rock", 110, SalesSettings::default());
    let seat = &mut new.layout.as_mut().unwrap().sections[0].rows[2].seats[4];
    (seat.x_cm, seat.y_cm, seat.accessible) = (-150, 2_000, true);
    create(&a, new.clone()).await.unwrap();
    block(&a, &[104]).await.unwrap();
    let map = |states_only| GetSeatMapRequest { event_id: "rock".into(), states_only };
    let whole = a.bookings().get_seat_map(map(false)).await.unwrap().into_inner();
    assert_eq!(whole.layout, new.layout);
    let states = whole.states.unwrap();
    assert_eq!(states.packed.len(), 28, "four seats a byte");
    assert_eq!(states.packed[26], 0b11_00_00_00, "seat 104 is in the high bits");
    let states_only = a.bookings().get_seat_map(map(true)).await.unwrap().into_inner();
    assert_eq!((states_only.layout, states_only.states), (None, Some(states.clone())));
    block(&a, &[0]).await.unwrap();
    let next = a.bookings().get_seat_map(map(true)).await.unwrap().into_inner().states.unwrap();
    assert_eq!((next.epoch, next.version), (states.epoch, states.version + 1));
}
