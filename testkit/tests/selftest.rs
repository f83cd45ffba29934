//! The means of the tests do what they say.

// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use redis::{AsyncCommands, Client, RedisError, aio::MultiplexedConnection};
use testkit::{
    database::{Database, at},
    postgres::{Server, address, connect},
    proxy::Proxy,
    redis::Redis,
    wait_until,
};
use tokio::time::{sleep, timeout};

async fn get(redis: &Redis, key: &str) -> Option<String> {
    redis.client().await.get(key).await.unwrap()
}

async fn set(redis: &Redis, key: &str, value: &str) {
    let () = redis.client().await.set(key, value).await.unwrap();
}

async fn open(proxy: &Proxy) -> Result<MultiplexedConnection, RedisError> {
    let url = format!("redis://{}/", proxy.address());
    Client::open(url).unwrap().get_multiplexed_async_connection().await
}

async fn replid(redis: &Redis) -> String {
    let info: String =
        redis::cmd("INFO").arg("replication").query_async(&mut redis.client().await).await.unwrap();
    let line = info.lines().find(|line| line.starts_with("master_replid:")).unwrap();
    line.to_owned()
}

#[tokio::test]
async fn redis_keeps_its_data_over_a_restart_and_loses_them_when_told_to() {
    let redis = Redis::start().await;
    set(&redis, "a", "1").await;
    let before = replid(&redis).await;
    redis.restart().await;
    assert_eq!(get(&redis, "a").await.as_deref(), Some("1"));
    assert_ne!(replid(&redis).await, before);

    redis.kill().await;
    assert!(Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.is_err());
    redis.restart().await;
    assert_eq!(get(&redis, "a").await.as_deref(), Some("1"));

    redis.flush().await;
    assert_eq!(get(&redis, "a").await, None);
    set(&redis, "b", "2").await;
    redis.restart_empty().await;
    assert_eq!(get(&redis, "b").await, None);
}

#[tokio::test]
async fn redis_goes_back_in_time() {
    let redis = Redis::start().await;
    set(&redis, "a", "old").await;
    let copy = redis.save_copy().await;
    set(&redis, "a", "new").await;
    set(&redis, "b", "new").await;
    redis.restore_copy(&copy).await;
    assert_eq!(get(&redis, "a").await.as_deref(), Some("old"));
    assert_eq!(get(&redis, "b").await, None);
}

#[tokio::test]
async fn redis_forgets_scripts_drops_clients_and_pauses() {
    let redis = Redis::start().await;
    let mut client = redis.client().await;
    let sha: String = redis::cmd("SCRIPT").arg(&["LOAD", "return 1"]).query_async(&mut client).await.unwrap();
    let eval = async |client: &mut MultiplexedConnection| -> Result<i64, RedisError> {
        redis::cmd("EVALSHA").arg(&*sha).arg(0).query_async(client).await
    };
    assert_eq!(eval(&mut client).await.unwrap(), 1);
    redis.script_flush().await;
    assert!(eval(&mut client).await.unwrap_err().to_string().contains("NoScript"));

    redis.kill_clients().await;
    assert!(client.get::<_, Option<String>>("a").await.is_err());

    let mut client = redis.client().await;
    redis.pause();
    assert!(timeout(Duration::from_millis(100), client.get::<_, Option<String>>("a")).await.is_err());
    redis.resume();
    assert_eq!(get(&redis, "a").await, None);
}

#[tokio::test]
async fn the_proxy_refuses_delays_and_swallows() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port().address()).await;

    let mut client = open(&proxy).await.unwrap();
    let () = client.set("a", "1").await.unwrap();
    proxy.refuse().await;
    assert!(client.get::<_, String>("a").await.is_err());
    assert!(open(&proxy).await.is_err());

    proxy.pass().await;
    let mut client = open(&proxy).await.unwrap();
    proxy.delay(Duration::from_millis(40)).await;
    let started = Instant::now();
    assert_eq!(client.get::<_, String>("a").await.unwrap(), "1");
    assert!(started.elapsed() >= Duration::from_millis(80));

    proxy.black_hole().await;
    let late = async { client.incr::<_, _, i64>("a", 1).await };
    assert!(timeout(Duration::from_millis(100), late).await.is_err());
    assert_eq!(get(&redis, "a").await.as_deref(), Some("1"));
    proxy.pass().await;
    wait_until("the late request arrives", Duration::from_secs(5), async || {
        get(&redis, "a").await.as_deref() == Some("2")
    })
    .await;
}

#[tokio::test]
async fn the_proxy_cuts_after_the_request_and_before_the_reply() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port().address()).await;
    let mut client = open(&proxy).await.unwrap();

    proxy.cut_reply_to("wanted").await;
    let () = client.set("other", "1").await.unwrap();
    assert!(client.set::<_, _, ()>("wanted", "1").await.is_err());
    assert_eq!(proxy.replies_cut(), 1);
    assert_eq!(get(&redis, "wanted").await.as_deref(), Some("1"));

    let mut client = open(&proxy).await.unwrap();
    let () = client.set("wanted", "2").await.unwrap();
    proxy.cut().await;
    assert_eq!(proxy.connections(), 0);
    assert!(client.set::<_, _, ()>("wanted", "3").await.is_err());
}

#[tokio::test]
async fn postgres_is_killed_and_keeps_what_it_committed() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
    server.kill().await;
    assert!(client.batch_execute("COMMIT").await.is_err());
    assert!(connect(&server.url()).await.is_none());

    server.restart().await;
    let count = async || {
        let row = server.client().await.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    assert_eq!(count().await, 1);
    server.restart().await;
    assert_eq!(count().await, 1);

    let client = server.client().await;
    server.pause();
    assert!(timeout(Duration::from_millis(100), client.query_one("SELECT 1", &[])).await.is_err());
    server.resume();
    assert_eq!(count().await, 1);

    let proxy = Proxy::start(server.port().address()).await;
    let client = connect(&at(&server.admin_url(), &proxy)).await.unwrap();
    proxy.cut_reply_to("INSERT INTO t").await;
    assert!(client.batch_execute("INSERT INTO t VALUES (3)").await.is_err());
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, two) = (Database::create().await, Database::create().await);
    one.client().await.batch_execute("CREATE TABLE only_here ()").await.unwrap();
    assert!(two.client().await.batch_execute("SELECT FROM only_here").await.is_err());
    two.client().await.batch_execute("SELECT FROM events").await.unwrap();

    let proxy = Proxy::start(address(&one.url())).await;
    let through = connect(&at(&one.admin_url(), &proxy)).await.unwrap();
    through.batch_execute("SELECT FROM only_here").await.unwrap();
    let service = connect(&one.url_at(&proxy)).await.unwrap();
    service.batch_execute("SELECT FROM events").await.unwrap();
    assert!(service.batch_execute("SELECT FROM only_here").await.is_err());

    // Dropped while somebody is connected.
    let url = one.url();
    drop(one);
    sleep(Duration::from_millis(20)).await;
    assert!(connect(&url).await.is_none());
}
