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
mod report;
mod round;
mod run;
mod system;
mod teeth;

use std::process::ExitCode;

use clap::Parser;

/// What a run in which a promise broke ends with.
const BROKEN: u8 = 1;

#[tokio::main]
async fn main() -> ExitCode {
    let kept = match cli::Cli::parse().command {
        cli::Command::Run(run) => run::run(&run).await,
        cli::Command::Teeth(teeth) => teeth::run(&teeth).await,
        cli::Command::Check { history } => run::check_file(&history),
        cli::Command::Schedule { seed, round } => {
            println!(
                "{}",
                faults::make::describe(&faults::schedule::of_round(seed, round, faults::Kind::ALL))
            );
            true
        }
    };
    if kept { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) }
}
