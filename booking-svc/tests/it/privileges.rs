//! The service's user in Redis may do what the service does, and nothing else.

use std::time::Duration;

use redis::{Client, aio::MultiplexedConnection};
use testkit::redis::commands_allowed;
use ticketengine::v1::{BlockSeatsRequest, UnblockSeatsRequest, WatchSeatsRequest};

use crate::support::{
    STORE_LIMIT, wait_until,
    world::{Replica, World, as_role, hold_ttl},
};

/// What nobody must do who has stolen the URL. Redis names a refusal `NOPERM`.
const REFUSED: [&str; 34] = [
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG SET maxmemory 1",
    "CONFIG GET requirepass",
    "CONFIG REWRITE",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "DBSIZE",
    "SWAPDB 0 1",
    "DEBUG SLEEP 0",
    "ACL LIST",
    "ACL SETUSER ticketengine allcommands",
    "SHUTDOWN NOSAVE",
    "SAVE",
    "BGREWRITEAOF",
    "MONITOR",
    "SLOWLOG GET",
    "LATENCY RESET",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 1000",
    "REPLICAOF NO ONE",
    "MODULE LIST",
    "FUNCTION LIST",
    "SCRIPT FLUSH",
    "SUBSCRIBE te:news",
    "PUBLISH te:news x",
    "EVAL return 0",
    "XTRIM te:{rock}:1:log MAXLEN 0",
    "RENAME te:{rock}:meta te:x",
    "GET foreign",
    "SET foreign x",
    "DEL te:{rock}:meta foreign",
];

async fn connect(url: &str) -> MultiplexedConnection {
    Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn nothing_else_and_no_other_key_is_allowed() {
    let world = World::new().await;
    let a = world.replica().await;
    a.open_event("rock", 10, hold_ttl(Duration::from_secs(60))).await;
    let mut service = connect(&world.redis.url()).await;
    let mut ask = async |words: &[&str]| -> String {
        let answer = redis::cmd(words[0]).arg(&words[1..]).query_async::<redis::Value>(&mut service).await;
        answer.map_or_else(|error| error.to_string().to_uppercase(), |value| format!("{value:?}"))
    };
    for command in REFUSED {
        let answer = ask(&command.split(' ').collect::<Vec<_>>()).await;
        // DEBUG is off for everybody.
        assert!(answer.contains("NOPERM") || answer.contains("COMMAND NOT ALLOWED"), "{command}: {answer}");
    }
    // A script may do no more than who calls it.
    for script in ["return redis.call('GET', KEYS[1])", "return redis.call('GET', 'foreign')"] {
        let sha = redis::Script::new(script).get_hash().to_owned();
        ask(&["SCRIPT", "LOAD", script]).await;
        for key in ["foreign", "te:{rock}:x"] {
            let answer = ask(&["EVALSHA", &sha, "1", key]).await;
            if key.starts_with("te:") && script.contains("KEYS") {
                assert_eq!(answer, "nil", "its own key");
            } else {
                let refused = answer.contains("NOPERM") || answer.contains("CAN'T ACCESS");
                assert!(refused, "{script} with {key}: {answer}");
            }
        }
    }
    a.reserve("rock", "ann", "r", &[1]).await.unwrap();
}

/// All that happens to reservations, an outage of memory included.
pub(crate) async fn whole_life_of(event: &str, a: &Replica, admin: &mut MultiplexedConnection) {
    a.open_event(event, 100, hold_ttl(Duration::from_secs(3))).await;
    let request = WatchSeatsRequest { event_id: event.into(), ..WatchSeatsRequest::default() };
    let mut seen = a.bookings().watch_seats(request).await.unwrap().into_inner();
    seen.message().await.unwrap();

    let blocked = BlockSeatsRequest { event_id: event.into(), seat_ids: vec![90] };
    a.events().block_seats(as_role("admin", "boss", blocked)).await.unwrap();
    let unblocked = UnblockSeatsRequest { event_id: event.into(), seat_ids: vec![90] };
    a.events().unblock_seats(as_role("admin", "boss", unblocked)).await.unwrap();
    let held = a.reserve(event, "ann", "r1", &[1, 2]).await.unwrap();
    let held = a.extend(&held).await.unwrap();
    let booking = a.confirm(&held, "pay").await.unwrap();
    a.cancel(&booking).await.unwrap();
    let held = a.reserve(event, "bob", "r1", &[1]).await.unwrap();
    a.release(&held).await.unwrap();
    a.reserve(event, "cid", "r1", &[3]).await.unwrap();
    wait_until("a hold ends, and is forgotten", STORE_LIMIT, async || {
        a.seat_states(event, 4).await.is_ok_and(|states| states == [0; 4])
    })
    .await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    seen.message().await.unwrap();

    let held = a.reserve(event, "dan", "r1", &[5]).await.unwrap();
    redis::cmd("RENAME")
        .arg(&[&*format!("te:{{{event}}}:1:reservations"), &format!("lost{{{event}}}")])
        .exec_async(admin)
        .await
        .unwrap();
    wait_until("a token brings its hold back", STORE_LIMIT, async || a.extend(&held).await.is_ok()).await;
    a.confirm(&held, "pay").await.unwrap();
    a.reservation(&held).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_needs_each_command_that_is_allowed_and_no_other() {
    let world = World::new().await;
    // Database 1, so that the service has to select it.
    let mut admin = connect(&format!("{}1", world.redis.admin_url())).await;
    redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut admin).await.unwrap();
    let mut settings = world.settings();
    settings.redis_url.push('1');
    settings.engine.tombstone_ttl = Duration::from_millis(500);
    let a = Replica::start(settings).await;
    whole_life_of("rock", &a, &mut admin).await;

    let log: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query_async(&mut admin).await.unwrap();
    assert_eq!(log, [], "the service was refused something");
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut admin).await.unwrap();
    let used = |command: &&str| stats.contains(&format!("cmdstat_{command}:calls="));
    let superfluous: Vec<_> = commands_allowed().into_iter().filter(|command| !used(command)).collect();
    assert_eq!(superfluous, [""; 0], "nobody needs these commands");
}
