use std::time::{Duration, Instant};

use booking_svc::{
    domain::{EventId, NewEvent, SalesSettings, UnixMs},
    vault::Error,
};
use tokio::join;

use crate::support::{event_id, new_event, with_db};

#[test]
fn a_house_of_100_000_seats_loads_in_seconds_and_only_once() {
    with_db(async |db| {
        let vault = db.vault().await;
        let new = new_event("arena", 100_000);
        let begun = Instant::now();
        let event = vault.create_event(&new).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
        assert_eq!((event.seat_count, event.sales_open, event.epoch.0), (100_000, false, 0));
        assert_eq!(vault.layout(&new.id).await.unwrap().as_ref(), Some(&new.layout));
        assert_eq!(vault.create_event(&new).await.unwrap(), event);

        let exists = Err(Error::EventExists(new.id.clone()));
        let mut other = new.clone();
        other.layout.sections[1].rows[3].seats[7].x_cm += 1;
        assert_eq!(vault.create_event(&other).await, exists);
        let other = NewEvent { currency: "USD".into(), ..new };
        assert_eq!(vault.create_event(&other).await, exists);
    });
}

#[test]
fn an_event_that_two_create_at_once_is_one_event() {
    with_db(async |db| {
        let (one, two) = (db.vault().await, db.vault().await);
        for round in 0..20 {
            let new = new_event(&format!("e-{round}"), 100);
            let (a, b) = join!(one.create_event(&new), two.create_event(&new));
            assert_eq!(a.unwrap(), b.unwrap());
        }
        let mut ids = Vec::new();
        while let page @ [_, ..] = &one.events(ids.last(), 7).await.unwrap()[..] {
            ids.extend(page.iter().map(|event| event.id.clone()));
        }
        assert_eq!(ids.len(), 20);
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(one.event(&event_id("nowhere")).await, Ok(None));
        assert_eq!(one.layout(&event_id("nowhere")).await, Ok(None));
    });
}

#[test]
fn a_change_that_the_gate_must_learn_of_raises_the_revision() {
    with_db(async |db| {
        let vault = db.vault_with_event().await;
        let id = event_id("e");
        let first = vault.event(&id).await.unwrap().unwrap();
        let renamed = vault.update_event(&id, Some("Two nights"), None).await.unwrap().unwrap();
        assert_eq!((renamed.name.as_str(), renamed.revision), ("Two nights", first.revision));

        let settings = SalesSettings {
            hold_ttl: Duration::from_secs(90),
            opens_at: Some(UnixMs(1_800_000_000_123)),
            closes_at: Some(UnixMs(1_900_000_000_999)),
            ..SalesSettings::default()
        };
        let update = async || vault.update_event(&id, None, Some(&settings)).await.unwrap().unwrap();
        let updated = update().await;
        assert_eq!((&updated.settings, updated.revision), (&settings, first.revision + 1));
        assert_eq!(update().await, updated, "the same again changes nothing");
        let shorter = SalesSettings::default();
        let last = vault.update_event(&id, Some("One night"), Some(&shorter)).await.unwrap().unwrap();
        assert_eq!(
            (last.name.as_str(), last.settings, last.revision),
            ("One night", shorter, first.revision + 2)
        );
        assert_eq!(vault.truth(&id).await.unwrap().hold_ttl_longest, Duration::from_secs(90));

        let open = vault.set_sales_open(&id, true).await.unwrap().unwrap();
        assert_eq!((open.sales_open, open.revision), (true, last.revision + 1));
        assert_eq!(vault.set_sales_open(&id, true).await.unwrap().unwrap(), open);
        assert_eq!(vault.set_sales_open(&event_id("nowhere"), true).await, Ok(None));
        assert_eq!(vault.update_event(&event_id("nowhere"), Some("x"), None).await, Ok(None));
    });
}

#[test]
fn an_event_is_live_while_it_is_on_sale_and_for_an_hour_after() {
    with_db(async |db| {
        let vault = db.vault().await;
        for id in ["made", "old", "open", "over", "passed", "soon"] {
            vault.create_event(&new_event(id, 10)).await.unwrap();
        }
        let long_ago = "UPDATE events SET updated_at = now() - interval '2 hours', opens_at = NULL,
               sales_open = event_id IN ('open', 'over', 'passed'),
               closes_at = CASE event_id WHEN 'over' THEN now() - interval '2 hours'
                                         WHEN 'passed' THEN now() - interval '1 minute' END
             WHERE event_id <> 'made'";
        db.raw().await.batch_execute(long_ago).await.unwrap();
        let live = async |limit| {
            let live = vault.live_events(Duration::from_secs(3_600), limit).await.unwrap();
            live.iter().map(EventId::to_string).collect::<Vec<_>>()
        };
        assert_eq!(live(10).await, ["made", "open", "passed"]);
        assert_eq!(live(2).await, ["made", "open"]);
        vault.set_sales_open(&event_id("open"), false).await.unwrap();
        vault.set_sales_open(&event_id("soon"), true).await.unwrap();
        assert_eq!(live(10).await, ["made", "open", "passed", "soon"]);
    });
}
