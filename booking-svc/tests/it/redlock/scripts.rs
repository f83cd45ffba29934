//! The scripts of a node's votes, one by one, on a real Redis.

use std::time::Duration;

use redis::{Script, aio::MultiplexedConnection};
use tokio::time::sleep;

use crate::support::redis::Redis;

const VOTES: &str = include_str!("../../../src/gate/lua/votes.lua");
const LOCK: &str = include_str!("../../../src/gate/lua/lock.lua");
const UNLOCK: &str = include_str!("../../../src/gate/lua/unlock.lua");
const ENROL: &str = include_str!("../../../src/gate/lua/enrol.lua");
const FENCE: &str = include_str!("../../../src/gate/lua/fence.lua");
const RETIRE: &str = include_str!("../../../src/gate/lua/retire.lua");

const LIFE: &str = "life-1";
const MINUTE: i64 = 60_000;

/// One node, asked by hand.
struct Node {
    redis: MultiplexedConnection,
    _server: Redis,
}

impl Node {
    async fn start() -> Self {
        let server = Redis::start().await;
        Self { redis: server.client().await, _server: server }
    }

    async fn run(&mut self, text: &str, keys: &[&str], args: &[&str]) -> Vec<String> {
        let script = Script::new(text);
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(format!("te:{{rock}}:{key}"));
        }
        for arg in args {
            call.arg(*arg);
        }
        call.invoke_async(&mut self.redis).await.unwrap()
    }

    async fn now(&mut self) -> i64 {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.redis).await.unwrap();
        seconds * 1000 + micros / 1000
    }

    /// A lock of an epoch that `a` carries, for so long.
    async fn lock(&mut self, epoch: &str, life: &str, id: &str, ms: i64, seats: &str) -> Vec<String> {
        let expires = (self.now().await + ms).to_string();
        let record = format!("H 1 2 {seats} r ann");
        let script = [VOTES, LOCK].concat();
        self.run(&script, &["vote", "locks"], &[epoch, life, "a", id, &expires, seats, &record]).await
    }

    async fn enrol(&mut self, epoch: &str, life: &str, remembered_ms: &str) -> Vec<String> {
        let script = [VOTES, ENROL].concat();
        self.run(&script, &["vote", "locks"], &[epoch, life, "a", remembered_ms]).await
    }

    /// A takeover by `b`.
    async fn fence(&mut self, epoch: &str, life: &str, own_name: &str) -> Vec<String> {
        let first = if epoch == "1" { "1" } else { "0" };
        let args = [epoch, life, "b", "60000", own_name, first];
        self.run(&[VOTES, FENCE].concat(), &["vote", "locks", "meta"], &args).await
    }

    async fn command(&mut self, words: &[&str]) {
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut self.redis).await.unwrap();
    }
}

/// A node of an event whose first epoch has begun.
async fn voter() -> Node {
    let mut node = Node::start().await;
    assert_eq!(node.fence("1", LIFE, "n").await[2], "1", "the first epoch counts at once");
    node
}

#[tokio::test]
async fn a_seat_is_locked_once_and_all_or_none() {
    let mut node = voter().await;
    assert_eq!(node.lock("1", LIFE, "1.1", MINUTE, "3,4").await[0], "LOCKED");
    let refused = node.lock("1", LIFE, "1.2", MINUTE, "4,5").await;
    assert_eq!((&*refused[0], &*refused[3]), ("TAKEN", "1.1"));
    assert!((50_000..=60_000).contains(&refused[2].parse::<i64>().unwrap()), "{refused:?}");
    assert_eq!(node.lock("1", LIFE, "1.3", MINUTE, "5").await[0], "LOCKED", "5 stayed free");
}

#[tokio::test]
async fn a_lock_ends_by_its_time_and_gives_way() {
    let mut node = voter().await;
    node.lock("1", LIFE, "1.1", 2_000, "3,4").await;
    assert_eq!(node.lock("1", LIFE, "1.2", MINUTE, "4").await[0], "TAKEN");
    sleep(Duration::from_millis(2_050)).await;
    assert_eq!(node.lock("1", LIFE, "1.2", MINUTE, "4").await[0], "LOCKED");
    assert_eq!(node.fence("2", LIFE, "n").await[6..].join(" ").matches("1.1").count(), 0, "it left nothing");
    let late = node.now().await - 1;
    let args = ["2", LIFE, "b", "2.1", &late.to_string(), "9", "H 1 2 9 r ann"];
    let answer = node.run(&[VOTES, LOCK].concat(), &["vote", "locks"], &args).await;
    assert_eq!(answer[0], "LATE", "a call that waited in a queue locks for no longer than it was to");
}

#[tokio::test]
async fn a_lock_of_the_same_hold_grows_and_never_shrinks() {
    let mut node = voter().await;
    node.lock("1", LIFE, "1.1", MINUTE, "3").await;
    node.lock("1", LIFE, "1.1", 10, "3").await;
    node.lock("1", LIFE, "1.1", 2 * MINUTE, "3").await;
    node.lock("1", LIFE, "1.1", MINUTE, "3").await;
    let left: i64 = node.lock("1", LIFE, "1.2", MINUTE, "3").await[2].parse().unwrap();
    assert!(left > MINUTE + MINUTE / 2, "{left}");
}

#[tokio::test]
async fn only_the_very_holds_locks_are_taken_back() {
    let mut node = voter().await;
    node.lock("1", LIFE, "1.1", 2_000, "3,4").await;
    sleep(Duration::from_millis(2_050)).await;
    node.lock("1", LIFE, "1.2", MINUTE, "4").await;
    let unlocked = node.run(UNLOCK, &["locks"], &["1.1", "3,4"]).await;
    assert_eq!(unlocked, ["UNLOCKED", "1"], "4 is another's by now");
    assert_eq!(node.lock("1", LIFE, "1.3", MINUTE, "4").await[0], "TAKEN");
    node.run(UNLOCK, &["locks"], &["1.2", "4"]).await;
    assert_eq!(node.lock("1", LIFE, "1.3", MINUTE, "4").await[0], "LOCKED");
}

#[tokio::test]
async fn a_fenced_node_votes_for_no_older_epoch_and_tells_its_locks() {
    let mut node = voter().await;
    node.lock("1", LIFE, "1.1", MINUTE, "3").await;
    let told = node.fence("3", LIFE, "n").await;
    assert_eq!(
        [&*told[0], &*told[2], &*told[6], &*told[8], &*told[9]],
        ["FENCED", "1", "1.1", "1", "H 1 2 3 r ann"]
    );
    let refused = node.lock("2", LIFE, "2.1", MINUTE, "9").await;
    assert_eq!((&*refused[0], &refused[2..]), ("FENCED", &["3".into(), "b".into()][..]));
    assert_eq!(node.fence("3", LIFE, "n").await, ["SUPERSEDED", "3"]);
    assert_eq!(node.lock("3", LIFE, "3.1", MINUTE, "9").await[0], "LOCKED");
    // A node that was out of reach hears of an epoch from a lock.
    assert_eq!(node.lock("5", LIFE, "5.1", MINUTE, "10").await[0], "LOCKED");
    assert_eq!(node.lock("4", LIFE, "4.1", MINUTE, "11").await[0], "FENCED");
    // Also where it refuses the lock.
    assert_eq!(node.lock("7", LIFE, "7.1", MINUTE, "10").await[0], "TAKEN");
    assert_eq!(node.lock("6", LIFE, "6.1", MINUTE, "12").await[0], "FENCED");
}

#[tokio::test]
async fn a_node_that_lost_its_memory_does_not_count_for_as_long_as_holds_last() {
    let mut node = voter().await;
    node.lock("1", LIFE, "1.1", MINUTE, "3").await;
    assert_eq!(node.lock("1", "life-2", "1.2", MINUTE, "4").await[0], "STRANGER", "it was restarted");
    assert_eq!(node.enrol("1", "life-2", "3000").await, ["ENROLLED"]);
    let vote = node.lock("1", "life-2", "1.2", MINUTE, "4").await;
    assert_eq!((&*vote[0], &*vote[2]), ("LOCKED", "0"));
    assert_eq!(node.fence("2", "life-2", "n").await[2], "0");
    sleep(Duration::from_millis(3_050)).await;
    assert_eq!(node.lock("2", "life-2", "1.2", MINUTE, "4").await[2], "1");
    assert_eq!(node.fence("3", "life-2", "n").await[2], "1");
}

#[tokio::test]
async fn a_node_that_lost_its_locks_or_the_gate_that_it_carried_does_not_count() {
    for lost in ["locks", "meta", "vote"] {
        let mut node = Node::start().await;
        // It carries the first epoch, and has locks as well.
        node.fence("1", LIFE, "b").await;
        node.command(&["HSET", "te:{rock}:meta", "epoch", "1"]).await;
        node.command(&["HDEL", "te:{rock}:meta", "frozen"]).await;
        assert_eq!(node.lock("1", LIFE, "1.1", MINUTE, "3").await[2], "1");
        assert_eq!(node.fence("2", LIFE, "b").await[2], "1");
        node.command(&["HSET", "te:{rock}:meta", "epoch", "2"]).await;
        node.command(&["HDEL", "te:{rock}:meta", "frozen"]).await;
        node.command(&["DEL", &format!("te:{{rock}}:{lost}")]).await;
        assert_eq!(node.fence("3", LIFE, "b").await[2], "0", "{lost}");
        assert_eq!(node.fence("4", LIFE, "b").await[2], "0", "{lost}: a second look does not heal it");
    }
}

#[tokio::test]
async fn a_new_node_of_an_old_event_does_not_count() {
    let mut node = Node::start().await;
    assert_eq!(node.lock("7", LIFE, "7.1", MINUTE, "3").await[0], "STRANGER");
    assert_eq!(node.fence("8", LIFE, "n").await[2], "0");
}

#[tokio::test]
async fn a_fence_freezes_the_gate_that_was_carried_and_only_its_takeover_drops_it() {
    let mut node = voter().await;
    node.command(&["HSET", "te:{rock}:meta", "epoch", "1", "incarnation", LIFE]).await;
    let told = node.fence("2", LIFE, "n").await;
    assert_eq!(told[3..5], ["1".to_owned(), LIFE.to_owned()]);
    let mut redis = node.redis.clone();
    let frozen = async || -> Option<String> {
        redis::cmd("HGET").arg(&["te:{rock}:meta", "frozen"]).query_async(&mut redis.clone()).await.unwrap()
    };
    assert_eq!(frozen().await.as_deref(), Some("2"));
    assert_eq!(node.run(RETIRE, &["meta", "1:seats"], &["1"]).await, ["SUPERSEDED"]);
    assert_eq!(frozen().await.as_deref(), Some("2"));
    assert_eq!(node.run(RETIRE, &["meta", "1:seats"], &["2"]).await, ["RETIRED"]);
    assert_eq!(frozen().await, None);
    let exists: bool = redis::cmd("EXISTS").arg("te:{rock}:meta").query_async(&mut redis).await.unwrap();
    assert!(!exists);
}

#[tokio::test]
async fn the_locks_go_away_when_nothing_is_locked() {
    let mut node = voter().await;
    node.lock("1", LIFE, "1.1", MINUTE, "3").await;
    let left: i64 = redis::cmd("PTTL").arg("te:{rock}:locks").query_async(&mut node.redis).await.unwrap();
    assert!((MINUTE..MINUTE + 30_000).contains(&left), "{left}");
    // So much later it has lost nothing.
    node.command(&["DEL", "te:{rock}:locks"]).await;
    node.command(&["HSET", "te:{rock}:vote", "until_ms", "1"]).await;
    assert_eq!(node.lock("1", LIFE, "1.2", MINUTE, "3").await[2], "1");
}
