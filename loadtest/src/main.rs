//! Load generator and auditor of TicketEngine. It knows the wire types and the two stores, and none of the service's code.

mod audit;
mod bench;
mod cli;
mod client;
mod demo;
mod error;
mod ledger;
mod nodes;
mod process;
mod report;
mod sockets;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use cli::{Cli, Command};
use error::Error;
use ledger::Record;

/// The client shares the cores with what it measures, and the bare server is to be as quick as one can be.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A promise is broken.
const EXIT_VIOLATED: u8 = 1;
/// The command could not do its work.
const EXIT_FAILED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Audit(options) => run_audit(&options).await,
        Command::Sockets(options) => sockets::run(&options).await,
        Command::Bench(options) => bench::run(&options).await,
        Command::Bare(options) => bench::serve_bare(&options).await.map(|()| true),
        Command::WriteCeiling { sockets } => bench::serve_writes(sockets).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_VIOLATED),
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

async fn run_audit(options: &cli::Audit) -> Result<bool, Error> {
    let record = options.acks.as_deref().map(Record::load).transpose()?;
    if let Some(record) = record.as_ref().filter(|record| record.event != options.event) {
        return Err(Error::AcksEvent(record.event.clone(), options.event.clone()));
    }
    let checks = audit::run(&options.stores, &options.event, record.as_ref()).await?;
    report::audit(&options.event, &checks)
}
