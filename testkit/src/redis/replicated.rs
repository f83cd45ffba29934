//! A primary with a replica, and three Sentinels that replace it.

use std::{
    fs,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;

use super::{PASSWORD, Redis, START_ATTEMPTS_MAX, USER_OF_REPLICAS, program, words};
use crate::{STORE_LIMIT, ports::Port, process::Process, wait_until};

/// What the Sentinels call it.
const NAME: &str = "tickets";
/// A primary that is silent for so long is taken for dead.
const DOWN_AFTER: Duration = Duration::from_millis(1_000);
/// Of them, so many must agree.
const QUORUM: usize = 2;
const OPTIONS: &str = "--repl-diskless-sync-delay 0 --repl-ping-replica-period 1";

/// Two servers of which one follows the other.
pub struct Replicated {
    /// The first is the primary to begin with.
    pub nodes: [Redis; 2],
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    port: Port,
    _folder: TempDir,
    _process: Process,
}

impl Replicated {
    /// Starts them, with Sentinels or without. `options` are more options of each server's command line.
    pub async fn start(sentinels: usize, options: &str) -> Self {
        let primary = start(options).await;
        let follow = format!("{options} --replicaof 127.0.0.1 {}", primary.port().number());
        let replica = start(&follow).await;
        let mut set = Self { nodes: [primary, replica], sentinels: Vec::new() };
        set.wait_until_whole().await;
        for _ in 0..sentinels {
            set.sentinels.push(Sentinel::start(&set.nodes[0]));
        }
        for sentinel in &set.sentinels {
            let others = format!("num-other-sentinels\n{}", sentinels - 1);
            wait_until("the Sentinels know each other and the replica", STORE_LIMIT, async || {
                let known = sentinel.ask(&["SENTINEL", "MASTER", NAME]).await;
                known.contains(&others) && known.contains("num-slaves\n1")
            })
            .await;
        }
        set
    }

    /// Waits until one follows the other.
    pub async fn wait_until_whole(&self) {
        wait_until("a replica follows its primary", STORE_LIMIT, async || {
            let mut roles = Vec::new();
            for node in &self.nodes {
                let info: String = node.ask(&["INFO", "replication"]).await.unwrap_or_default();
                roles.push((info.contains("state=online"), info.contains("master_link_status:up")));
            }
            roles.contains(&(true, false)) && roles.contains(&(false, true))
        })
        .await;
    }

    /// Its URL for the service, by way of the Sentinels.
    pub fn url(&self) -> String {
        let sentinels: Vec<_> = self.sentinels.iter().map(|one| one.port.address().to_string()).collect();
        format!("redis-sentinel://ticketengine:{PASSWORD}@{}/{NAME}", sentinels.join(","))
    }

    /// Which server the Sentinels call primary.
    pub async fn primary(&self) -> Option<usize> {
        let answer = self.sentinels[0].ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await;
        self.nodes.iter().position(|node| answer.contains(&node.port().number().to_string()))
    }
}

async fn start(options: &str) -> Redis {
    for _ in 0..START_ATTEMPTS_MAX {
        let options = [words(OPTIONS), words(options)].concat();
        if let Some(redis) = Redis::try_start(Port::take(), Arc::default(), USER_OF_REPLICAS, options).await {
            return redis;
        }
    }
    panic!("a server with a replica does not start");
}

impl Sentinel {
    fn start(primary: &Redis) -> Self {
        let (port, folder) = (Port::take(), TempDir::new().unwrap());
        let file = folder.path().join("sentinel.conf");
        let down_after = DOWN_AFTER.as_millis();
        let text = format!(
            "port {}\nbind 127.0.0.1\nlogfile sentinel.log\ndir {}\n\
             sentinel monitor {NAME} 127.0.0.1 {} {QUORUM}\n\
             sentinel down-after-milliseconds {NAME} {down_after}\n\
             sentinel failover-timeout {NAME} 5000\n",
            port.number(),
            folder.path().display(),
            primary.port().number()
        );
        fs::write(&file, text).unwrap();
        let process =
            Process::spawn(Command::new(program()).arg(&file).arg("--sentinel").stdout(Stdio::null()));
        Self { port, _folder: folder, _process: process }
    }

    /// All words of the answer, a line each; empty where there is none.
    async fn ask(&self, question: &[&str]) -> String {
        let Ok(client) = redis::Client::open(format!("redis://{}/", self.port.address())) else {
            return String::new();
        };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
            return String::new();
        };
        let answer: Result<Vec<String>, _> =
            redis::cmd(question[0]).arg(&question[1..]).query_async(&mut connection).await;
        answer.unwrap_or_default().join("\n")
    }
}
