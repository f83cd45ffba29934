//! The command line.

use std::{io, net::SocketAddr};

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};

use crate::{
    StartError,
    config::{self, Config, GatewayArgs},
    healthcheck,
    limits::{FILES_SPARE, HTTP_CONNECTIONS_SPARE, LISTEN_BACKLOG},
    serve,
};

/// Live seats for browsers: WatchSeats streams in, WebSocket broadcasts out. Serves until SIGTERM or SIGINT.
#[derive(Debug, Parser)]
#[command(name = "ws-gateway", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    args: GatewayArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the gateway of this machine whether it is ready; exit code 0 says yes.
    Healthcheck(HealthcheckArgs),
}

#[derive(Args, Debug)]
struct HealthcheckArgs {
    /// Where the gateway listens.
    #[arg(long, env = "TE_GATEWAY_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Ask only whether the process lives.
    #[arg(long)]
    live: bool,
}

/// Why the program ended. [`Self::exit_code`] tells a script which kind it was.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Help or the version was asked for: no failure at all.
    #[error("{0}")]
    Shown(String),
    /// The command line can not be understood.
    #[error("{0}")]
    Usage(String),
    /// A setting is missing or wrong.
    #[error(transparent)]
    Setting(#[from] config::Error),
    /// The gateway did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It is not healthy.
    #[error(transparent)]
    Health(#[from] healthcheck::Error),
    /// The signals or the runtime are not there.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    /// 64 for what the caller has to mend on the command line or in the environment, as in sysexits.h.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Shown(_) => 0,
            Self::Usage(_) | Self::Setting(_) => 64,
            Self::Start(_) | Self::Health(_) | Self::Io(_) => 1,
        }
    }
}

impl Cli {
    /// Reads the command line and the environment. A mistake is one line.
    pub fn read<T: Into<std::ffi::OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Self, Failure> {
        Self::try_parse_from(args).map_err(|error| {
            let text = error.to_string();
            if [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion].contains(&error.kind()) {
                return Failure::Shown(text);
            }
            let first = text.split("\n\n").next().unwrap_or_default();
            let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
            Failure::Usage(line.trim_start_matches("error: ").to_owned())
        })
    }

    /// Serves until told to stop.
    pub async fn run(self) -> Result<(), Failure> {
        if let Some(Command::Healthcheck(HealthcheckArgs { listen, live })) = self.command {
            let path = if live { "/healthz" } else { "/readyz" };
            return Ok(healthcheck::ask(listen, path).await?);
        }
        let config = Config::try_from(self.args)?;
        telemetry::log::start(&config.report.log);
        #[cfg(feature = "mutants")]
        crate::mutants::announce().map_err(Failure::Usage)?;
        // Before binding, so that a signal during the start is not lost.
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            tracing::info!("stopping");
        };
        raise_file_limit(config.http.bounds.sockets_max);
        let address = config.listen;
        let listener = listen(address).map_err(|error| StartError::Listen(address, error))?;
        Ok(serve(config, listener, shutdown).await?)
    }
}

/// With a backlog for the many browsers that come back at once.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

/// A socket is a file: takes as many as the process may have, and says so where that is too few.
fn raise_file_limit(sockets: usize) {
    let wanted = (sockets + HTTP_CONNECTIONS_SPARE + FILES_SPARE) as u64;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    if let Some(files) = now.current.filter(|files| *files < wanted) {
        tracing::warn!(files, wanted, "the limit of open files is below TE_CONNECTIONS_MAX");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, Failure> {
        Cli::read(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_one_line_and_exit_code_64() {
        let table = [
            ("ws-gateway --listen nowhere", "invalid value 'nowhere' for '--listen <LISTEN>'"),
            ("ws-gateway --tick soon", "invalid value 'soon' for '--tick <TICK>'"),
            ("ws-gateway --unknown", "unexpected argument '--unknown' found"),
        ];
        for (line, expected) in table {
            let failure = read(line).unwrap_err();
            assert_eq!(failure.exit_code(), 64, "{line}");
            let text = failure.to_string();
            assert!(text.starts_with(expected) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn help_is_no_failure() {
        for line in ["ws-gateway --help", "ws-gateway --version"] {
            assert!(matches!(read(line).unwrap_err(), Failure::Shown(_)), "{line}");
        }
    }

    #[tokio::test]
    async fn a_wrong_setting_stops_the_start() {
        let failure = read("ws-gateway --targets= --drain 1s").unwrap().run().await.unwrap_err();
        assert_eq!((failure.exit_code(), &*failure.to_string()), (64, "TE_TARGETS is not set"));
    }
}
