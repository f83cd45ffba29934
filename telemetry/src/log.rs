//! Logs.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterFn, filter_fn},
    layer::Layered,
    util::SubscriberInitExt,
};

use crate::{Log, LogFormat};

/// They trace whole messages, and messages of browsers hold their tokens.
const TELL_MESSAGES: [&str; 2] = ["tungstenite", "tokio_tungstenite"];

/// Logs to standard error. Only the program calls this, once: it is the process's own.
pub fn start(Log { filter, format }: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    match format {
        LogFormat::Human => without_messages(lines.finish()).init(),
        LogFormat::Json => without_messages(lines.json().finish()).init(),
    }
}

/// Whatever the filter says: one that names a module of theirs would win over a directive of ours.
fn without_messages<S: Subscriber>(lines: S) -> Layered<FilterFn, S> {
    let no_message: fn(&Metadata<'_>) -> bool = |line| {
        let library = line.target().split("::").next().unwrap_or_default();
        *line.level() < Level::TRACE || !TELL_MESSAGES.contains(&library)
    };
    filter_fn(no_message).with_subscriber(lines)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing::{debug, subscriber::with_default, trace};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_brings_messages_into_the_log() {
        for filter in
            ["trace", "info,tungstenite=trace", "tungstenite::protocol=trace,tokio_tungstenite=trace"]
        {
            let lines = Lines::default();
            let written = lines.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(EnvFilter::new(filter))
                .with_writer(move || lines.clone())
                .finish();
            with_default(without_messages(subscriber), || {
                trace!(target: "tungstenite::protocol", "Received message secret");
                trace!(target: "tokio_tungstenite", "Received message secret");
                debug!(target: "tungstenite::protocol", "closed");
            });
            let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert!(written.contains("closed") && !written.contains("secret"), "{filter}: {written}");
        }
    }
}
