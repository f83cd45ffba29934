//! Breaks TicketEngine on purpose, and checks that no promise breaks with it.

// The harness stops where its own footing is gone; what the system under test does is never unwrapped.
#![allow(clippy::unwrap_used)]
// It talks to people.
#![allow(clippy::print_stdout)]

mod check;
mod cli;
mod clients;
mod faults;
mod heal;
mod history;
mod hop;
mod mutant;
mod report;
mod round;
mod run;
mod system;
mod teeth;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use tokio::signal::unix::{SignalKind, signal};

/// What a run in which a promise broke ends with.
const BROKEN: u8 = 1;
/// As a shell says it of SIGTERM.
const STOPPED: u8 = 143;

#[tokio::main]
async fn main() -> ExitCode {
    let command = cli::Cli::parse().command;
    if let Some(why) = command.not_built() {
        cli::Cli::command().error(ErrorKind::InvalidValue, why).exit();
    }
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened for");
    let done = tokio::select! {
        done = execute(command) => Some(done),
        // What was started ends with whoever started it.
        _ = terminate.recv() => None,
        _ = tokio::signal::ctrl_c() => None,
    };
    match done {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::from(BROKEN),
        None => ExitCode::from(STOPPED),
    }
}

/// True where every promise was kept, or every guard missed.
async fn execute(command: cli::Command) -> bool {
    match command {
        cli::Command::Run(run) => run::run(&run).await,
        cli::Command::Teeth(teeth) => teeth::run(&teeth).await,
        cli::Command::Check { history } => run::check_file(&history),
        cli::Command::Schedule { seed, round, mode } => {
            let faults = faults::schedule::of_round(seed, round, &mode.kinds());
            println!("{}", faults::schedule::describe(&faults));
            true
        }
    }
}
