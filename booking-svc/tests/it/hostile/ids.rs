//! Ids that smuggle: each field of each call, down to what Redis hears.

use std::sync::{Arc, Mutex};

use bb8_redis::redis;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tonic::{Code, Status};

use super::fields::{
    self,
    Kind::{self, Id, Name},
};
use crate::{
    bad_input::{everything, quiet},
    support::{STORE_LIMIT, wait_until, world::World},
};

/// Stands in every bad value: what Redis hears is searched for it.
const MARK: &str = "smuggled";

fn bad_values(kind: Kind) -> Vec<String> {
    let of_all = ["\r\nFLUSHALL\r\n", "\n", "\0", "\x1b[2J", "\u{7f}", "\u{85}", &"x".repeat(5_000)];
    let of_keys = [" ", "\u{e9}", "\u{1f600}", "\u{202e}"];
    let of_ids = ["}", "{", ":meta", "*", "'; --", "%0d%0a", "/../x", "\"", ".1.1.1", "\\r\\n"];
    let mut all: Vec<&str> = of_all.into();
    if kind != Name {
        all.extend(of_keys);
    }
    if kind == Id {
        all.extend(of_ids);
    }
    all.into_iter().flat_map(|bad| [format!("{MARK}{bad}"), format!("{bad}{MARK}")]).collect()
}

/// All that Redis is told, as its MONITOR shows it.
struct Monitor {
    heard: Arc<Mutex<Vec<u8>>>,
    /// Aborted when dropped.
    _reading: JoinSet<()>,
}

impl Monitor {
    async fn start(world: &World) -> Self {
        let mut stream = TcpStream::connect(world.redis.port().address()).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (into, mut reading) = (Arc::clone(&heard), JoinSet::new());
        reading.spawn(async move {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                into.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let monitor = Self { heard, _reading: reading };
        wait_until("Redis monitors", STORE_LIMIT, async || monitor.text().starts_with("+OK")).await;
        monitor
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Waits until all that was said so far is heard.
    async fn flushed(&self, world: &World) {
        let last = "the last word";
        let mut redis = world.redis.client().await;
        redis::cmd("ECHO").arg(last).exec_async(&mut redis).await.unwrap();
        wait_until("the monitor hears", STORE_LIMIT, async || self.text().contains(last)).await;
    }
}

#[tokio::test]
async fn what_an_id_smuggles_never_reaches_redis() {
    let (world, a) = quiet().await;
    let before = everything(&world).await;
    let monitor = Monitor::start(&world).await;
    let mut wrong = Vec::new();
    let mut count = 0;
    for (field, kind, send) in fields::all() {
        for value in bad_values(kind) {
            count += 1;
            let answer = send(&a, value.clone()).await;
            let code = answer.as_ref().map_or_else(Status::code, |()| Code::Ok);
            if ![Code::InvalidArgument, Code::NotFound].contains(&code) {
                wrong.push(format!("{field} = {value:?}: {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
    // A good call is heard, so it would have been.
    a.reserve("rock", "canary", "r", &[2]).await.unwrap();
    monitor.flushed(&world).await;
    let heard = monitor.text();
    assert!(heard.contains("canary"), "{heard}");
    let leaked: Vec<_> = heard.lines().filter(|line| line.contains(MARK)).collect();
    assert!(leaked.is_empty(), "{leaked:#?}");
    // And the canary's is the only change.
    let canary = a.reserve("rock", "canary", "r", &[2]).await.unwrap();
    assert_eq!(canary.reservation.seat_ids, [2]);
    let keys = |all: &str| -> Vec<String> {
        all.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&everything(&world).await), keys(&before));
}

#[tokio::test]
async fn what_an_id_may_hold_is_data_and_nothing_else() {
    let (world, a) = quiet().await;
    let keys = async || -> Vec<String> {
        let mut redis = world.redis.client().await;
        let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
        keys.sort_unstable();
        keys
    };
    a.reserve("rock", "zoe", "r", &[0]).await.unwrap();
    let before = keys().await;
    let customers =
        ["} te:{rock}:meta", "0 0 held 1,2 r ann", "ann r", "%s%n", "O'Neil; --", "\u{1f600} \u{202e}x"];
    for (seat, customer) in (1..).zip(customers) {
        let request = r#"}{:*$1'"\r\n"#;
        let held = a.reserve("rock", customer, request, &[seat]).await.unwrap();
        assert_eq!(held.reservation.customer_id, customer);
        assert_eq!(a.reserve("rock", customer, request, &[seat]).await.unwrap().id(), held.id());
        assert_eq!(a.reservation(&held).await.unwrap(), held.reservation);
        let booking = a.confirm(&held, r#"pay'";--\0"#).await.unwrap();
        assert_eq!((&*booking.customer_id, &*booking.payment_reference), (customer, r#"pay'";--\0"#));
    }
    assert_eq!(keys().await, before);
    // "ann" with the request "r" is nobody of them.
    assert_eq!(a.reserve("rock", "ann", "r", &[8]).await.unwrap().reservation.seat_ids, [8]);
}
