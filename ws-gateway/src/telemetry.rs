//! Logs.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Logs to standard error. Only the program calls this, once: it is the process's own.
pub fn log(Log { filter, format }: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    match format {
        LogFormat::Human => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
