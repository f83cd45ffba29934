//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, value_parser};

use crate::{
    faults::Kind,
    mutant::{self, Mutant},
    system::{Build, Mode},
};

/// Each is a dozen of processes.
const JOBS_MAX: i64 = 8;
const WITHOUT_KAFKA: &str = "--mode kafka needs a build with the feature kafka: run ./dev chaos --mode kafka";

/// Breaks TicketEngine on purpose, and checks that no promise breaks with it.
#[derive(Parser)]
#[command(name = "chaos", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Rounds of a sale under faults, each checked.
    Run(Run),
    /// Takes out one guard after the other; each has to be caught within a few rounds.
    Teeth(Teeth),
    /// Checks a history that a run has kept.
    Check {
        /// round-N.json of a run.
        history: PathBuf,
    },
    /// Shows the faults of a round.
    Schedule {
        #[arg(long)]
        seed: u64,
        #[arg(long, default_value_t = 0)]
        round: u64,
        #[arg(long, value_enum, default_value_t)]
        mode: Mode,
    },
}

impl Command {
    /// Why this build can not do it.
    pub(crate) fn not_built(&self) -> Option<&'static str> {
        let needs_kafka = matches!(self, Self::Run(run) if run.mode == Mode::Kafka);
        (needs_kafka && !cfg!(feature = "kafka")).then_some(WITHOUT_KAFKA)
    }
}

/// Where the programs are, and where results go.
#[derive(Args, Clone)]
pub(crate) struct Programs {
    /// The program of the service.
    #[arg(long, env = "TE_CHAOS_BOOKING_SVC")]
    pub(crate) booking_svc: PathBuf,
    /// The program of the gateway.
    #[arg(long, env = "TE_CHAOS_WS_GATEWAY")]
    pub(crate) ws_gateway: PathBuf,
    /// A folder for logs, and for the histories of rounds in which a promise broke.
    #[arg(long, env = "TE_CHAOS_OUT")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// How long new rounds begin.
    #[arg(long, default_value_t = 5)]
    pub(crate) minutes: u64,
    /// What the stores are.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mode: Mode,
    /// Gives the faults and what customers want; a new one each time where it is not given.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Begins with this round: to see one again.
    #[arg(long, default_value_t = 0)]
    pub(crate) round: u64,
    /// Ends after so many rounds, whatever the time.
    #[arg(long)]
    pub(crate) rounds: Option<u64>,
    /// Only these kinds of faults, comma-separated, as `schedule` names them.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    pub(crate) only: Vec<Kind>,
    /// Keeps the history of each round, not only of those in which a promise broke.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Takes out a guard; needs programs that were built with the feature `mutants`.
    #[arg(long, value_parser = mutant)]
    pub(crate) mutant: Option<&'static Mutant>,
}

#[derive(Args)]
pub(crate) struct Teeth {
    /// Programs that were built with the feature `mutants`.
    #[command(flatten)]
    pub(crate) programs: Programs,
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Only these, comma-separated.
    #[arg(long, value_delimiter = ',', value_parser = mutant)]
    pub(crate) only: Vec<&'static Mutant>,
    /// So many systems run side by side, each without one guard.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u8).range(1..=JOBS_MAX))]
    pub(crate) jobs: u8,
}

impl Programs {
    pub(crate) fn build(&self, mutant: Option<&'static Mutant>) -> Build {
        Build { booking_svc: self.booking_svc.clone(), ws_gateway: self.ws_gateway.clone(), mutant }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    Kind::named(name).ok_or_else(|| format!("no such kind; there are: {}", names()))
}

fn mutant(name: &str) -> Result<&'static Mutant, String> {
    let names = || mutant::ALL.iter().map(|mutant| mutant.name).collect::<Vec<_>>().join(", ");
    Mutant::named(name).ok_or_else(|| format!("no such guard; there are: {}", names()))
}
