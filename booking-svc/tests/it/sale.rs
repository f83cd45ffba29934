//! When seats can be reserved: the sale window, and sales that are opened and closed.

use std::time::{Duration, SystemTime};

use booking_svc::identity::Role;
use ticketengine::v1::{CloseSalesRequest, OpenSalesRequest, SalesSettings, SalesState, UpdateEventRequest};
use tonic::Code;

use crate::support::{
    STORE_LIMIT,
    calls::{refused, retry_after},
    wait_until,
    world::{Replica, World, as_role, new_event},
};

fn in_seconds(seconds: f64) -> Option<prost_types::Timestamp> {
    Some((SystemTime::now() + Duration::from_secs_f64(seconds)).into())
}

async fn close(replica: &Replica) {
    let request = as_role(Role::Admin, "boss", CloseSalesRequest { event_id: "rock".into() });
    let event = replica.events().close_sales(request).await.unwrap().into_inner().event.unwrap();
    assert_eq!(event.sales_state(), SalesState::Closed);
}

async fn open(replica: &Replica) {
    let request = as_role(Role::Admin, "boss", OpenSalesRequest { event_id: "rock".into() });
    let event = replica.events().open_sales(request).await.unwrap().into_inner().event.unwrap();
    assert_eq!(event.sales_state(), SalesState::Open);
}

#[tokio::test]
async fn a_sale_opens_by_itself_and_says_when() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 10, SalesSettings { sale_opens_at: in_seconds(3.0), ..SalesSettings::default() })
        .await;
    let early = refused(a.reserve("rock", "ann", "r", &[1]).await, Code::FailedPrecondition, "SALE_NOT_OPEN");
    let wait = retry_after(&early).expect("the sale's opening is known");
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(3), "{wait:?}");
    tokio::time::sleep(wait).await;
    // Who waits as told is served: by the gate's clock, whatever ours says.
    a.reserve("rock", "ann", "r", &[1]).await.unwrap();
}

#[tokio::test]
async fn a_sale_closes_by_itself() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 50, SalesSettings { sale_closes_at: in_seconds(2.0), ..SalesSettings::default() })
        .await;
    let held = a.reserve("rock", "ann", "r0", &[0]).await.unwrap();
    let mut seat = 0;
    wait_until("the sale is over", STORE_LIMIT, async || {
        seat += 1;
        let answer = a.reserve("rock", &format!("c{seat}"), "r", &[seat % 50]).await;
        answer.is_err_and(|status| crate::support::calls::reason(&status) == "SALE_NOT_OPEN")
    })
    .await;
    let late = refused(a.reserve("rock", "bob", "r", &[0]).await, Code::FailedPrecondition, "SALE_NOT_OPEN");
    assert_eq!(retry_after(&late), None, "it does not open again");
    assert_eq!(a.confirm(&held, "pay").await.unwrap().seat_ids, [0]);
}

#[tokio::test]
async fn holds_can_be_confirmed_while_sales_are_closed() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let create = as_role(Role::Admin, "boss", new_event("rock", 10, SalesSettings::default()));
    let event = a.events().create_event(create).await.unwrap().into_inner().event.unwrap();
    assert_eq!(event.sales_state(), SalesState::Closed, "an event begins closed");
    let closed =
        refused(b.reserve("rock", "ann", "r", &[1]).await, Code::FailedPrecondition, "SALE_NOT_OPEN");
    assert_eq!(retry_after(&closed), None);

    open(&a).await;
    let (one, two) =
        (b.reserve("rock", "ann", "r1", &[1]).await.unwrap(), b.reserve("rock", "ann", "r2", &[2]).await);
    close(&a).await;
    refused(b.reserve("rock", "ann", "r3", &[3]).await, Code::FailedPrecondition, "SALE_NOT_OPEN");
    // A repeat is no new reservation.
    assert_eq!(b.reserve("rock", "ann", "r1", &[1]).await.unwrap().id(), one.id());
    assert_eq!(b.extend(&one).await.unwrap().id(), one.id());
    assert_eq!(b.confirm(&one, "pay").await.unwrap().seat_ids, [1]);
    b.release(&two.unwrap()).await.unwrap();

    open(&a).await;
    b.reserve("rock", "ann", "r3", &[2, 3]).await.unwrap();
}

#[tokio::test]
async fn changed_settings_hold_for_the_next_reservation() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    a.open_event("rock", 10, SalesSettings { seats_per_customer: 1, ..SalesSettings::default() }).await;
    refused(b.reserve("rock", "ann", "r", &[1, 2]).await, Code::ResourceExhausted, "CUSTOMER_LIMIT");
    let sales_settings = Some(SalesSettings { seats_per_customer: 2, ..SalesSettings::default() });
    let update = UpdateEventRequest { event_id: "rock".into(), name: None, sales_settings };
    a.events().update_event(as_role(Role::Admin, "boss", update)).await.unwrap();
    b.reserve("rock", "ann", "r", &[1, 2]).await.unwrap();
}
