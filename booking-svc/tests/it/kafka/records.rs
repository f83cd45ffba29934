//! What a record is, and that none is missed.

use std::time::Duration;

use testkit::{STORE_LIMIT, wait_until};
use ticketengine::v1::BookingState;

use super::{Stage, consumer::Told};
use crate::support::{calls::Held, world::hold_ttl};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_a_cloudevent_and_one_that_commits_late_is_told_too() {
    let stage = Stage::new().await;
    let replica = stage.relay().await;
    replica.open_event("rock", 100, hold_ttl(Duration::from_secs(60))).await;

    // Decided by hand, in a transaction that stays open: its row in the outbox is the first and appears last.
    let late = stage.world.database.client().await;
    late.batch_execute(
        "BEGIN;
         SELECT vault_decide('{rock.1.9999}', '{rock}', '{zoe}', '{r}', '{1}', '{\"{99}\"}', '{pay-zoe}', '{NULL}', false)",
    )
    .await
    .unwrap();
    let held: Held = replica.reserve("rock", "ann", "r", &[4, 5]).await.unwrap();
    let booked = replica.confirm(&held, "pay-ann").await.unwrap();
    wait_until("the others do not wait for it", STORE_LIMIT, async || stage.waiting().await == 0).await;
    let cancelled = replica.cancel(&booked).await.unwrap();
    wait_until("a cancel is told", STORE_LIMIT, async || stage.waiting().await == 0).await;
    late.batch_execute("COMMIT").await.unwrap();

    let consumer = stage.assert_all_is_told().await;
    let told: Vec<&str> = consumer.told.iter().map(Told::id).collect();
    let id = &booked.booking_id;
    assert_eq!(told, [format!("{id}/confirmed"), format!("{id}/cancelled"), "rock.1.9999/confirmed".into()]);

    let [confirm, cancel, _] = &consumer.told[..] else { panic!("{:?}", consumer.told) };
    assert_eq!((&confirm.booking, &cancel.booking), (&booked, &cancelled), "as the calls answered");
    assert_eq!(confirm.booking.state(), BookingState::Confirmed);
    assert_eq!((confirm.booking.total_minor, confirm.booking.currency.as_str()), (2_000, "EUR"));
    assert_eq!(confirm.key, "rock");
    let mut headers: Vec<_> = confirm.headers.iter().filter(|(name, _)| *name != "ce_time").collect();
    headers.sort();
    let expected = [
        ("ce_id", format!("{id}/confirmed")),
        ("ce_partitionkey", "rock".into()),
        ("ce_source", "/ticketengine/bookings".into()),
        ("ce_specversion", "1.0".into()),
        ("ce_subject", id.clone()),
        ("ce_type", "ticketengine.events.v1.BookingConfirmed".into()),
        ("content-type", "application/protobuf".into()),
    ];
    assert_eq!(headers.iter().map(|(k, v)| (k.as_str(), (*v).clone())).collect::<Vec<_>>(), expected);
    for (told, at) in [(confirm, booked.create_time), (cancel, cancelled.cancel_time)] {
        let time = humantime::parse_rfc3339(&told.headers["ce_time"]).unwrap();
        assert_eq!(Some(time.into()), at, "when it happened");
    }
    replica.stop().await;
}
