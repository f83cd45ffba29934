//! Ceilings that other programs measure: pgbench of the vault's work, redis-benchmark of the gate's script.

mod pgbench;
mod redis_benchmark;

pub(crate) use pgbench::{CLIENTS, PgBench};
pub(crate) use redis_benchmark::RedisBenchmark;

use std::{ffi::OsStr, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use crate::error::Error;

/// Runs a program to its end: what it wrote on standard output.
async fn output(
    program: impl AsRef<OsStr>,
    name: &'static str,
    arguments: &[String],
    environment: &[(&str, String)],
    wait: Duration,
) -> Result<String, Error> {
    let tool = |why: String| Error::Tool { name, why };
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    let done = timeout(wait, command.output()).await.map_err(|_| tool("it does not end".into()))?;
    let done = done.map_err(|error| tool(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        let said = text(&done.stderr);
        Err(tool(said.lines().last().unwrap_or("it failed without a word").to_owned()))
    }
}
