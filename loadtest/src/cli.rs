//! The command line. Each option is also an environment variable.

mod mode;

pub(crate) use mode::{Mode, Server};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Puts load on a running TicketEngine, and audits what it sold.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a flash sale, then audits it.
    Demo(Demo),
    /// Compares PostgreSQL and Redis with each other and with what customers were told.
    Audit(Audit),
    /// Opens many WebSockets to a gateway and measures what each costs in memory.
    Sockets(Sockets),
    /// Measures a running TicketEngine against bare ceilings.
    Bench(Bench),
    /// A server that gives one answer: the ceiling that `bench` starts by itself.
    #[command(hide = true)]
    Bare(BareServer),
    /// A process that writes to sockets: the ceiling that `bench fanout` starts by itself.
    #[command(hide = true)]
    WriteCeiling {
        /// How many connections to wait for.
        #[arg(long)]
        sockets: usize,
    },
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Addresses of booking-svc, with commas between.
    #[arg(long = "target", env = "TE_TARGETS", value_delimiter = ',', required = true)]
    pub(crate) targets: Vec<String>,
    /// The event whose seats are sold.
    #[arg(long, env = "TE_EVENT")]
    pub(crate) event: String,
    /// How many customers come.
    #[arg(long, env = "TE_CUSTOMERS", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) customers: u32,
    /// How many connections they share, spread over the targets.
    #[arg(long, env = "TE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) connections: u16,
    /// When the sale ends at the latest, in seconds.
    #[arg(long, env = "TE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
    /// Makes customers want the same again [default: from the time].
    #[arg(long, env = "TE_SEED")]
    pub(crate) seed: Option<u64>,
    /// Keeps what customers were told in a file, for `audit --acks`.
    #[arg(long, env = "TE_ACKS", value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// Who the customers are.
    #[command(flatten)]
    pub(crate) tokens: Tokens,
    /// Where the auditor looks.
    #[command(flatten)]
    pub(crate) stores: Stores,
}

/// Options of `sockets`.
#[derive(Debug, Args)]
pub(crate) struct Sockets {
    /// The gateway, such as http://127.0.0.1:8080
    #[arg(long, env = "TE_DEV_GATEWAY")]
    pub(crate) gateway: String,
    /// The event that is watched.
    #[arg(long, env = "TE_EVENT")]
    pub(crate) event: String,
    /// How many sockets.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) sockets: u32,
    /// The gateway's process [default: who listens on its port on this machine].
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// How long all sockets are idle before the memory is measured, in seconds. At least two heartbeats are awaited.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub(crate) idle: u32,
    /// Watches in the packed encoding instead of the readable one.
    #[arg(long)]
    pub(crate) binary: bool,
    /// Addresses of booking-svc, with commas between: to make changes.
    #[arg(long = "target", env = "TE_TARGETS", value_delimiter = ',', required = true)]
    pub(crate) targets: Vec<String>,
    /// Who makes the changes.
    #[command(flatten)]
    pub(crate) tokens: Tokens,
}

/// Options of `bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Bench {
    /// Which scenarios [default: all].
    #[arg(value_enum)]
    pub(crate) scenarios: Vec<Scenario>,
    /// Shorter slices and smaller houses: a look, not a measurement.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Fails where a bound is missed, too.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Where results.json and report.html go [default: .dev/bench/TIME].
    #[arg(long, env = "TE_BENCH_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The booking-svc that is measured.
    #[arg(long, env = "TE_BENCH_TARGET_A", value_name = "URL")]
    pub(crate) target: String,
    /// Another one with level 0 off.
    #[arg(long, env = "TE_BENCH_TARGET_B", value_name = "URL")]
    pub(crate) target_b: Option<String>,
    /// The gateway, such as http://127.0.0.1:8080
    #[arg(long, env = "TE_DEV_GATEWAY", value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// Systems on other stores, for the scenario `modes`: NAME, the booking-svc, Redis, PostgreSQL, and what else on this
    /// machine counts as a store's CPU, such as Redis=6380 or pgbouncer=6432; with spaces between, more with semicolons.
    #[arg(long = "mode", env = "TE_BENCH_MODES", hide_env_values = true, value_delimiter = ';')]
    pub(crate) modes: Vec<Mode>,
    /// Of the mode that is measured.
    #[arg(skip)]
    pub(crate) servers: Vec<(Server, u16)>,
    /// Who the customers are.
    #[command(flatten)]
    pub(crate) tokens: Tokens,
    /// Where the auditor looks, and where the ceilings are measured.
    #[command(flatten)]
    pub(crate) stores: Stores,
}

/// What `bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// Refusals a second.
    Reject,
    /// Seats won a second.
    Win,
    /// Bookings a second.
    Book,
    /// How long customers wait at ten thousand calls a second.
    Latency,
    /// What a change costs that ten thousand sockets hear of, and when they do.
    Fanout,
    /// What refusals and wins cost in larger houses and beside more events.
    Growth,
    /// The memory of booking-svc.
    Memory,
    /// What other kinds of stores cost.
    Modes,
}

impl Scenario {
    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Self; 8] = [
        Self::Reject,
        Self::Win,
        Self::Book,
        Self::Latency,
        Self::Fanout,
        Self::Growth,
        Self::Memory,
        Self::Modes,
    ];

    /// On the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Win => "win",
            Self::Book => "book",
            Self::Latency => "latency",
            Self::Fanout => "fanout",
            Self::Growth => "growth",
            Self::Memory => "memory",
            Self::Modes => "modes",
        }
    }
}

/// Options of `bare`.
#[derive(Debug, Args)]
pub(crate) struct BareServer {
    /// What each Reserve is answered with.
    #[arg(long, value_enum)]
    pub(crate) answer: Answer,
    /// The message of a refusal.
    #[arg(long, default_value = "")]
    pub(crate) message: String,
    /// The encoded ReserveResponse, or the details of the refusal; in hexadecimal.
    #[arg(long)]
    pub(crate) bytes: String,
}

/// The two kinds of answers of `bare`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Answer {
    /// A reservation.
    Granted,
    /// FAILED_PRECONDITION.
    Refused,
}

/// How customers' tokens are signed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Tokens {
    /// Signs the customers' tokens (HS256).
    #[arg(long, env = "TE_JWT_SECRET", hide_env_values = true)]
    pub(crate) jwt_secret: String,
    /// The tokens' `iss`.
    #[arg(long, env = "TE_JWT_ISSUER")]
    pub(crate) jwt_issuer: String,
    /// The tokens' `aud`.
    #[arg(long, env = "TE_JWT_AUDIENCE")]
    pub(crate) jwt_audience: String,
}

/// Options of `audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The event to look at.
    #[arg(long, env = "TE_EVENT")]
    pub(crate) event: String,
    /// What customers were told: a file that `demo --acks` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// Where the auditor looks.
    #[command(flatten)]
    pub(crate) stores: Stores,
}

/// The two stores of the system.
#[derive(Clone, Debug, Args)]
pub(crate) struct Stores {
    /// Redis, such as redis://127.0.0.1:6379/; as the service has it: also redis-sentinel://, redis-cluster:// or redlock://
    #[arg(long, env = "TE_REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: String,
    /// PostgreSQL, such as postgres://ticketengine@127.0.0.1:5432/ticketengine
    #[arg(long, env = "TE_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// What the keys in Redis begin with.
    #[arg(long, env = "TE_KEY_PREFIX", default_value = "te")]
    pub(crate) key_prefix: String,
}
