//! The customers against a service in memory: what they do, and what they notice.

mod stand_in;

use std::{collections::BTreeSet, sync::Arc};

use ticketengine::v1::{
    booking_service_server::BookingServiceServer, event_service_server::EventServiceServer,
};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::transport::{Server, server::TcpIncoming};

use self::stand_in::{Fault, StandIn};
use super::{
    hold_sale, open_doors,
    tally::{Counts, Rpc},
};
use crate::{
    cli::{Demo, Stores, Tokens},
    client::Level,
    ledger::{Call, Record},
};

const CUSTOMERS: u32 = 400;
/// On a busy machine a sale may be over before all has happened: then there is another one.
const SALES_MAX: u64 = 8;

/// A sale of a second, to a service with a fault.
async fn sale(fault: Fault, seed: u64) -> (Counts, Record) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let service = Arc::new(StandIn::new(fault));
    let mut server = JoinSet::new(); // Ends when it is dropped.
    server.spawn(
        Server::builder()
            .add_service(BookingServiceServer::from_arc(Arc::clone(&service)))
            .add_service(EventServiceServer::from_arc(service))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    let none = String::new;
    let stores = Stores { redis_url: none(), database_url: none(), key_prefix: none() };
    let options = Demo {
        targets: vec![target],
        event: "e".into(),
        customers: CUSTOMERS,
        connections: 3,
        seconds: 1,
        seed: Some(seed),
        acks: None,
        tokens: Tokens {
            jwt_secret: "0123456789abcdef0123456789abcdef".into(),
            jwt_issuer: "issuer".into(),
            jwt_audience: "audience".into(),
        },
        stores,
    };
    let doors = open_doors(&options).await.unwrap();
    let sale = Arc::clone(&doors.sale);
    assert_eq!(hold_sale(doors, CUSTOMERS).await.unwrap(), 0, "all come to an end");
    (sale.tally.counts(), sale.ledger.record())
}

fn acked(record: &Record) -> u64 {
    record.grants.values().filter(|grant| grant.confirm == Call::Acked).count() as u64
}

/// Whether what a faulty service does is noticed.
async fn is_noticed(fault: Fault, what: &str) -> bool {
    for seed in 1..=SALES_MAX {
        let (_, record) = sale(fault, seed).await;
        if record.broken.iter().any(|broken| broken.contains(what)) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn customers_fight_and_everything_that_can_happen_happens() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for seed in 1..=SALES_MAX {
        let (counts, record) = sale(Fault::None, seed).await;
        assert_eq!(record.broken, [""; 0]);
        assert_eq!(counts.done, u64::from(CUSTOMERS));
        assert_eq!((counts.wins, counts.confirms), (record.grants.len() as u64, acked(&record)));
        assert_eq!((counts.failed(), counts.left_open), (0, 0));
        assert_eq!(counts.attempts, counts.wins + counts.refused(Rpc::Reserve));
        assert_eq!(counts.went_home + counts.wins, u64::from(CUSTOMERS));
        let refused = |rpc, reason: &str| counts.refusals.get(&(rpc, Level::Gate, reason.into()));
        let happened = [
            ("they collide", refused(Rpc::Reserve, "SEAT_UNAVAILABLE").is_some_and(|times| *times > 50)),
            ("some come too late", refused(Rpc::Confirm, "HOLD_EXPIRED").is_some()),
            ("some buy", counts.confirms > 0),
            ("some give back", counts.releases > 0),
            ("some forget", counts.ran_out > 0),
            ("some need more time", counts.extends > 0),
            ("some repeat", counts.same_again > 0),
        ];
        seen.extend(happened.iter().filter(|(_, has)| *has).map(|(what, _)| what));
        if seen.len() == happened.len() {
            return;
        }
    }
    panic!("all that has happened: {seen:?}");
}

#[tokio::test]
async fn a_second_reservation_for_the_same_request_is_noticed() {
    assert!(is_noticed(Fault::SecondReservation, "a repeated Reserve answered").await);
}

#[tokio::test]
async fn another_answer_to_the_same_confirm_is_noticed() {
    assert!(is_noticed(Fault::OtherPayment, "a repeated Confirm answered").await);
}

#[tokio::test]
async fn lost_answers_are_asked_for_again() {
    let (counts, record) = sale(Fault::LostAnswers, 1).await;
    assert_eq!(record.broken, [""; 0]);
    assert!(counts.errors[&(Rpc::Confirm, "Unavailable BACKEND_UNAVAILABLE".into())] > 0);
    assert_eq!((counts.left_open, counts.confirms), (0, acked(&record)));
    assert!(record.grants.values().all(|grant| grant.confirm != Call::Unknown));
}
