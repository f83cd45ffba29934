//! The command line.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::{ArgAction, Args, Parser, Subcommand, builder::BoolishValueParser, error::ErrorKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use telemetry::{Log, LogArgs, Metrics};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    Crew, SERVICE, StartError, booking, build,
    config::{self, Config, DatabaseArgs, EngineSettings, JwtArgs, ServeArgs, StoreArgs},
    domain::{CustomerId, EventId, SalesSettings},
    healthcheck,
    identity::{Mint, Role},
    limits, migrate, serve, vault_options, venue,
};

/// Seat reservations: holds in Redis, bookings in PostgreSQL, gRPC in front.
#[derive(Debug, Parser)]
#[command(name = "booking-svc", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve gRPC until SIGTERM or SIGINT.
    Serve(Box<ServeArgs>),
    /// Ask the service of this machine whether it serves; exit code 0 says yes.
    Healthcheck(HealthcheckArgs),
    /// Bring the database up to date, as the owner of its tables.
    Migrate(MigrateArgs),
    /// Manage events.
    #[command(subcommand)]
    Event(EventCommand),
    /// Make access tokens for development.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Args, Debug)]
struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The role that serve logs in as, where it is not the owner: it gets what serve needs, and keeps nothing else.
    #[arg(long, env = "TE_DATABASE_SERVICE_ROLE")]
    service_role: Option<String>,
    /// Whether bookings are written to the outbox, from which `serve` tells Kafka of them; without it, as it was.
    #[arg(long, env = "TE_OUTBOX", value_parser = switch)]
    outbox: Option<Switch>,
}

/// A thing to switch, or to leave as it is.
#[derive(Clone, Copy, Debug)]
struct Switch(Option<bool>);

#[derive(Debug, Subcommand)]
enum EventCommand {
    /// Create an event from a venue file.
    Load(Box<LoadArgs>),
}

#[derive(Args, Debug)]
struct LoadArgs {
    /// Venue file (JSON).
    file: PathBuf,
    /// Instead of the id in the file.
    #[arg(long)]
    event_id: Option<EventId>,
    /// Instead of the hold time in the file, such as 5s; the longest hold follows it.
    #[arg(long, value_parser = humantime::parse_duration)]
    hold_ttl: Option<Duration>,
    /// Open the sale at once.
    #[arg(long)]
    open_sales: bool,
    /// As for serve: where the event exists and its gate is cold, this command rebuilds it.
    #[arg(long, env = "TE_QUARANTINE", value_parser = BoolishValueParser::new(), default_value = "on",
        action = ArgAction::Set)]
    quarantine: bool,
    #[command(flatten)]
    stores: StoreArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Args, Debug)]
struct HealthcheckArgs {
    /// Where the service listens.
    #[arg(long, env = "TE_LISTEN", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// With it, TLS is on: then it is only looked whether the port takes connections.
    #[arg(long, env = "TE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Print a token signed with TE_JWT_SECRET.
    Mint(MintArgs),
}

#[derive(Args, Debug)]
struct MintArgs {
    /// What the holder may be; may be repeated.
    #[arg(long = "role", required = true)]
    roles: Vec<Role>,
    /// Who holds it; for the role customer, the customer.
    #[arg(long = "sub")]
    subject: CustomerId,
    /// For how long.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1h")]
    ttl: Duration,
    #[command(flatten)]
    jwt: JwtArgs,
}

/// Why a command failed. [`Self::exit_code`] tells a script which kind it was.
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
    /// The service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It is not healthy.
    #[error(transparent)]
    Health(#[from] healthcheck::Error),
    /// The venue file can not be loaded.
    #[error("{0} {1}")]
    Venue(String, venue::Error),
    /// The use case refused.
    #[error(transparent)]
    Refused(#[from] booking::Error),
    /// The token can not be signed.
    #[error("the token can not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// Standard output or the signals are not there.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    /// 64 for what the caller has to mend on the command line or in the environment, as in sysexits.h.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Shown(_) => 0,
            Self::Usage(_) | Self::Setting(_) => 64,
            Self::Venue(..) => 65,
            Self::Start(_) | Self::Health(_) | Self::Refused(_) | Self::Sign(_) | Self::Io(_) => 1,
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
            let shown = [
                ErrorKind::DisplayHelp,
                ErrorKind::DisplayVersion,
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            ];
            if shown.contains(&error.kind()) {
                return Failure::Shown(text);
            }
            let first = text.split("\n\n").next().unwrap_or_default();
            let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
            Failure::Usage(line.trim_start_matches("error: ").to_owned())
        })
    }

    /// Does what the command line says.
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(args) => run_server((*args).try_into()?).await,
            Command::Healthcheck(HealthcheckArgs { listen, tls_cert }) => {
                // An empty path stands for none: that is how a variable is unset in many tools.
                let tls = tls_cert.is_some_and(|path| !path.as_os_str().is_empty());
                Ok(healthcheck::ask(listen, tls).await?)
            }
            Command::Migrate(args) => {
                let role = args.service_role.filter(|role| !role.is_empty());
                let outbox = args.outbox.and_then(|Switch(on)| on);
                let migrated = migrate(&args.database.try_into()?, role.as_deref(), outbox).await?;
                migrated.applied.iter().try_for_each(|name| say(format_args!("applied {name}")))?;
                if let Some(on) = outbox {
                    let (on, now) = (if on { "on" } else { "off" }, migrated.outbox_switched);
                    say(format_args!("the outbox is {on}{}", if now { " from now on" } else { "" }))?;
                }
                role.map_or(Ok(()), |role| say(format_args!("{role} may do what the service needs")))?;
                Ok(say(format_args!("the database is up to date"))?)
            }
            Command::Event(EventCommand::Load(args)) => load(*args).await,
            Command::Token(TokenCommand::Mint(args)) => mint(&args),
        }
    }
}

async fn run_server(config: Config) -> Result<(), Failure> {
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
    raise_file_limit(&config);
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))?;
    Ok(serve(config, listener, shutdown).await?)
}

/// A connection is a file: takes as many as the process may have, and says so where that is too few.
fn raise_file_limit(config: &Config) {
    let replicas = 1 + u32::from(config.stores.database_read_url.is_some());
    let stores = config.stores.redis_connections + replicas * config.stores.database_connections;
    let wanted = (config.grpc.connections_max + limits::FILES_SPARE) as u64 + u64::from(stores);
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    if let Some(files) = now.current.filter(|files| *files < wanted) {
        tracing::warn!(files, wanted, "the limit of open files is below TE_CONNECTIONS_MAX");
    }
}

async fn load(args: LoadArgs) -> Result<(), Failure> {
    let stores = args.stores.try_into()?;
    let settings = EngineSettings { quarantine: args.quarantine, ..EngineSettings::for_command() };
    telemetry::log::start(&Log::try_from(args.log).map_err(config::Error::from)?);
    let path = args.file.display().to_string();
    let mut new = venue::load(&args.file).map_err(|error| Failure::Venue(path, error))?;
    new.id = args.event_id.unwrap_or(new.id);
    if let Some(hold_ttl) = args.hold_ttl {
        new.settings.hold_ttl = hold_ttl;
        new.settings.hold_max = hold_ttl * SalesSettings::HOLD_MAX_FACTOR_DEFAULT;
    }

    let (crew, metrics) = (Crew::default(), Metrics::new(SERVICE).map_err(StartError::from)?);
    let engine = build(vault_options(&stores), &stores, &settings, &crew, &metrics.meter()).await?;
    let mut event = engine.create_event(new).await?;
    if args.open_sales && !event.sales_open {
        event = engine.set_sales_open(&event.id, true).await?;
    }
    crew.stop().await;
    let sales = if event.sales_open { "open" } else { "closed" };
    Ok(say(format_args!("event {}: {} seats, sales {sales}", event.id, event.seat_count))?)
}

fn mint(args: &MintArgs) -> Result<(), Failure> {
    let trust = args.jwt.trust()?;
    let secret = args.jwt.required_secret()?.expose().as_bytes();
    let mint = Mint { subject: args.subject.as_str(), roles: &args.roles, ttl: args.ttl };
    Ok(say(format_args!("{}", mint.sign(&trust, secret)?))?)
}

/// An empty text stands for none: that is how a variable is unset in many tools.
fn switch(text: &str) -> Result<Switch, String> {
    match text {
        "" => Ok(Switch(None)),
        "on" => Ok(Switch(Some(true))),
        "off" => Ok(Switch(Some(false))),
        _ => Err("on or off".into()),
    }
}

fn say(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
